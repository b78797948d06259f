"""The key of an unknown node: the fewest zones in which the pod may find room, by what counts do say.

Only that is compared. What is known of such a node is too little to call one of two the tighter fit, and the more nodes
are equal the more is left to kube-scheduler, whose own scores spread pods over them.

    key (in the place of the part `cells`)
    from 2    counts of the zones have room in so many zones or more: the fewer the better
    1         nothing is told of zones
    0         counts of the zones have no room

Counted are the main container's exclusive CPUs, and its huge pages where every zone's are known, by the most that may be
free. The compiled kernel computes the same (_possible.pxd).
"""

from collections.abc import Sequence

from _fastfit._cells_py import lists_pages
from _fastfit._demand import Demand
from _fastfit._key_py import CELLS_AT, CELLS_TOP
from _fastfit.codes import Code
from _fastfit.model import MAX_ZONES, Row

__all__ = ["UNTOLD", "possible_key", "untold_key"]

#: Key of a node whose zones are not known.
UNTOLD = 1 << CELLS_AT


def untold_key(demand: Demand) -> int:
    """The key of a node of which nothing is known; 0 where the pod itself cannot be judged."""
    return UNTOLD if demand.code is Code.Fits else 0


def possible_key(row: Row, demand: Demand) -> int:
    """The key of an unknown node."""
    if demand.code is not Code.Fits or not row.zones or len(row.zones) > MAX_ZONES:
        return untold_key(demand)
    main = demand.ask.containers[demand.main].cpus if demand.ask.containers else 0
    cpus = [zone.cpu_free for zone in row.zones]
    need, pages = _pages(row, demand)
    if sum(cpus) < main or sum(pages) < need:
        return 0
    if any(free >= main and most >= need for free, most in zip(cpus, pages, strict=True)):
        cells = 1
    else:
        cells = max(2, _fewest(cpus, main), _fewest(pages, need))
    return CELLS_TOP - min(cells, CELLS_TOP - 2) << CELLS_AT


def _pages(row: Row, demand: Demand) -> tuple[int, list[int]]:
    """Bytes of huge pages that are needed, and the most that each zone may have; zeros where that is not known."""
    name = demand.rank_name
    known = [
        zone.pages_free if zone.pages_most is None else zone.pages_most
        for zone in row.zones
        if zone.pages_free is not None
    ]
    if len(known) < len(row.zones) or not lists_pages(row, name):
        return 0, [0] * len(row.zones)
    need = demand.ask.cells.memory_bytes if demand.ask.cells is not None else demand.rank_need
    return need, [(pages or {}).get(name, 0) for pages in known]


def _fewest(amounts: Sequence[int], need: int) -> int:
    """How many of the largest amounts add up to the need; they do together."""
    count = 0
    for amount in sorted(amounts, reverse=True):
        if need <= 0:
            break
        need -= amount
        count += 1
    return count
