"""Twins and models against the real code: kubelet, KubeVirt, libvirt."""
