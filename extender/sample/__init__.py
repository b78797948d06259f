"""The cluster of `fastfit demo`: `cluster.json`, a call of kube-scheduler (`filter.json`), and their generator."""
