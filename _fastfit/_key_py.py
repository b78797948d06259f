"""The fine key that ranks fitting nodes: one 63-bit number, the bigger the better.

Most significant part first:

    bits  part
    8     locality (_cells_py.locality). Live-migration targets: 255 where every guest cell has its vCPUs of the boot,
          else the share of vCPUs that stay at their memory. Boots: 255 where the VM's last layout was even and is met
          again, else 0
    5     fewer cells: of a guest with cells their number, else that of the zones that the pod touches, 1 for none
    2     layout (_cells_py.layout_of), of boots of guests with cells: 3 where the last layout is met again, 2 where all
          cells have as many vCPUs, 1 where another node that fits in this fit gives the same vCPUs per cell, 0 where
          none does
    8     nearer: the largest distance between two zones that are touched or give a device (0 for one zone, 255 where
          distances are not known)
    1     devices: 1 where no device is free that the pod does not ask for
    14    tighter: CPUs left free in the zones of the CPUs
    25    tighter: what is left of the asked pages there, in pages of that size (in MiB of plain memory where no pages
          are asked for); by Memory Manager's accounting where its policy is Static, else by the pages no VM occupies

Touched zones: those of the main container's exclusive CPUs (with guest NUMA passthrough those that hold vCPUs), and
those of its memory: the ones that Memory Manager pins it to; without it, zones that must give huge pages because those of
the CPUs have too few. So a pod prefers nodes where it needs few zones, then nodes that it fills: large free zones stay
free for large VMs, and devices for pods that ask for them. Each part saturates at its width.

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
    "DEVICES_AT",
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
CPUS_AT = 25
DEVICES_AT = CPUS_AT + 14
DISTANCE_AT = DEVICES_AT + 1
LAYOUT_AT = DISTANCE_AT + 8
CELLS_AT = LAYOUT_AT + 2
LOCALITY_AT = CELLS_AT + 5

#: Largest value of each part.
PAGES_TOP = (1 << CPUS_AT) - 1
CPUS_TOP = (1 << DEVICES_AT - CPUS_AT) - 1
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


def rank_key(
    cells: int,
    distance: int,
    cpus_left: int,
    pages_left: int,
    locality: int = 0,
    layout: int = 0,
    *,
    spares_devices: bool = True,
) -> int:
    """Packs the parts; `locality` and `layout` as in _cells_py.py.

    `spares_devices`: no device is free that the pod does not ask for.
    """
    return (
        locality << LOCALITY_AT
        | CELLS_TOP - min(cells, CELLS_TOP) << CELLS_AT
        | layout << LAYOUT_AT
        | DISTANCE_TOP - min(distance, DISTANCE_TOP) << DISTANCE_AT
        | spares_devices << DEVICES_AT
        | CPUS_TOP - min(cpus_left, CPUS_TOP) << CPUS_AT
        | PAGES_TOP - min(pages_left, PAGES_TOP)
    )


def layout_part(key: int) -> int:
    """The part that tells layouts, 0 to 3."""
    return key >> LAYOUT_AT & LAYOUT_TOP


def lowered(key: int) -> int:
    """The key of an uneven layout that no other node gives."""
    return key - (LAYOUT_UNEVEN << LAYOUT_AT)
