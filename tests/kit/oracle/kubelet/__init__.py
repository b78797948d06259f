"""The real kubelet managers: a Go program, its build, and a conversation with it."""
