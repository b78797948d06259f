"""The VMs of the cache, by UID of the VMI: guest, present run, cells at boot, live pods; and their migrations."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from extender.api.objects import Migration
from extender.bounded import BoundedSet
from extender.cache.collections import PartitionedDict
from extender.cache.nodes.placement import PodGuest
from extender.cache.pods.pod import PodEntry
from extender.cache.vms.guest_cells import BestKnownCells, GuestCells, Identity, SeenVmi, VmRun
from extender.kubevirt.installation import Installation
from extender.kubevirt.launcher_pod import Guest
from extender.kubevirt.migration.policy import BootCells

__all__ = ["Awaited", "Vms"]

#: An object that a call waits for: the UID of a VMI, or namespace and name of a migration.
Awaited = str | tuple[str, str]

#: Of an installation that was not seen.
_DEFAULTS = Installation()
#: VMIs that are remembered as gone.
_ENDED = 4096


class Vms:
    """What is known of each VM. Pods may come before their VMI and outlive it."""

    def __init__(self) -> None:
        #: guests of VMIs that can be read
        self.guests: PartitionedDict[str, Guest] = PartitionedDict()
        #: identity of each of all VMIs; None where its cells are not tracked
        self._identities: PartitionedDict[str, Identity | None] = PartitionedDict()
        #: guest cells and present run of each VM
        self.guest_cells = GuestCells()
        #: by namespace and name of the migration
        self.migrations: dict[tuple[str, str], Migration] = {}
        #: what the KubeVirt objects say, by namespace and name; KubeVirt itself runs with one
        self.installations: dict[tuple[str, str], Installation] = {}
        #: VMIs that are gone: pods may outlive them, and no call shall wait for them
        self._ended: BoundedSet[str] = BoundedSet(_ENDED)
        #: what to call when an object comes or changes
        self._waiting: dict[Awaited, list[Callable[[], None]]] = {}
        self._pods: PartitionedDict[str, tuple[PodEntry, ...]] = PartitionedDict()
        #: guests of which only a part runs: they wait for a migration to grow
        self._growing: dict[str, Guest] = {}

    @property
    def kubevirt(self) -> Installation:
        """How KubeVirt is configured; its defaults while that is not known."""
        return self.installations[min(self.installations)] if self.installations else _DEFAULTS

    def guest(self, vmi: str) -> Guest | None:
        """The guest of a VMI; None when the VMI is not known."""
        return self.guests.get(vmi)

    def running(self, vmi: str) -> Guest | None:
        """The guest with as many sockets as run now: what starts in a pod, whatever the spec says by then."""
        return self._growing.get(vmi) or self.guests.get(vmi)

    def guest_in(self, pod: PodEntry) -> PodGuest:
        """What runs in this pod, now or once it starts."""
        guest = self.running(pod.vmi)
        moved = guest is not None and guest.size.passthrough and not pod.boots
        return PodGuest(guest, len(self.guest_cells.cells(pod.vmi)) if moved else 0)

    def run_of(self, vmi: str) -> VmRun:
        """What the VMI's status says; empty while it has not been seen."""
        return self.guest_cells.run_of(vmi)

    def cells_of(self, vmi: str) -> BootCells:
        """The best known guest cells of a running VM; empty: not known."""
        return self.guest_cells.cells(vmi)

    def best_known(self, vmi: str, carried: BootCells = ()) -> BestKnownCells:
        """The same with their origin; `carried`: what the annotation of its pod states, where it is plausible."""
        return self.guest_cells.best_known(vmi, carried)

    def last_layout(self, vmi: str) -> BootCells:
        """The cells that the VM of this VMI had when it ran last (GuestCells.last_layout)."""
        return self.guest_cells.last_layout(vmi)

    def is_seen(self, vmi: str) -> bool:
        """Whether the VMI has been seen and is not gone."""
        return vmi in self._identities

    def is_gone(self, vmi: str) -> bool:
        """Whether the VMI was deleted lately."""
        return vmi in self._ended

    def migration(self, namespace: str, name: str) -> Migration | None:
        """A VirtualMachineInstanceMigration; None when it has not been seen, or is gone."""
        return self.migrations.get((namespace, name))

    def pods_of(self, vmi: str) -> tuple[PodEntry, ...]:
        """The VM's live bound pods, the last bound one last."""
        return self._pods.get(vmi, ())

    def seen(self) -> Iterable[str]:
        """UIDs of all VMIs, of those that cannot be read too. They may change while they are iterated."""
        return self._identities

    def known(self, vmi: str) -> SeenVmi | None:
        """What is kept of a VMI; None when it has not been seen, or is gone."""
        return (
            SeenVmi(self.guests.get(vmi), self.guest_cells.run_of(vmi), self._identities[vmi])
            if vmi in self._identities
            else None
        )

    def put(self, vmi: str, known: SeenVmi | None) -> bool:
        """A VMI was added or changed; None: it is gone. Returns whether its guest is another one now."""
        guest, run, identity = known if known is not None else (None, None, None)
        self.guest_cells.update(vmi, run, identity)
        self._growing.pop(vmi, None)
        if guest is not None and run is not None and 0 < run.sockets < guest.size.sockets:
            self._growing[vmi] = replace(guest, size=replace(guest.size, sockets=run.sockets))
        if known is not None:
            self._identities[vmi] = identity
        else:
            self._identities.pop(vmi, None)
            self._ended.add(vmi)
        self._tell(vmi)
        if self.guests.get(vmi) == guest:
            return False
        if guest is None:
            del self.guests[vmi]
        else:
            self.guests[vmi] = guest
        return True

    def put_migration(self, key: tuple[str, str], record: Migration | None) -> None:
        """A migration was added or changed; None: it is gone."""
        self._tell(key)
        if record is None:
            self.migrations.pop(key, None)
        else:
            self.migrations[key] = record

    def call_when_seen(self, key: Awaited, call: Callable[[], None]) -> None:
        """Call at each event of this object, until `forget_call`. The call must be cheap and must not raise."""
        self._waiting.setdefault(key, []).append(call)

    def forget_call(self, key: Awaited, call: Callable[[], None]) -> None:
        """Ends a `call_when_seen`."""
        calls = self._waiting.get(key, [])
        if call in calls:
            calls.remove(call)
        if not calls:
            self._waiting.pop(key, None)

    def _tell(self, key: Awaited) -> None:
        for call in tuple(self._waiting.get(key, ())):
            call()

    def put_installation(self, key: tuple[str, str], known: Installation | None) -> None:
        """A KubeVirt object was added or changed; None: it is gone."""
        if known is None:
            self.installations.pop(key, None)
        else:
            self.installations[key] = known

    def hold(self, pod: PodEntry) -> None:
        """A pod was bound."""
        if pod.vmi:
            self._pods[pod.vmi] = (*self.pods_of(pod.vmi), pod)

    def is_migration_target(self, pod: PodEntry, *, listed: bool) -> bool:
        """Whether a pod that is not its VM's first is a migration's target; once moved in it is like any other."""
        source = self.guest_cells.run_of(pod.vmi).node
        return source != pod.node and bool(source or not listed)

    def end(self, pod: PodEntry) -> None:
        """A bound pod holds nothing any more."""
        others = tuple(one for one in self.pods_of(pod.vmi) if one.uid != pod.uid)
        if others:
            self._pods[pod.vmi] = others
        else:
            self._pods.pop(pod.vmi, None)
