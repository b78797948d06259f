"""The product against its judges: a real kube-scheduler calls it, the kubelet's real managers admit what it placed."""
