"""Which host zones physically hold the huge pages of a pod, as far as that is known.

The kubelet's accounting and the pages that Linux gives differ. The Memory Manager accounts a group of zones from its
lowest zone on (pkg/kubelet/cm/memorymanager/policy_static.go, Kubernetes 1.35 to 1.37), and binds the pod to the group
(cpuset.mems): which zone of it gives a page is open. KubeVirt binds an even share to every zone that has a vCPU of the
guest (pkg/virt-launcher/virtwrap/converter/vcpu/vcpu.go, numaMapping, v1.9.0). Nothing binds the pages of all other
pods: Linux takes them from the zone of the CPU that touches them, then from other zones. A pod without exclusive CPUs may
run, and so take pages, anywhere.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from extender.kubelet.model import Machine
from extender.kubelet.pod import ContainerDemand, PodDemand, is_pages, loose_pages, peak_need
from extender.kubelet.results import Admitted
from extender.kubevirt.guest.boot import boot
from extender.kubevirt.guest.cpu_request import size_at_creation
from extender.kubevirt.guest.domain import Domain, GuestError, zone_pages
from extender.kubevirt.guest.host_topology import HostTopology
from extender.kubevirt.launcher_pod import COMPUTE, Guest

__all__ = ["PageUse", "page_demand", "pages_held"]


class PageUse(NamedTuple):
    """Huge pages of one size that a pod holds in some of these zones; if there is one zone, in that one.

    `bound`: they cannot lie elsewhere. Otherwise other zones helped out if these had too few.
    """

    zones: tuple[int, ...]
    resource: str
    bytes: int
    bound: bool = True


def page_demand(demand: PodDemand) -> tuple[tuple[str, int], ...]:
    """The most huge pages that the pod holds at one time, in bytes by resource name, pinned or not."""
    return tuple((name, amount) for name, amount in peak_need(demand, _pages_of(demand)).items() if amount)


def pages_held(
    machine: Machine, topology: HostTopology, demand: PodDemand, placed: Admitted, guest: Guest | None, cells: int = 0
) -> tuple[PageUse, ...]:
    """Huge pages that the pod takes from the machine.

    `cells`: cells of a guest that came by live migration; 0: not known, or it booted here.
    """
    if guest is not None and guest.size.passthrough and guest.pages:
        exact = _by_cells(topology, placed, guest, cells)
        if exact is not None:
            return exact
    pinned: dict[tuple[tuple[int, ...], str], int] = {}
    loose = set()
    for container in demand.containers:
        place = placed.containers.get(container.name)
        blocks = [block for block in place.memory if is_pages(block.resource)] if place is not None else []
        for block in blocks:
            key = block.zones, block.resource
            pinned[key] = pinned.get(key, 0) + block.bytes
        if not blocks:
            loose.add(container.name)
    asked = _pages_of(demand)
    needed = peak_need(demand, lambda container: asked(container) if container.name in loose else ())
    held = [PageUse(zones, resource, amount) for (zones, resource), amount in pinned.items() if amount]
    if any(needed.values()):
        touching = [placed.containers.get(c.name) for c in demand.containers if c.name in loose and asked(c)]
        cpus = frozenset(cpu for place in touching if place is not None for cpu in place.cpus)
        zones = _cpu_zones(machine, cpus)
        held += [PageUse(zones, resource, amount, bound=False) for resource, amount in needed.items() if amount]
    return tuple(held)


def _pages_of(demand: PodDemand) -> Callable[[ContainerDemand], tuple[tuple[str, int], ...]]:
    """What a container of this pod asks of huge pages; pod-level resources are not in `memory`."""
    if demand.pod_level or not demand.guaranteed:
        return loose_pages
    return lambda container: tuple((name, amount) for name, amount in container.memory if is_pages(name))


def _by_cells(topology: HostTopology, placed: Admitted, guest: Guest, cells: int) -> tuple[PageUse, ...] | None:
    place = placed.containers.get(COMPUTE)
    if place is None or not place.cpus:
        return None
    size = size_at_creation(guest.size, len(place.cpus))
    domain = boot(topology, place.cpus, size)
    # libvirt refuses a guest with more zones than cells. If there are more, sockets were plugged since the migration,
    # and plugged vCPUs bring no memory: only sockets before the first vCPU in a surplus zone came with the guest.
    while isinstance(domain, Domain) and 0 < cells < len(domain.cells) and size.sockets > 1:
        beyond = sorted(cell.cpus[0] for cell in domain.cells)[cells]
        size = replace(size, sockets=min(max(beyond // size.socket_vcpus, 1), size.sockets - 1))
        domain = boot(topology, place.cpus, size)
    if isinstance(domain, GuestError):
        return None
    return tuple(PageUse((zone,), guest.pages, amount) for zone, amount in zone_pages(domain).items())


def _cpu_zones(machine: Machine, cpus: frozenset[int]) -> tuple[int, ...]:
    """Zones of the CPUs; without CPUs all zones with memory, since nothing binds the pages then."""
    touched = tuple(
        zone.id for zone in machine.zones if any(cpu in cpus for core in zone.cores for cpu in core.threads)
    )
    return touched or tuple(zone.id for zone in machine.zones if zone.memory_bytes)
