"""Which host zones physically hold the huge pages of a pod.

The kubelet's accounting and the pages that Linux gives differ. The Memory Manager accounts a group of zones from its
lowest zone on (pkg/kubelet/cm/memorymanager/policy_static.go, Kubernetes 1.35 to 1.37). KubeVirt binds an even share to
every zone that has a vCPU of the guest (pkg/virt-launcher/virtwrap/converter/vcpu/vcpu.go, numaMapping, v1.9.0).
Without Memory Manager and without guest cells, nothing binds the pages.
"""

from dataclasses import replace

from extender.kubelet.model import Machine
from extender.kubelet.pod import PodDemand
from extender.kubelet.results import Admitted
from extender.kubevirt.guest.boot import boot
from extender.kubevirt.guest.cpu_request import size_at_creation
from extender.kubevirt.guest.domain import Domain, GuestError, zone_pages
from extender.kubevirt.guest.host_topology import HostTopology
from extender.kubevirt.launcher_pod import COMPUTE, Guest

__all__ = ["pages_held"]

#: zone id -> resource name -> bytes
Held = dict[int, dict[str, int]]


def pages_held(
    machine: Machine, topology: HostTopology, demand: PodDemand, placed: Admitted, guest: Guest | None, cells: int = 0
) -> Held:
    """Bytes of huge pages per zone and size that the pod takes from the machine.

    `cells`: cells of a guest that came by live migration; 0: not known, or it booted here.
    """
    if guest is not None and guest.size.passthrough and guest.pages:
        exact = _by_cells(topology, placed, guest, cells)
        if exact is not None:
            return exact
    held: Held = {}
    for container in demand.containers:
        place = placed.containers.get(container.name)
        blocks = {block.resource: block for block in place.memory} if place is not None else {}
        for resource, amount in container.memory:
            if resource == "memory" or not amount:
                continue
            block = blocks.get(resource)
            zones = block.zones if block is not None else _cpu_zones(machine, place.cpus if place else frozenset())
            _spread(held, zones, resource, amount)
    return held


def _by_cells(topology: HostTopology, placed: Admitted, guest: Guest, cells: int) -> Held | None:
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
    return {zone: {guest.pages: amount} for zone, amount in zone_pages(domain).items()}


def _cpu_zones(machine: Machine, cpus: frozenset[int]) -> tuple[int, ...]:
    """Zones of the CPUs; without CPUs all zones with memory, since nothing binds the pages then."""
    touched = tuple(
        zone.id for zone in machine.zones if any(cpu in cpus for core in zone.cores for cpu in core.threads)
    )
    return touched or tuple(zone.id for zone in machine.zones if zone.memory_bytes)


def _spread(held: Held, zones: tuple[int, ...], resource: str, amount: int) -> None:
    """An even share per zone, the remainder on the first: an estimate where nothing binds the pages."""
    if not zones:
        return
    share, rest = divmod(amount, len(zones))
    for position, zone in enumerate(zones):
        sizes = held.setdefault(zone, {})
        sizes[resource] = sizes.get(resource, 0) + share + (rest if position == 0 else 0)
