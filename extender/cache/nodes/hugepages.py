"""Huge pages that guests have touched, zone by zone. A touched page stays in its zone until the pod ends.

A pod that found too few pages in its own zone holds others, in the next zones; those stay taken when the first zone gets
pages back. So the first answer for an admitted pod is kept where it is not the plain one.
"""

from collections.abc import Iterable, Mapping

from extender.cache.interning import Memo
from extender.cache.nodes.placement import Pages
from extender.cache.nodes.synthetic_machine import page_bytes
from extender.kubelet.model import KubeletConfig, Machine

__all__ = ["HugePageUse"]

#: zone id -> resource -> bytes
Amounts = Mapping[int, Mapping[str, int]]

#: What follows from a machine and a configuration, which nodes of one kind share; they are kept with it.
_PAGES: Memo[tuple[int, int], tuple[Machine, KubeletConfig, Amounts, Mapping[int, list[int]]]] = Memo(512)


class HugePageUse:
    """Where pages were found that their own zone did not have, by pod."""

    __slots__ = ("_elsewhere",)

    def __init__(self) -> None:
        #: UID -> what it wanted, and what it took
        self._elsewhere: dict[str, tuple[Pages, Pages]] = {}

    def free(self, machine: Machine, config: KubeletConfig, pods: Iterable[tuple[str, bool, Pages]]) -> Amounts:
        """Pages per zone that no pod holds, in bytes by resource name.

        `pods` in the order in which they came: UID, whether it runs (so that its answer is for good), what it wants.
        """
        most, nearest = _pages_of(machine, config)
        free = {zone_id: dict(sizes) for zone_id, sizes in most.items()}
        for uid, runs, wanted in pods:
            known = self._elsewhere.get(uid)
            if known is not None and known[0] == wanted:
                for zone_id, name, amount in known[1]:
                    free[zone_id][name] -= amount
                continue
            taken = [each for zone_id, name, amount in wanted for each in _take(free, nearest[zone_id], name, amount)]
            if runs and tuple(taken) != wanted:
                self._elsewhere[uid] = wanted, tuple(taken)
        return {zone_id: {name: max(0, left) for name, left in sizes.items()} for zone_id, sizes in free.items()}

    def end(self, uid: str) -> None:
        """The pod is gone."""
        self._elsewhere.pop(uid, None)

    def clear(self) -> None:
        """The machine is another one."""
        self._elsewhere.clear()


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


def _take(free: dict[int, dict[str, int]], zones: list[int], name: str, amount: int) -> Pages:
    """A guest touches its pages: what the first zone has not comes from the next, as the kernel's allocator does."""
    found: Pages = ()
    for zone_id in zones:
        taken = min(amount, max(0, free[zone_id].get(name, 0)))
        if taken:
            free[zone_id][name] -= taken
            amount -= taken
            found += ((zone_id, name, taken),)
        if not amount:
            break
    return found
