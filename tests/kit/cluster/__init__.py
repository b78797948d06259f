"""A real control plane for the tests: etcd, kube-apiserver, kube-scheduler and hollow kubelets on loopback.

`build` makes the one Go binary that holds all parts; `control_plane` runs them. The hollow kubelets admit pods with the
kubelet's own CPU, Memory and Topology Managers, so what they answer is what a node of that shape would answer.
"""
