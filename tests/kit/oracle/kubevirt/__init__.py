"""KubeVirt's own launcher code: a Go program, its build, and a conversation with it."""
