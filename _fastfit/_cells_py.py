"""KubeVirt's guest NUMA passthrough on counts: which zones become guest cells, and whether they hold the pages.

Boot. virt-launcher pins guest cores in zone order: first whole host cores of every zone, then, zone by zone, threads
that are left over. A guest core never crosses zones. Each zone with a vCPU becomes a cell and needs its even share of
the guest's pages, however many vCPUs it has.

Live migration. The guest keeps the cells of its boot, vCPUs and bytes; its pins follow the target. Cell i is bound to
the i-th zone with a vCPU. So more zones than cells are refused, and cells beyond the zones take pages from any of them.
vCPUs are counted as if each cell held consecutive ones; vCPUs that were plugged later belong to cell 0.

Exact for guests with one thread per core. Exact for guests with two threads per core on hosts with one or two, if
KubeVirt can read the hosts' siblings (it reads `0,32` as one core but `0-1` as two). Elsewhere whole host cores count
as the zone's CPUs divided by the guest's threads; that differs only when CPUs are spare, and then only in which zones
hold vCPUs.

Source: KubeVirt v1.9.0, pkg/virt-launcher/virtwrap/converter/vcpu/vcpu.go (strict pinning, guest cells),
cpudedicated/cpudedicated.go (migration), pkg/virt-handler (host topology). That more zones than cells are refused is
libvirt's rule (numatune memnode cellid).
"""

from collections.abc import Sequence

from _fastfit._key_py import LAYOUT_EVEN, LAYOUT_REPEATED, LAYOUT_UNEVEN, LOCALITY_TOP
from _fastfit.codes import Code
from _fastfit.model import CellsAsk, Row
from _fastfit.values import Cell

__all__ = ["SPLIT_FACTOR", "cells_of", "layout_of", "lists_pages", "locality", "pages_code", "shares", "split_of"]

#: Multiplier of split_of(). It is odd, and one less is 16 times an odd number, so that no two splits of up to 2^28
#: vCPUs over two cells are the same number.
SPLIT_FACTOR = 0x1E3779B1


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
    """The guest cells that the compute container's CPUs give, without regard to free pages; or the refusal.

    `cpus` and `cores`: the container's CPUs, and whole host cores among them, by zone.
    """
    rooms = [_room(ask, row.threads_per_core, *both) for both in zip(cpus, cores, strict=True)]
    placed = _pin(rooms, ask.cores)
    if sum(placed) < ask.cores:
        return Code.CoreSplit
    zones = [zone for zone, guests in enumerate(placed) if guests]
    if ask.memory_bytes < len(zones) * ask.page_bytes or ask.memory_bytes % ask.page_bytes:
        return Code.GuestMemoryPages
    if ask.moving:
        return _target_cells(ask, _pin(rooms, ask.moving))
    return tuple(
        Cell(zone, placed[zone] * ask.threads, share)
        for zone, share in zip(zones, shares(ask, len(zones)), strict=True)
    )


def _pin(rooms: Sequence[tuple[int, int]], cores: int) -> list[int]:
    """Guest cores per zone: on whole host cores of every zone, then on threads left over. Not all of them may fit."""
    placed = [0] * len(rooms)
    for part in (0, 1):
        for zone, room in enumerate(rooms):
            got = min(cores, room[part])
            placed[zone] += got
            cores -= got
    return placed


def _target_cells(ask: CellsAsk, placed: Sequence[int]) -> tuple[Cell, ...] | Code:
    """A migration target's zones, each with the bytes of the boot's cell bound to it: 0 where those are not known."""
    zones = [zone for zone, guests in enumerate(placed) if guests]
    if ask.boot and len(zones) > len(ask.boot):
        return Code.MoreZonesThanCells
    cells = tuple(
        Cell(zone, placed[zone] * ask.threads, ask.boot[cell][1] if ask.boot else 0) for cell, zone in enumerate(zones)
    )
    if ask.symmetric_only and ask.boot and locality(ask, cells) < LOCALITY_TOP:
        return Code.NotSymmetric
    return cells


