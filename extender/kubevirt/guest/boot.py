"""The domain that virt-launcher builds at a boot (pkg/virt-launcher/virtwrap/converter/vcpu/vcpu.go, v1.9.0).

vCPUs are pinned first (pinning.py). With guestMappingPassthrough there is then one guest cell for each host cell in
which a vCPU is pinned; memory is split evenly by pages, and each cell is bound to its host zone. CPUs of the emulator
and of IO threads make no cell.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from extender.kubelet.model import Machine
from extender.kubevirt.guest.domain import Cell, Domain, GuestError, GuestFault
from extender.kubevirt.guest.host_topology import HostTopology, host_topology
from extender.kubevirt.guest.pinning import CpuPool, emulator_threads, shared_io_threads, supplemental_io_threads
from extender.kubevirt.guest.size import GuestSize

__all__ = ["NumaMapping", "Placement", "boot", "cell_memory", "place", "topology_of"]


@dataclass(frozen=True, slots=True)
class NumaMapping:
    """Guest cells and the host zone of each."""

    cells: tuple[Cell, ...]
    zones: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Placement:
    """What KubeVirt derives from a cpuset. `numa` is None without guestMappingPassthrough."""

    pins: tuple[int, ...]
    emulator: tuple[int, ...]
    io_threads: tuple[tuple[int, ...], ...]
    numa: NumaMapping | None


def boot(host: Machine | HostTopology, cpuset: Iterable[int], size: GuestSize) -> Domain | GuestError:
    """The domain of a boot with the compute container's cpuset on this host, or KubeVirt's error.

    For many calls about one host pass its HostTopology: a Machine is converted in each call.
    """
    topology = topology_of(host)
    placement = place(topology, sorted(cpuset), size, sockets=size.enabled_sockets, io_threads=size.io_threads)
    if isinstance(placement, GuestError):
        return placement
    numa = placement.numa
    return Domain(
        vcpus=size.enabled_sockets * size.socket_vcpus,
        max_vcpus=size.max_vcpus,
        pins=placement.pins,
        pin_zones=tuple(topology.zone_of[cpu] for cpu in placement.pins),
        emulator=placement.emulator,
        io_threads=placement.io_threads,
        cells=numa.cells if numa else memfd_cells(size),
        nodeset=numa.zones if numa else (),
        memnodes=numa.zones if numa else (),
        cell_page_bytes=size.page_bytes if numa else None,
    )


def topology_of(host: Machine | HostTopology) -> HostTopology:
    """The topology itself, or the one that KubeVirt sees on the machine."""
    return host if isinstance(host, HostTopology) else host_topology(host)


def place(
    topology: HostTopology, cpuset: Sequence[int], size: GuestSize, *, sockets: int, io_threads: int | None
) -> Placement | GuestError:
    """Pins and cells for `sockets` enabled sockets (AdjustDomainForTopologyAndCPUSet).

    The order of the steps matters: each takes CPUs from the next, and the first error is returned.
    """
    pool = CpuPool(topology, cpuset, sockets * size.cores, size.threads, strict=size.passthrough)
    pins = pool.fit_cores()
    if isinstance(pins, GuestError):
        return pins
    io_pins = supplemental_io_threads(pool, size.supplemental_pool)
    if isinstance(io_pins, GuestError):
        return io_pins
    emulator: tuple[int, ...] = ()
    if size.isolate_emulator:
        pinned = size.vcpus + size.supplemental_pool
        isolated = emulator_threads(pool, even_parity=size.even_parity, pinned=pinned)
        if isinstance(isolated, GuestError):
            return isolated
        emulator = isolated
    if io_threads is not None and size.supplemental_pool == 0:
        io_pins = shared_io_threads(io_threads, emulator, size.vcpus, cpuset)
        if isinstance(io_pins, GuestError):
            return io_pins
    if not size.passthrough:
        return Placement(pins, emulator, io_pins, None)
    numa = map_numa(topology, pins, size)
    return numa if isinstance(numa, GuestError) else Placement(pins, emulator, io_pins, numa)


def map_numa(topology: HostTopology, pins: Sequence[int], size: GuestSize) -> NumaMapping | GuestError:
    """Guest cells from the pins (numaMapping), numbered from 0 in the order of the host cells, whatever their
    zone ids.
    """
    vcpus = involved_cells(topology, pins)
    memory = cell_memory(size, len(vcpus))
    if isinstance(memory, GuestError):
        return memory
    cells = tuple(
        Cell(cell, cpus, memory_bytes)
        for cell, (cpus, memory_bytes) in enumerate(zip(vcpus.values(), memory, strict=True))
    )
    return NumaMapping(cells, tuple(vcpus))


def involved_cells(topology: HostTopology, pins: Sequence[int]) -> Mapping[int, tuple[int, ...]]:
    """The vCPUs of each host cell that has any, in the host's order, by zone id."""
    vcpus: dict[int, list[int]] = {cell.id: [] for cell in topology.cells}
    for vcpu, cpu in enumerate(pins):
        vcpus[topology.zone_of[cpu]].append(vcpu)
    return {zone: tuple(cpus) for zone, cpus in vcpus.items() if cpus}


def cell_memory(size: GuestSize, cells: int) -> Sequence[int] | GuestError:
    """Bytes of each cell: equal pages for all, one page more for the first cells where pages remain (numaMapping).

    The number of vCPUs of a cell does not matter.
    """
    page = size.page_bytes
    if page is None:
        return GuestError(
            GuestFault.NO_HUGE_PAGES, "passing through a numa topology is restricted to VMIs with hugepages enabled"
        )
    if size.memory_bytes < cells * page:
        # KubeVirt multiplies the bytes by 1 MiB once more, in 64 bits; only the text shows it.
        shown = cells * page * 1024 * 1024 % 2**64
        return GuestError(
            GuestFault.LESS_THAN_A_PAGE_PER_CELL,
            "not enough memory requested to allocate at least one hugepage per numa node: "
            f"{{{size.memory_bytes} b}} < {shown}",
        )
    if size.memory_bytes % page:
        return GuestError(
            GuestFault.MEMORY_NOT_IN_PAGES,
            f"requested memory can't be divided through the numa page size: {{{size.memory_bytes} b}} mod {page} != 0",
        )
    pages, left = divmod(size.memory_bytes // page, cells)
    return [(pages + (cell < left)) * page for cell in range(cells)]


def memfd_cells(size: GuestSize) -> tuple[Cell, ...]:
    """Without passthrough, a guest on huge pages or shared memory has one cell with everything: memfd needs a cell."""
    if size.page_bytes is None and not size.shared_memory:
        return ()
    return (Cell(0, tuple(range(size.max_vcpus)), size.memory_bytes // 1024 * 1024),)
