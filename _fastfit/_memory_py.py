"""Memory Manager `Static` on counts: hints, and which zones give the memory.

All memory resources of a container share one list of masks. A zone belongs to a group once a block on several zones is
assigned to it. A zone with blocks takes part in wider blocks only through its own group. Inside a group the lowest zone
is charged first, so only the group's sum is meaningful.
Source: Kubernetes 1.33 to 1.37, pkg/kubelet/cm/memorymanager/policy_static.go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from _fastfit._hints_py import Hints, bits, submasks
from _fastfit.codes import Code
from _fastfit.model import Row

__all__ = ["MemoryAccounting", "allocate", "empty_memory_hints", "memory_accounting", "memory_hints"]


@dataclass(slots=True)
class MemoryAccounting:
    """A node's memory while one pod is being admitted. Lists are by zone."""

    allocatable: Mapping[str, list[int]]
    free: dict[str, list[int]]
    #: assigned blocks; mask of the zone's group, its own bit when alone
    blocks: list[int]
    group: list[int]
    #: what the pod's regular init containers leave to later containers on the same mask
    reuse: dict[tuple[int, str], int] = field(default_factory=dict)


def memory_accounting(row: Row, names: Sequence[str]) -> MemoryAccounting:
    """The accounting before the pod, of the resources it asks for. What a zone does not list it does not have."""
    return MemoryAccounting(
        allocatable={name: [zone.memory_allocatable.get(name, 0) for zone in row.zones] for name in names},
        free={name: [zone.memory_free.get(name, 0) for zone in row.zones] for name in names},
        blocks=[zone.blocks for zone in row.zones],
        group=[zone.group or 1 << position for position, zone in enumerate(row.zones)],
    )


def _total(amounts: Sequence[int], mask: int) -> int:
    return sum(amounts[zone] for zone in bits(mask))


def _group_allows(acct: MemoryAccounting, mask: int) -> bool:
    """Whether groups allow the mask: a single zone is in no wider group, several ones with blocks are this group."""
    zones = bits(mask)
    if len(zones) == 1:
        return acct.group[zones[0]].bit_count() == 1
    return all(acct.group[zone] == mask for zone in zones if acct.blocks[zone])


def memory_hints(acct: MemoryAccounting, request: Sequence[tuple[str, int]]) -> Hints:
    """The mask list of every memory resource asked for. The preferred width is by what is allocatable."""
    everything = (1 << len(acct.blocks)) - 1
    width = everything.bit_count()
    masks = []
    for mask in submasks(everything):
        if any(_total(acct.allocatable[name], mask) < amount for name, amount in request):
            continue
        width = min(width, mask.bit_count())
        if _group_allows(acct, mask) and all(
            _total(acct.free[name], mask) + acct.reuse.get((mask, name), 0) >= amount for name, amount in request
        ):
            masks.append(mask)
    return Hints(tuple(masks), frozenset(mask for mask in masks if mask.bit_count() == width))


def empty_memory_hints(acct: MemoryAccounting, request: Sequence[tuple[str, int]]) -> Hints:
    """The mask list on this node without any pod."""
    zones = len(acct.blocks)
    empty = MemoryAccounting(
        acct.allocatable, dict(acct.allocatable), [0] * zones, [1 << position for position in range(zones)]
    )
    return memory_hints(empty, request)


def _best(hints: Hints, within: int) -> int | None:
    """Among the masks that include `within`: preferred ones first, then the narrowest, then the smallest."""
    masks = [mask for mask in hints.masks if within & ~mask == 0]
    return min(masks, key=lambda mask: (mask not in hints.preferred, mask.bit_count(), mask), default=None)


def allocate(
    acct: MemoryAccounting, request: Sequence[tuple[str, int]], mask: int | None, preferred: bool, regular_init: bool
) -> int | Code:
    """Pins the request and returns the mask it is pinned to, or refuses.

    `mask` and `preferred` are Topology Manager's answer. Without a mask the manager chooses one itself. A mask with too
    little free memory is widened. In both cases the mask must be preferred if Topology Manager's answer was.
    """
    if mask is None:
        hints = memory_hints(acct, request)
        mask = _best(hints, 0)
        if mask is None or (preferred and mask not in hints.preferred):
            return Code.ZoneMemoryShort
        preferred = mask in hints.preferred
    if any(_total(acct.free[name], mask) < amount for name, amount in request):
        hints = memory_hints(acct, request)
        mask = _best(hints, mask)
        if mask is None or (preferred and mask not in hints.preferred):
            return Code.ZoneMemoryShort
    if mask.bit_count() > 1 and not _group_allows(acct, mask):
        return Code.MemoryGroupConflict
    for name, amount in request:
        reusable = acct.reuse.get((mask, name), 0)
        _assign(acct, mask, name, max(0, amount - reusable))
        acct.reuse[mask, name] = max(reusable, amount) if regular_init else max(0, reusable - amount)
    return mask


def _assign(acct: MemoryAccounting, mask: int, name: str, amount: int) -> None:
    """Adds one block: it counts in every zone of the mask, and its bytes are charged to the lowest zone first."""
    free = acct.free[name]
    for zone in bits(mask):
        acct.blocks[zone] += 1
        acct.group[zone] = mask
        part = min(free[zone], amount)
        free[zone] -= part
        amount -= part
