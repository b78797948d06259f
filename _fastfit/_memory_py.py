"""Memory Manager `Static` on counts: hints, and which zones give the memory.

All memory resources of a container go together: they share one list of masks. A zone belongs to a group once a block
on several zones is assigned to it; a zone with blocks takes part in wider blocks only through its own group. What is
free inside a group is booked lowest zone first, so only the group's sum means anything.
Source: memorymanager/policy_static.go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from _fastfit._hints_py import Hints, bits, submasks
from _fastfit.codes import Code
from _fastfit.model import Row

__all__ = ["MemoryBooks", "allocate", "empty_memory_hints", "memory_books", "memory_hints"]


@dataclass(slots=True)
class MemoryBooks:
    """A node's memory while one pod is being admitted. Lists are by zone."""

    allocatable: Mapping[str, list[int]]
    free: dict[str, list[int]]
    #: assigned blocks; mask of the zone's group, its own bit when alone
    blocks: list[int]
    group: list[int]
    #: what the pod's regular init containers leave to later containers on the same mask
    reuse: dict[tuple[int, str], int] = field(default_factory=dict)


def memory_books(row: Row, names: Sequence[str]) -> MemoryBooks:
    """The books before the pod, of the resources it asks for. A resource that a zone does not list has nothing there."""
    return MemoryBooks(
        allocatable={name: [zone.memory_allocatable.get(name, 0) for zone in row.zones] for name in names},
        free={name: [zone.memory_free.get(name, 0) for zone in row.zones] for name in names},
        blocks=[zone.blocks for zone in row.zones],
        group=[zone.group or 1 << position for position, zone in enumerate(row.zones)],
    )


def _total(amounts: Sequence[int], mask: int) -> int:
    return sum(amounts[zone] for zone in bits(mask))


def _group_allows(books: MemoryBooks, mask: int) -> bool:
    """One zone: it must not be in a wider group. Several: those with blocks must already form exactly this group."""
    zones = bits(mask)
    if len(zones) == 1:
        return books.group[zones[0]].bit_count() == 1
    return all(books.group[zone] == mask for zone in zones if books.blocks[zone])


def memory_hints(books: MemoryBooks, request: Sequence[tuple[str, int]]) -> Hints:
    """The mask list of every memory resource asked for. Narrowest by what is allocatable, groups not counted."""
    everything = (1 << len(books.blocks)) - 1
    width = everything.bit_count()
    masks = []
    for mask in submasks(everything):
        if any(_total(books.allocatable[name], mask) < amount for name, amount in request):
            continue
        width = min(width, mask.bit_count())
        if _group_allows(books, mask) and all(
            _total(books.free[name], mask) + books.reuse.get((mask, name), 0) >= amount for name, amount in request
        ):
            masks.append(mask)
    return Hints(tuple(masks), frozenset(mask for mask in masks if mask.bit_count() == width))


def empty_memory_hints(books: MemoryBooks, request: Sequence[tuple[str, int]]) -> Hints:
    """The mask list on this node without any pod."""
    zones = len(books.blocks)
    idle = MemoryBooks(
        books.allocatable, dict(books.allocatable), [0] * zones, [1 << position for position in range(zones)]
    )
    return memory_hints(idle, request)


def _best(hints: Hints, within: int) -> int | None:
    """Among the masks that include `within`: preferred ones first, then the narrowest, then the smallest."""
    masks = [mask for mask in hints.masks if within & ~mask == 0]
    return min(masks, key=lambda mask: (mask not in hints.preferred, mask.bit_count(), mask), default=None)


def allocate(
    books: MemoryBooks, request: Sequence[tuple[str, int]], mask: int | None, preferred: bool, regular_init: bool
) -> int | Code:
    """Pins the request and returns the mask it is pinned to, or refuses.

    `mask` and `preferred` are Topology Manager's answer. Without a mask the manager picks one itself; a mask with too
    little free memory is widened. Both must end preferred if Topology Manager's answer was.
    """
    if mask is None:
        hints = memory_hints(books, request)
        mask = _best(hints, 0)
        if mask is None or (preferred and mask not in hints.preferred):
            return Code.ZoneMemoryShort
        preferred = mask in hints.preferred
    if any(_total(books.free[name], mask) < amount for name, amount in request):
        hints = memory_hints(books, request)
        mask = _best(hints, mask)
        if mask is None or (preferred and mask not in hints.preferred):
            return Code.ZoneMemoryShort
    if mask.bit_count() > 1 and not _group_allows(books, mask):
        return Code.MemoryGroupConflict
    for name, amount in request:
        reusable = books.reuse.get((mask, name), 0)
        _assign(books, mask, name, max(0, amount - reusable))
        books.reuse[mask, name] = max(reusable, amount) if regular_init else max(0, reusable - amount)
    return mask


def _assign(books: MemoryBooks, mask: int, name: str, amount: int) -> None:
    """Books one block: it counts in every zone of the mask, its bytes fill the lowest zone first."""
    free = books.free[name]
    for zone in bits(mask):
        books.blocks[zone] += 1
        books.group[zone] = mask
        part = min(free[zone], amount)
        free[zone] -= part
        amount -= part
