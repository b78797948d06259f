"""Huge pages that pods have touched, zone by zone. A touched page stays in its zone until the pod ends.

A pod that found too few pages in its own zone holds others, in the next zones; those stay taken when the first zone gets
pages back. So the first answer for an admitted pod is kept where it is not the plain one.

Of some pods it is not known which zone holds their pages. Then what is free has bounds: what is free for certain, and
what may be free at most.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from extender.cache.interning import Memo
from extender.cache.nodes.placement import Pages
from extender.cache.nodes.synthetic_machine import page_bytes
from extender.kubelet.model import KubeletConfig, Machine
from extender.kubevirt.hugepages import PageUse

__all__ = ["FreePages", "HugePageUse"]

#: zone id -> resource -> bytes
Amounts = Mapping[int, Mapping[str, int]]

#: What follows from a machine and a configuration, which nodes of one kind share; they are kept with it.
_PAGES: Memo[tuple[int, int], tuple[Machine, KubeletConfig, Amounts, Mapping[int, list[int]]]] = Memo(512)


@dataclass(frozen=True, slots=True)
class FreePages:
    """Pages that no pod holds, in bytes by resource name: per zone for certain and at most, and in all zones together."""

    certain: Amounts
    most: Amounts
    together: Mapping[str, int]


class HugePageUse:
    """Where pages were found that their own zone did not have, by pod."""

    __slots__ = ("_elsewhere",)

    def __init__(self) -> None:
        #: UID -> what it wanted, and what it took
        self._elsewhere: dict[str, tuple[Pages, Pages]] = {}

    def free(self, machine: Machine, config: KubeletConfig, pods: Iterable[tuple[str, bool, Pages]]) -> FreePages:
        """What no pod holds.

        `pods` in the order in which they came: UID, whether it runs (so that its answer is for good), what it wants.
        """
        most, nearest = _pages_of(machine, config)
        left = _Left({zone_id: dict(sizes) for zone_id, sizes in most.items()}, nearest)
        for uid, runs, wanted in pods:
            known = self._elsewhere.get(uid)
            if known is not None and known[0] == wanted:
                for use in known[1]:
                    left.give(use)
                continue
            taken = tuple(each for use in wanted for each in left.take(use))
            if runs and taken != wanted:
                self._elsewhere[uid] = wanted, taken
        return left.bounds()

    def is_loose(self, uid: str, wanted: Pages) -> bool:
        """Whether the zones of some of a pod's pages are not known."""
        known = self._elsewhere.get(uid)
        return any(len(use.zones) > 1 for use in (known[1] if known is not None else wanted))

    def end(self, uid: str) -> None:
        """The pod is gone."""
        self._elsewhere.pop(uid, None)

    def clear(self) -> None:
        """The machine is another one."""
        self._elsewhere.clear()


@dataclass(slots=True)
class _Left:
    """What is left while pods take their pages, one after the other."""

    #: pages that are not taken from this zone for certain
    free: dict[int, dict[str, int]]
    nearest: Mapping[int, list[int]]
    #: resource -> zones -> bytes that pods hold in some of these zones
    loose: dict[str, dict[tuple[int, ...], int]] = field(default_factory=dict)

    def give(self, use: PageUse) -> None:
        """The pod holds this, as was found out earlier."""
        if len(use.zones) == 1:
            self.free[use.zones[0]][use.resource] -= use.bytes
            return
        loose = self.loose.setdefault(use.resource, {})
        loose[use.zones] = loose.get(use.zones, 0) + use.bytes

    def take(self, use: PageUse) -> Pages:
        """The pod touches its pages. Returns what it holds now, which this accounts for."""
        having = tuple(zone for zone in use.zones if use.resource in self.free[zone])
        if len(having) == 1 and (use.bound or not self.loose.get(use.resource)):
            return self._nearest_first(having[0], use)
        if not use.bound and not self._certainly_in(having, use):
            having = tuple(zone for zone, sizes in self.free.items() if use.resource in sizes)
        if not having:
            return ()
        # As it is asked where nothing is to be said otherwise: only other answers are kept.
        taken = use if having == use.zones else PageUse(having, use.resource, use.bytes, use.bound)
        self.give(taken)
        return (taken,)

    def _certainly_in(self, zones: tuple[int, ...], use: PageUse) -> bool:
        """Whether these zones have the pages, wherever the pods before took theirs."""
        room = sum(max(0, self.free[zone][use.resource]) for zone in zones)
        others = sum(
            amount for held, amount in self.loose.get(use.resource, {}).items() if not set(held).isdisjoint(zones)
        )
        return room - others >= use.bytes

    def _nearest_first(self, zone: int, use: PageUse) -> Pages:
        """What the first zone has not comes from the next, as the kernel's allocator does."""
        found: Pages = ()
        amount = use.bytes
        for zone_id in self.nearest[zone]:
            taken = min(amount, max(0, self.free[zone_id].get(use.resource, 0)))
            if taken:
                self.free[zone_id][use.resource] -= taken
                amount -= taken
                found += (PageUse((zone_id,), use.resource, taken, use.bound),)
            if not amount:
                break
        return found

    def bounds(self) -> FreePages:
        """What is free now."""
        free = {zone: {name: max(0, left) for name, left in sizes.items()} for zone, sizes in self.free.items()}
        names = sorted({name for sizes in free.values() for name in sizes})
        together = {
            name: max(0, sum(sizes.get(name, 0) for sizes in free.values()) - sum(self.loose.get(name, {}).values()))
            for name in names
        }
        if not self.loose:
            return FreePages(free, free, together)
        certain = {
            zone: {
                name: max(0, left - sum(held for zones, held in self.loose.get(name, {}).items() if zone in zones))
                for name, left in sizes.items()
            }
            for zone, sizes in free.items()
        }
        most = {
            zone: {name: min(left, together[name], *self._rooms(free, name, zone)) for name, left in sizes.items()}
            for zone, sizes in free.items()
        }
        return FreePages(certain, most, together)

    def _rooms(self, free: Amounts, name: str, zone: int) -> Iterable[int]:
        """What sets of zones that pods hold pages in, this one among them, have left as a whole."""
        loose = self.loose.get(name, {})
        for zones in loose:
            if zone in zones:
                held_there = sum(held for other, held in loose.items() if set(zones).issuperset(other))
                yield max(0, sum(free[each].get(name, 0) for each in zones) - held_there)


def _pages_of(machine: Machine, config: KubeletConfig) -> tuple[Amounts, Mapping[int, list[int]]]:
    """Huge pages per zone that are not reserved, in bytes by resource name; and all zones, the nearest first."""
    known = _PAGES.get((id(machine), id(config)))
    if known is not None:
        return known[2], known[3]
    free = {
        zone.id: {f"hugepages-{size}": count * page_bytes(size) for size, count in zone.hugepages.items()}
        for zone in machine.zones
    }
    for reserved in config.reserved_memory:
        for name, amount in reserved.limits.items():
            if name in free.get(reserved.zone, {}):
                free[reserved.zone][name] -= amount
    ids = [zone.id for zone in machine.zones]
    nearest = {zone.id: [i for _, i in sorted(zip(zone.distances, ids, strict=False))] or ids for zone in machine.zones}
    _PAGES.keep((id(machine), id(config)), (machine, config, free, nearest))
    return free, nearest
