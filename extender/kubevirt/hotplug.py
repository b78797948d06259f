"""CPU hotplug of a VM, in words. `maxSockets` reserves nothing: it is never a demand for CPUs.

Hotplug is off where maxSockets equals sockets, however that came about (defaults.go of KubeVirt): the instance type's
or the VM's own maxSockets, or the cluster-wide maxHotplugRatio 1; or where no maximum is set at all.
"""

from collections.abc import Mapping

from extender import names
from extender.kubevirt.guest_size import GuestSize

__all__ = ["hotplug_words"]


def hotplug_words(size: GuestSize, sockets: int, annotations: Mapping[str, str] | None) -> str:
    """One sentence; `sockets`: those that run now, 0 as many as the spec says."""
    if sockets and sockets < size.sockets:
        return (
            f"CPU hotplug in progress: {sockets * size.socket_vcpus} vCPUs run, the target is made for {size.vcpus}; "
            "cells are judged by those that run, room by all"
        )
    if size.max_sockets is None:
        return "CPU hotplug is off: no maxSockets is set"
    if size.max_sockets > size.sockets:
        return (
            f"CPU hotplug is on: up to {size.max_vcpus} vCPUs; switch it off with maxSockets = sockets in the instance "
            "type or the VM, or with the cluster-wide maxHotplugRatio 1"
        )
    kind = next((found for key in names.INSTANCETYPE_ANNOTATIONS if (found := (annotations or {}).get(key))), "")
    by = f"its instance type {kind}, the VM" if kind else "the VM"
    return f"CPU hotplug is off: maxSockets equals sockets (by {by} or the cluster-wide maxHotplugRatio 1)"
