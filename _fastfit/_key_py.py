"""The fine key that ranks fitting nodes: one 63-bit number, the bigger the better.

Most significant part first:

    bits  part
    8     locality (_cells_py.locality). Live-migration targets: 255 where every guest cell has its vCPUs of the boot,
          else the share of vCPUs that stay at their memory. Boots: 255 where the VM's last layout was even and is met
          again, else 0
    5     fewer cells: the number of touched zones, 1 where the pod touches none
    2     layout (_cells_py.layout_of), of boots of guests with cells: 3 where the last layout is met again, 2 where all
          cells have as many vCPUs, 1 where another node that fits in this fit gives the same vCPUs per cell, 0 where
          none does
    8     nearer: the largest distance between two zones that are touched or give a device (0 for one zone, 255 where
          distances are not known)
    14    tighter: CPUs left free in the touched zones
    26    tighter: what is left of the asked pages there, in pages of that size (in MiB of plain memory where no pages
          are asked for); by Memory Manager's accounting where its policy is Static, else by the pages no VM occupies

Touched zones: with guest NUMA passthrough those that hold vCPUs; else those of the main container's exclusive CPUs;
else those its memory is pinned to. So a pod prefers nodes where it needs few zones, then nodes that it fills: large
free zones stay free for large VMs. Each part saturates at its width.

A layout that no other node gives leaves the VM without a symmetric target. That ranks above fit quality, which a later
migration can improve, and below the number of cells and evenness. Even layouts of one number of cells are one layout,
so only uneven ones differ by it. A row alone cannot tell: its key says 1, and the fit lowers it (`lowered`).

The compiled kernel reads widths and places from _constants.pxd.
"""

from collections.abc import Sequence

from _fastfit._hints_py import bits

__all__ = [
    "CELLS_AT",
    "CELLS_TOP",
    "CPUS_AT",
    "CPUS_TOP",
    "DISTANCE_AT",
    "DISTANCE_TOP",
    "LAYOUT_AT",
    "LAYOUT_EVEN",
    "LAYOUT_REPEATED",
    "LAYOUT_TOP",
    "LAYOUT_UNEVEN",
    "LOCALITY_AT",
    "LOCALITY_TOP",
    "PAGES_TOP",
    "layout_part",
    "lowered",
    "rank_key",
    "widest",
]

#: Lowest bit of each part; the pages' part begins at bit 0.
CPUS_AT = 26
DISTANCE_AT = CPUS_AT + 14
LAYOUT_AT = DISTANCE_AT + 8
CELLS_AT = LAYOUT_AT + 2
LOCALITY_AT = CELLS_AT + 5

#: Largest value of each part.
PAGES_TOP = (1 << CPUS_AT) - 1
CPUS_TOP = (1 << DISTANCE_AT - CPUS_AT) - 1
DISTANCE_TOP = (1 << LAYOUT_AT - DISTANCE_AT) - 1
LAYOUT_TOP = (1 << CELLS_AT - LAYOUT_AT) - 1
CELLS_TOP = (1 << LOCALITY_AT - CELLS_AT) - 1
LOCALITY_TOP = (1 << 8) - 1

#: Values of the layout part; 0: no guest cells, a migration, or an uneven layout that no other node gives.
LAYOUT_UNEVEN = 1
LAYOUT_EVEN = 2
LAYOUT_REPEATED = 3


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
    return (
        locality << LOCALITY_AT
        | CELLS_TOP - min(cells, CELLS_TOP) << CELLS_AT
        | layout << LAYOUT_AT
        | DISTANCE_TOP - min(distance, DISTANCE_TOP) << DISTANCE_AT
        | CPUS_TOP - min(cpus_left, CPUS_TOP) << CPUS_AT
        | PAGES_TOP - min(pages_left, PAGES_TOP)
    )


def layout_part(key: int) -> int:
    """The part that tells layouts, 0 to 3."""
    return key >> LAYOUT_AT & LAYOUT_TOP


def lowered(key: int) -> int:
    """The key of an uneven layout that no other node gives."""
    return key - (LAYOUT_UNEVEN << LAYOUT_AT)
