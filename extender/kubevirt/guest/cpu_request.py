"""CPUs of a dedicated VM's `compute` container: what KubeVirt requests, and what virt-launcher then pins (v1.9.0).

KubeVirt computes the two separately, and they can differ. With the even-parity annotation, the request counts a
supplemental IO thread pool twice (pkg/virt-controller/services/renderresources.go, WithCPUPinning), the launcher counts
it once (pkg/virt-launcher/virtwrap/converter/vcpu/vcpu.go, FormatEmulatorThreadPin). With an odd number of pool
threads, a VM with an odd number of vCPUs then gets one CPU too few and never starts.
"""

from dataclasses import replace

from extender.kubevirt.guest.size import GuestSize

__all__ = ["lacks_cpus", "pinned_cpus", "requested_cpus", "size_at_creation"]


def requested_cpus(size: GuestSize) -> int:
    """Exclusive CPUs that KubeVirt requests for `compute`."""
    cpus = size.vcpus + size.supplemental_pool
    if not size.isolate_emulator:
        return cpus
    even = size.even_parity and (cpus + size.supplemental_pool) % 2 == 0
    return cpus + (2 if even else 1)


def pinned_cpus(size: GuestSize) -> int:
    """CPUs that virt-launcher needs for vCPUs, supplemental IO threads and the isolated emulator."""
    return size.vcpus + _own_threads(size)


def lacks_cpus(size: GuestSize, cpus: int) -> bool:
    """Whether the VM cannot start on any cpuset of this many CPUs.

    Without passthrough, a shortage below one guest core is no error if only vCPUs are pinned (pinning.py). Does not
    hold on hosts where one thread of a core is offline: there KubeVirt assigns a CPU twice.
    """
    missing = pinned_cpus(size) - cpus
    return missing >= (1 if size.passthrough or _own_threads(size) else size.threads)


def size_at_creation(size: GuestSize, cpus: int) -> GuestSize:
    """The VM's size when its pod with this many exclusive CPUs was created: CPU hotplug raises the spec, not the pod.

    `size` itself if no smaller size requests that many CPUs; the larger one if two sizes do (even parity).
    """
    sockets = size.sockets
    while sockets > 1 and requested_cpus(replace(size, sockets=sockets)) > cpus:
        sockets -= 1
    smaller = replace(size, sockets=sockets)
    return smaller if requested_cpus(smaller) == cpus else size


def _own_threads(size: GuestSize) -> int:
    """Threads other than vCPUs that get a CPU of their own."""
    if not size.isolate_emulator:
        return size.supplemental_pool
    even = size.even_parity and (size.vcpus + size.supplemental_pool) % 2 == 0
    return size.supplemental_pool + (2 if even else 1)
