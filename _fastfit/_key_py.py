"""The fine key that ranks fitting nodes, one 63-bit number: the bigger, the better.

Most significant part first:

    bits  part
    8     live-migration targets: the guest's cells are met again, else the share of vCPUs that stay at their memory;
          restarts: full where the even layout of the run before is met again (_cells_py.locality); else 0
    5     fewer cells: the zones that the pod touches, 1 where it touches none
    2     boots of guests with cells: 3 where the layout of the run before is met again, 2 where all cells have as many
          vCPUs, 1 where another node that fits in this fit gives the very same vCPUs per cell, 0 where none does
    8     nearer: the largest distance between two zones that are touched or give a device (0 for one zone, 255 where
          distances are not known)
    14    tighter: CPUs left free in the touched zones
    26    tighter: what is left of the asked pages there, in pages of that size (in MiB of plain memory where no pages
          are asked for); by Memory Manager's books where it keeps them, else by the pages no VM holds

Touched zones: with guest NUMA passthrough those that hold vCPUs; else those of the main container's exclusive CPUs;
else those its memory is pinned to. So a pod prefers nodes that it fits in one piece, then nodes that it fills: large
holes stay whole for large VMs. Each part saturates at its width.

A layout that no other node gives leaves the VM without a symmetric target. That stands above fit quality, which can be
mended later, and below cells and evenness: even layouts of one number of cells are one layout, so only uneven ones
differ by it. A row alone cannot tell: its key says 1, and the fit lowers it (`lowered`).
"""

from collections.abc import Sequence

from _fastfit._hints_py import bits

__all__ = ["UNEVEN", "layout_part", "lowered", "parts_of", "rank_key", "widest"]

CELLS_TOP = (1 << 5) - 1
LAYOUT_TOP = (1 << 2) - 1
DISTANCE_TOP = (1 << 8) - 1
CPUS_TOP = (1 << 14) - 1
PAGES_TOP = (1 << 26) - 1

#: the layout part of a boot whose cells differ
UNEVEN = 1
_LAYOUT_AT = 48


def widest(distances: Sequence[Sequence[int]], mask: int) -> int:
    """The largest distance between two different zones of the mask."""
    zones = bits(mask)
    if len(zones) < 2:
        return 0
    if not distances:
        return DISTANCE_TOP
    return max(distances[one][other] for one in zones for other in zones if one != other)


def rank_key(cells: int, distance: int, cpus_left: int, pages_left: int, locality: int = 0, layout: int = 0) -> int:
    """Packs the parts; `locality` and `layout` as in _cells_py.py."""
    key = locality << 5 | CELLS_TOP - min(cells, CELLS_TOP)
    key = key << 2 | layout & LAYOUT_TOP
    key = key << 8 | DISTANCE_TOP - min(distance, DISTANCE_TOP)
    key = key << 14 | CPUS_TOP - min(cpus_left, CPUS_TOP)
    return key << 26 | PAGES_TOP - min(pages_left, PAGES_TOP)


def layout_part(key: int) -> int:
    """The part that tells layouts, 0 to 3."""
    return key >> _LAYOUT_AT & LAYOUT_TOP


def lowered(key: int) -> int:
    """The key of an uneven layout that no other node gives."""
    return key - (UNEVEN << _LAYOUT_AT)


def parts_of(key: int) -> tuple[int, int, int, int]:
    """Unpack a key: cells, distance, CPUs left, pages left, each as far as its width shows it."""
    return (
        CELLS_TOP - (key >> 50 & CELLS_TOP),
        DISTANCE_TOP - (key >> 40 & DISTANCE_TOP),
        CPUS_TOP - (key >> 26 & CPUS_TOP),
        PAGES_TOP - (key & PAGES_TOP),
    )
