"""The part of a libvirt domain that depends on NUMA, and KubeVirt's errors (v1.9.0, converter/vcpu/vcpu.go).

All CPU and zone numbers are the host's, all cell and vCPU numbers the guest's; memory is in bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

__all__ = ["Cell", "Domain", "GuestError", "GuestFault", "is_symmetric", "local_share", "unbound_bytes", "zone_pages"]


class GuestFault(Enum):
    """Why KubeVirt builds no domain from a cpuset."""

    TOO_FEW_CPUS = "TooFewCpus"
    CORE_WOULD_CROSS_ZONES = "CoreWouldCrossZones"
    NO_CPU_FOR_IO_THREAD = "NoCpuForIoThread"
    NO_CPU_FOR_EMULATOR = "NoCpuForEmulator"
    NO_SECOND_CPU_FOR_EMULATOR = "NoSecondCpuForEmulator"
    NO_IO_THREADS = "NoIoThreads"
    NO_HUGE_PAGES = "NoHugePages"
    LESS_THAN_A_PAGE_PER_CELL = "LessThanAPagePerCell"
    MEMORY_NOT_IN_PAGES = "MemoryNotInPages"


@dataclass(frozen=True, slots=True)
class GuestError:
    """An error of virt-launcher with its text. Returned, never raised."""

    fault: GuestFault
    text: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A guest NUMA cell: its vCPUs in ascending order and its memory."""

    id: int
    cpus: tuple[int, ...]
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """Pins, cells and memory binding of one running or starting guest."""

    #: enabled vCPUs; can exceed the pins by less than one core (see pinning.py)
    vcpus: int
    #: vCPUs including those that hotplug may add
    max_vcpus: int
    #: host CPU of vCPU 0, 1, ...
    pins: tuple[int, ...]
    #: host zone of each pin
    pin_zones: tuple[int, ...]
    #: host CPUs of the emulator threads; empty: not pinned
    emulator: tuple[int, ...] = ()
    #: host CPUs of IO thread 1, 2, ...
    io_threads: tuple[tuple[int, ...], ...] = ()
    cells: tuple[Cell, ...] = ()
    #: numatune, mode strict: host zones of the guest's memory; empty: memory is not bound
    nodeset: tuple[int, ...] = ()
    #: host zone of the memory of guest cell 0, 1, ...
    memnodes: tuple[int, ...] = ()
    #: size of the huge pages that each cell names; None: cells name none
    cell_page_bytes: int | None = None


def zone_pages(domain: Domain) -> Mapping[int, int]:
    """Bytes of huge pages that each host zone must hold, by zone id.

    QEMU allocates all of the memory at its start and fails if a zone has less. Only memory that is bound to a single
    zone is counted; see `unbound_bytes` for the rest.
    """
    pages = dict.fromkeys(domain.nodeset, 0)
    for cell in domain.cells:
        zones = _memory_zones(domain, cell)
        if len(zones) == 1:
            pages[zones[0]] += cell.memory_bytes
    return pages


def unbound_bytes(domain: Domain) -> int:
    """Bytes of the cells that may lie in any zone of `nodeset` (empty nodeset: in any zone at all)."""
    return sum(cell.memory_bytes for cell in domain.cells if len(_memory_zones(domain, cell)) != 1)


def local_share(domain: Domain) -> Fraction:
    """Share of the pinned vCPUs that run in the zone that holds their guest cell's memory.

    Memory that may lie in n zones counts as spread over them evenly. Without cells or binding nothing is known of the
    memory: 0.
    """
    local = Fraction(0)
    for cell in domain.cells:
        zones = _memory_zones(domain, cell)
        near = sum(domain.pin_zones[cpu] in zones for cpu in cell.cpus if cpu < len(domain.pins))
        local += Fraction(near, len(zones) or 1)
    return local / len(domain.pins)


def is_symmetric(domain: Domain) -> bool:
    """Whether every cell has a zone of its own, and every vCPU runs in its cell's zone."""
    return len(domain.memnodes) == len(domain.cells) and local_share(domain) == 1


def _memory_zones(domain: Domain, cell: Cell) -> tuple[int, ...]:
    """The cell's memnode; without one (fewer zones than cells, after a migration) the whole nodeset."""
    return domain.memnodes[cell.id : cell.id + 1] or domain.nodeset
