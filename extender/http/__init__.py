"""The two ports: kube-scheduler's calls, and operations (probes, metrics, debugging)."""
