"""The real kubelet managers and KubeVirt's launcher code as oracles: see README.md."""