def locality(ask: CellsAsk, cells: Sequence[Cell]) -> int:
    """How well a node keeps vCPUs at their memory, 0 to LOCALITY_TOP.

    A migration target: LOCALITY_TOP only where every cell has its vCPUs of the boot. Else the share of vCPUs that run
    in the zone of their cell's memory, in 254ths; memory of a cell without a zone of its own counts as spread evenly. 0
    where the boot's cells are not known.

    A boot: LOCALITY_TOP where it repeats the VM's last layout and that is even, else 0. An uneven last layout came of a
    crowded node and is not worth more cells.
    """
    if not ask.moving:
        return LOCALITY_TOP if _repeats(ask, cells) and _is_even(cells) else 0
    if not ask.boot:
        return 0
    zones, vcpus = len(cells), sum(cell.vcpus for cell in cells)
    near = at = 0
    for place, cell in enumerate(cells):
        end, first = at + cell.vcpus, 0
        for owner, (count, _) in enumerate(ask.boot):
            shared = max(0, min(end, first + count) - max(at, first))
            near += shared * (zones if owner == place else owner >= zones)
            first += count
        if place == 0:
            near += max(0, end - max(at, first)) * zones
        at = end
    if zones == len(ask.boot) and near == zones * vcpus:
        return LOCALITY_TOP
    return near * (LOCALITY_TOP - 1) // (zones * vcpus)


def layout_of(ask: CellsAsk, cells: Sequence[Cell]) -> int:
    """How well a boot with this number of cells can migrate later: LAYOUT_REPEATED, LAYOUT_EVEN or LAYOUT_UNEVEN.

    0 for a migration.
    """
    if ask.moving:
        return 0
    return LAYOUT_REPEATED if _repeats(ask, cells) else LAYOUT_EVEN if _is_even(cells) else LAYOUT_UNEVEN


def split_of(cells: Sequence[Cell]) -> int:
    """The vCPUs per cell in 32 bits, to compare layouts of one guest.

    Exact for up to two cells; with more, two different layouts are taken for the same once in 2^32.
    """
    split = 0
    for cell in cells:
        split = (split * SPLIT_FACTOR + cell.vcpus) & 0xFFFFFFFF
    return split


def _repeats(ask: CellsAsk, cells: Sequence[Cell]) -> bool:
    return [cell.vcpus for cell in cells] == [vcpus for vcpus, _ in ask.boot]


def _is_even(cells: Sequence[Cell]) -> bool:
    return len({cell.vcpus for cell in cells}) == 1


def pages_code(row: Row, ask: CellsAsk, cells: Sequence[Cell]) -> Code:
    """Whether every cell's zone has its share of pages free; a migration target's zones also the total together.

    Refused where even the most that may be free is too little; unknown where only what is free for certain is.
    """
    # Where not even Memory Manager is known, a size that no zone lists is not known.
    listed = not row.memory_open or lists_pages(row, ask.pages)
    reported = certain = True
    most_left = left = ask.memory_bytes if ask.moving else 0
    for cell in cells:
        zone = row.zones[cell.zone]
        if zone.pages_free is None or not listed:
            reported = False
            continue
        free = zone.pages_free.get(ask.pages, 0)
        most = free if zone.pages_most is None else zone.pages_most.get(ask.pages, 0)
        if most < cell.bytes:
            return Code.ZonePagesShort
        certain = certain and free >= cell.bytes
        most_left -= most
        left -= free
    if reported and most_left > 0:
        return Code.ZonePagesShort
    return Code.Fits if reported and certain and left <= 0 else Code.PagesNotReported


def lists_pages(row: Row, size: str) -> bool:
    """Whether the node's huge pages of this size are known at all, by zone or together."""
    known = (zone for zone in row.zones if zone.pages_free is not None)
    return size in row.pages_together or any(
        size in (zone.pages_free or ()) or size in (zone.pages_most or ()) for zone in known
    )
