"""CPU hotplug of a VM (KubeVirt v1.9.0), as a sentence for explain. `maxSockets` is never a demand for CPUs.

Hotplug is off in three cases. maxSockets equals sockets: by the instance type or the VM
(pkg/instancetype/apply/cpu.go), or by the cluster-wide configuration for VMs that state none
(pkg/defaults/defaults.go). No maximum is set. Changes wait for a restart (vmRolloutStrategy Stage).
"""

from collections.abc import Mapping

from extender import names
from extender.kubevirt.guest.size import GuestSize
from extender.kubevirt.installation import Installation

__all__ = ["default_max_sockets", "hotplug_words", "largest_words"]

#: vCPUs to which a maximum by ratio is limited (defaults.go, setupCPUHotplug).
_MOST_VCPUS = 512


def default_max_sockets(size: GuestSize, installation: Installation) -> int | None:
    """The maxSockets that KubeVirt sets for a VM of this size that states none; None: it sets none
    (setupCPUHotplug).
    """
    if not installation.live_update:
        return None
    if installation.max_cpu_sockets is not None:
        return max(installation.max_cpu_sockets, size.sockets)
    sockets = size.sockets * installation.max_hotplug_ratio
    if sockets * size.socket_vcpus > _MOST_VCPUS:
        return max(_MOST_VCPUS // size.socket_vcpus, size.sockets)
    return sockets


def hotplug_words(
    size: GuestSize, sockets: int, annotations: Mapping[str, str] | None, installation: Installation
) -> str:
    """One sentence. `sockets`: those that run now; 0: as many as the spec says. `annotations`: of the VMI or its
    pod.
    """
    if sockets and sockets < size.sockets:
        return (
            f"CPU hotplug in progress: {sockets * size.socket_vcpus} vCPUs run, the target is made for {size.vcpus}; "
            "cells are judged by those that run, room by all"
        )
    if not installation.live_update:
        return "CPU hotplug is off: vmRolloutStrategy of the cluster is Stage, changes wait for a restart"
    if size.max_sockets is None:
        return "CPU hotplug is off: no maxSockets is set"
    if size.max_sockets > size.sockets:
        return (
            f"CPU hotplug is on: up to {size.max_vcpus} vCPUs; switch it off with maxSockets = sockets in the instance "
            "type or the VM, or with the cluster-wide maxHotplugRatio 1"
        )
    kind = next((found for key in names.INSTANCETYPE_ANNOTATIONS if (found := (annotations or {}).get(key))), "")
    return f"CPU hotplug is off: maxSockets equals sockets (by {_by(size, kind, installation)})"


def largest_words(size: GuestSize, max_memory: int) -> str:
    """The size up to which hotplug may go: `64 vCPUs (maxSockets 64)`; empty: it has that size already."""
    most = max(size.max_sockets or 0, size.sockets)
    parts = [f"{most * size.socket_vcpus} vCPUs (maxSockets {most})"] if most > size.sockets else []
    if max_memory > size.memory_bytes:
        parts.append(f"{max_memory / 2**30:g}Gi (maxGuest)")
    return " and ".join(parts)


def _by(size: GuestSize, kind: str, installation: Installation) -> str:
    """What set maxSockets equal to sockets, as far as the objects show it."""
    if default_max_sockets(size, installation) == size.sockets:
        if installation.max_cpu_sockets is not None:
            return f"the cluster-wide maxCpuSockets {installation.max_cpu_sockets}"
        if installation.max_hotplug_ratio == 1:
            return "the cluster-wide maxHotplugRatio 1"
        return f"the limit of {_MOST_VCPUS} vCPUs"
    own = [f"its instance type {kind}", "the VM"] if kind else ["the VM"]
    if not installation.known:
        own.append("the cluster-wide maxHotplugRatio 1")
    return ", ".join(own[:-1]) + " or " + own[-1] if len(own) > 1 else own[0]
