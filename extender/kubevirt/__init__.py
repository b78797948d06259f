"""What KubeVirt makes of a node: launcher pods, guest pins and cells."""
