"""How long kube-scheduler waits for the extender."""
