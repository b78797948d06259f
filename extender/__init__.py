"""fastfit: a kube-scheduler extender that places KubeVirt VMs by NUMA-zone fit."""

__version__ = "0.1.0"
