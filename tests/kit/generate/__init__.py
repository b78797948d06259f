"""Random machines, kubelet configurations, pods, hosts and VMs in the golden format."""
