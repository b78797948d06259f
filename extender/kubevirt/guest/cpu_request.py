"""CPUs of a dedicated VM's `compute` container: what KubeVirt asks for, and what virt-launcher then pins.

The two are computed apart and can differ: with the even-parity annotation the request counts a supplemental IO thread
pool twice (renderresources.go, WithCPUPinning), the launcher once
(converter/vcpu/vcpu.go, FormatEmulatorThreadPin). An odd pool then gives an odd VM one CPU too few, and it never starts.
"""

from dataclasses import replace

from extender.kubevirt.guest.size import GuestSize

__all__ = ["lacks_cpus", "made_for", "pinned_cpus", "requested_cpus"]


def requested_cpus(size: GuestSize) -> int:
    """Exclusive CPUs that KubeVirt puts into the pod."""
    cpus = size.vcpus + size.supplemental_pool
    if not size.isolate_emulator:
        return cpus
    even = size.even_parity and (cpus + size.supplemental_pool) % 2 == 0
    return cpus + (2 if even else 1)


def pinned_cpus(size: GuestSize) -> int:
    """CPUs that virt-launcher needs for vCPUs, supplemental IO threads and the isolated emulator."""
    return size.vcpus + _own_threads(size)


def lacks_cpus(size: GuestSize, cpus: int) -> bool:
    """Whether the VM can start on no cpuset of this many CPUs.

    Relaxed, a shortage below one guest core is no error where nothing but vCPUs is pinned (pinning.py). Not for hosts
    with a thread of a core offline, where KubeVirt hands out a CPU twice.
    """
    missing = pinned_cpus(size) - cpus
    return missing >= (1 if size.passthrough or _own_threads(size) else size.threads)


def made_for(size: GuestSize, cpus: int) -> GuestSize:
    """The size for which a pod with this many exclusive CPUs was made: CPU hotplug raises the spec while the pod stays.

    The size itself where no smaller one explains the pod. Two sizes can ask for the same (even parity); then the larger.
    """
    sockets = size.sockets
    while sockets > 1 and requested_cpus(replace(size, sockets=sockets)) > cpus:
        sockets -= 1
    smaller = replace(size, sockets=sockets)
    return smaller if requested_cpus(smaller) == cpus else size


def _own_threads(size: GuestSize) -> int:
    """Threads beside the vCPUs that get a CPU of their own."""
    if not size.isolate_emulator:
        return size.supplemental_pool
    even = size.even_parity and (size.vcpus + size.supplemental_pool) % 2 == 0
    return size.supplemental_pool + (2 if even else 1)
