"""What is said of huge pages whose zone is not known."""

from collections.abc import Mapping, Sequence

from _fastfit.model import Ask, ZoneRow
from extender.cache.nodes.node import NodeState
from extender.kubevirt.hugepages import page_demand

__all__ = ["at_most", "loose_pages_words", "pages_now"]

_GIB = 2**30
#: Pods named in a text before it says how many more there are.
_SHOWN = 3


def pages_now(zone: ZoneRow) -> dict[str, int]:
    """Memory and huge pages free in the zone for certain: by Memory Manager's accounting, and in fact."""
    free = dict(zone.pages_free or {})
    for name, amount in zone.memory_free.items():
        free[name] = min(amount, free.get(name, amount))
    return free


def at_most(zone: ZoneRow) -> Mapping[str, int] | None:
    """Huge pages that may be free in the zone; None: not known."""
    return zone.pages_free if zone.pages_most is None else zone.pages_most


def loose_pages_words(state: NodeState, ask: Ask) -> tuple[str, ...]:
    """Which pages of the asked sizes the node's pods hold in zones that are not known, and what that leaves open."""
    if state.row is None:
        return ()
    sizes = dict.fromkeys((*(name for name, _ in ask.pages), *((ask.cells.pages,) if ask.cells is not None else ())))
    return tuple(words for size in sizes if (words := _words(state, state.row.zones, size)))


def _words(state: NodeState, zones: Sequence[ZoneRow], size: str) -> str:
    bounds = [
        f"zone {zone.id}: {_gib(zone.pages_free, size)} to {_gib(zone.pages_most, size)}"
        for zone in zones
        if zone.pages_most is not None and zone.pages_most.get(size) != (zone.pages_free or {}).get(size)
    ]
    if not bounds:
        return ""
    free = f"{size} free: {', '.join(bounds)}"
    holders = [
        f"{pod.namespace}/{pod.name}"
        for pod in state.ledger.pods()
        if state.ledger.holds_loose_pages(pod) and any(name == size for name, _ in page_demand(pod.demand))
    ]
    if not holders:
        return free
    more = f" and {len(holders) - _SHOWN} more" if len(holders) > _SHOWN else ""
    return f"{free}; nothing tells in which zone {', '.join(holders[:_SHOWN])}{more} hold theirs"


def _gib(amounts: Mapping[str, int] | None, size: str) -> str:
    return f"{(amounts or {}).get(size, 0) / _GIB:g}Gi"
