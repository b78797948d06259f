"""KubeVirt's guest NUMA passthrough on counts: which zones become guest cells, and do they hold the pages.

The launcher pins guest cores in zone order: first whole host cores of every zone, then, zone by zone, threads that
are left over. A guest core never crosses zones. Each zone with a vCPU becomes a cell and touches its even share of
the guest's pages, however many vCPUs it has.
Exact for guests with one thread per core, and with two on hosts with one or two whose siblings KubeVirt can read
(it reads `0,32` as one core but `0-1` as two). Elsewhere whole host cores count as the zone's CPUs divided by the
guest's threads; that differs only when CPUs are spare, and then only in which zones hold vCPUs.
Source: virt-handler and virt-launcher, converter/vcpu (strict pinning, guest cells).
"""

from collections.abc import Sequence

from _fastfit.codes import Code
from _fastfit.model import CellsAsk, Row
from _fastfit.values import Cell

__all__ = ["cells_of", "pages_code", "shares"]


def _room(ask: CellsAsk, host_threads: int, cpus: int, cores: int) -> tuple[int, int]:
    """Guest cores a zone can hold: on whole host cores, and on threads left over."""
    fitting = cpus // ask.threads
    if ask.threads == host_threads > 1:
        whole = min(cores, fitting)
    elif ask.threads > host_threads:
        whole = 0
    else:
        whole = fitting
    return whole, fitting - whole


def shares(ask: CellsAsk, cells: int) -> list[int]:
    """Bytes per cell: even, the first cells one page more where the pages do not divide."""
    more = ask.memory_bytes % (ask.page_bytes * cells) // ask.page_bytes
    base = (ask.memory_bytes - more * ask.page_bytes) // cells
    return [base + ask.page_bytes if cell < more else base for cell in range(cells)]


def cells_of(row: Row, ask: CellsAsk, cpus: Sequence[int], cores: Sequence[int]) -> tuple[Cell, ...] | Code:
    """The guest cells that the compute container's CPUs make, without regard to free pages; or the refusal."""
    rooms = [_room(ask, row.threads_per_core, *both) for both in zip(cpus, cores, strict=True)]
    need = ask.cores
    placed = [0] * len(rooms)
    for part in (0, 1):
        for zone, room in enumerate(rooms):
            got = min(need, room[part])
            placed[zone] += got
            need -= got
    if need:
        return Code.CoreSplit
    zones = [zone for zone, guests in enumerate(placed) if guests]
    if ask.memory_bytes < len(zones) * ask.page_bytes or ask.memory_bytes % ask.page_bytes:
        return Code.GuestMemoryPages
    return tuple(
        Cell(zone, placed[zone] * ask.threads, share)
        for zone, share in zip(zones, shares(ask, len(zones)), strict=True)
    )


def pages_code(row: Row, ask: CellsAsk, cells: Sequence[Cell]) -> Code:
    """Whether every cell's zone holds its share of pages that no other VM uses."""
    unknown = False
    for cell in cells:
        free = row.zones[cell.zone].pages_free
        if free is None:
            unknown = True
        elif free.get(ask.pages, 0) < cell.bytes:
            return Code.ZonePagesShort
    return Code.PagesNotReported if unknown else Code.Fits
