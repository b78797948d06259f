"""The layout that each VM had when it ran last, by UID of the VM: a restart makes a new VMI.

What this process has seen comes first. Below it is what our ConfigMaps state (cache/vms/layout_entry.py), which outlive us
and are shared by replicas; a task of its own carries both ways (persist/last_layouts.py). A layout moves the ranking of a first
boot and nothing else: no node is refused for it.
VirtualMachines are not watched, so it is not known when one is gone; what is kept is bounded.
"""

from enum import IntEnum
from typing import NamedTuple

from extender.bounded import BoundedDict
from extender.cache.interning import Interner
from extender.cache.vms.layout_entry import MOST, SHARDS, Split, Stated, shard_of

__all__ = ["Kept", "LastLayouts", "Trust", "outdated"]


class Trust(IntEnum):
    """How a layout is known."""

    #: a ConfigMap states it
    READ = 0
    #: from the pods that run now: the boot was not seen
    WORKED_OUT = 1
    #: predicted at a boot that was seen, or stated by the VMI
    KNOWN = 2


class Kept(NamedTuple):
    """The last layout of a VM."""

    split: Split
    trust: Trust


_KEPT: Interner[Kept] = Interner()


class LastLayouts:
    """Last layouts, and which of them have to be written."""

    def __init__(self) -> None:
        #: by ConfigMap, "" for UIDs without one: as many VMs as it holds, the one that ran last at the end
        self._kept: dict[str, BoundedDict[str, Kept]] = {shard: BoundedDict(MOST) for shard in (*SHARDS, "")}
        #: by ConfigMap: VMs whose entry is to be looked at
        self._waiting: dict[str, dict[str, None]] = {shard: {} for shard in SHARDS}

    def split(self, owner: str) -> Split:
        """The vCPUs per cell of the VM's last run; empty: not known."""
        kept = self._kept[shard_of(owner)].get(owner)
        return kept.split if kept is not None else ()

    def update(self, owner: str, split: Split, trust: Trust, *, starts: bool = False) -> None:
        """The layout of a VM that runs, as this process knows it; `starts`: it has just begun to run."""
        shard = shard_of(owner)
        known = self._kept[shard]
        before, kept = known.get(owner), _KEPT.intern(Kept(split, trust))
        gone = known.put(owner, kept)
        known.move_to_end(owner)
        if gone is not None:
            self._waiting.get(shard, {}).pop(gone, None)
        if starts or kept != before:
            self.give_back(owner)

    def read(self, owner: str, split: Split) -> None:
        """A ConfigMap states this of a VM. It counts where this process has not seen the VM run."""
        known = self._kept[shard_of(owner)]
        kept = known.get(owner)
        if kept is None and len(known) >= MOST:
            return
        if kept is None or kept.trust is Trust.READ:
            known[owner] = _KEPT.intern(Kept(split, Trust.READ))

    def waits(self, shard: str) -> bool:
        """Whether something may have to be written to this ConfigMap."""
        return bool(self._waiting[shard])

    def unwritten(self, shard: str) -> tuple[str, Kept] | None:
        """Hands out one VM that may have to be written there; None: none is left."""
        while self._waiting[shard]:
            owner, _ = self._waiting[shard].popitem()
            kept = self._kept[shard].get(owner)
            if kept is not None:
                return owner, kept
        return None

    def give_back(self, owner: str) -> None:
        """It is to be written, now or again. UIDs that the API server did not make are nowhere written."""
        shard = shard_of(owner)
        if shard:
            self._waiting[shard][owner] = None

    def was_seen(self, owner: str) -> bool:
        """Whether this process has seen the VM run."""
        kept = self._kept[shard_of(owner)].get(owner)
        return kept is not None and kept.trust is not Trust.READ


def outdated(kept: Kept, stated: Stated | None, oldest_day: str) -> bool:
    """Whether an entry has to be written for what this process knows.

    A layout that was only worked out does not replace one that was seen at a boot: two replicas would never agree.
    `oldest_day`: entries of earlier days are written again.
    """
    if stated is None:
        return True
    if kept.split != stated.split:
        return kept.trust is Trust.KNOWN
    return stated.day < oldest_day
