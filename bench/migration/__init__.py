"""Where live migrations go, by models of the kubelet, KubeVirt and libvirt."""
