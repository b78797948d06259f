"""The real kubelet managers as an oracle: see README.md."""
