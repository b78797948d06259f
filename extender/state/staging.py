"""Whole lists on their way into the picture: narrowed as they arrive, then swapped in, in small steps.

Nothing of the served picture changes while a list arrives. The swap applies differences only, so a list that tells
nothing new costs a comparison per object.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from extender.api.objects import KubeVirt, Migration, Node, NodeResourceTopology, Pod, Vmi
from extender.errors import BadObject
from extender.kubevirt.installation import Installation, installation_of
from extender.kubevirt.launcher_pod import Guest, guest_of
from extender.state.events import Record
from extender.state.facts import NodeStatement, statement_of
from extender.state.layouts import Seen, seen_in
from extender.state.pods import PodEntry, entry_of, is_over
from extender.state.report import Report, read_report
from extender.state.sharing import Shared

__all__ = [
    "Keyed",
    "KeyedStaging",
    "PodStaging",
    "PodTable",
    "kubevirt_in",
    "migration_in",
    "report_in",
    "statement_in",
    "vm_in",
]

K = TypeVar("K")
V = TypeVar("V")

_GUESTS: Shared[Guest] = Shared()


def statement_in(record: Record) -> tuple[str, NodeStatement]:
    """What is kept of a Node, by its name."""
    assert isinstance(record, Node)
    return record.metadata.name, statement_of(record)


def report_in(record: Record) -> tuple[str, Report]:
    """What is kept of a NodeResourceTopology, by its name, which is the node's."""
    assert isinstance(record, NodeResourceTopology)
    return record.metadata.name, read_report(record)


def vm_in(record: Record) -> tuple[str, Seen]:
    """What is kept of a VMI, by its UID: its guest, none where it cannot be read, its life and its owner."""
    assert isinstance(record, Vmi)
    guest: Guest | None = None
    with contextlib.suppress(BadObject):
        guest = _GUESTS.one(guest_of(record))
    return record.metadata.uid, seen_in(record, guest)


def migration_in(record: Record) -> tuple[tuple[str, str], Migration]:
    """A migration, by namespace and name."""
    assert isinstance(record, Migration)
    return (record.metadata.namespace, record.metadata.name), record


def kubevirt_in(record: Record) -> tuple[tuple[str, str], Installation]:
    """What is kept of a KubeVirt object, by its namespace and name."""
    assert isinstance(record, KubeVirt)
    return (record.metadata.namespace, record.metadata.name), installation_of(record)


@dataclass(frozen=True, slots=True)
class Keyed(Generic[K, V]):
    """A kind whose objects stand alone: each is narrowed to a key and a value.

    `current` lists the keys in the picture; `change` sets one, or drops it (None).
    """

    narrow: Callable[[Record], tuple[K, V]]
    current: Callable[[], Iterable[K]]
    change: Callable[[K, V | None], None]

    def put(self, record: Record) -> None:
        """An object was added or changed."""
        self.change(*self.narrow(record))

    def delete(self, record: Record) -> None:
        """An object is gone."""
        self.change(self.narrow(record)[0], None)

    def stage(self, done: Callable[[], None]) -> "KeyedStaging[K, V]":
        """Begins a whole list; `done` is called when its swap has ended."""
        return KeyedStaging(self, done)


class KeyedStaging(Generic[K, V]):
    """A whole list of a kind whose objects stand alone."""

    def __init__(self, keyed: Keyed[K, V], done: Callable[[], None]) -> None:
        self._keyed = keyed
        self._done = done
        self._staged: dict[K, V] = {}

    def put(self, record: Record) -> None:
        """See Staging."""
        key, value = self._keyed.narrow(record)
        self._staged[key] = value

    def delete(self, record: Record) -> None:
        """See Staging."""
        self._staged.pop(self._keyed.narrow(record)[0], None)

    def swap(self) -> Iterator[None]:
        """See Staging."""
        staged, change = self._staged, self._keyed.change
        for key in list(self._keyed.current()):
            if key not in staged:
                change(key, None)
            yield
        # Emptied as it goes: freeing 50,000 values at once would be one long step.
        while staged:
            change(*staged.popitem())
            yield
        self._done()


class PodTable(Protocol):
    """What the pods of a list do to the picture."""

    @property
    def promises(self) -> Mapping[str, object]:
        """Promised pods by UID."""

    @property
    def pods(self) -> Mapping[str, PodEntry]:
        """Live bound pods by UID."""

    @property
    def nodes(self) -> Mapping[str, object]:
        """Every node of the picture by name."""

    def take_node(self, node: str, pods: Mapping[str, PodEntry]) -> None:
        """The live bound pods of one node, by UID, in the order in which its kubelet saw them. Others there are gone."""

    def take_loose(self, record: Pod) -> None:
        """A pod that is over, or not bound."""

    def withdraw(self, uid: str) -> None:
        """A pod that is not in the list, or holds nothing: its promise is void."""

    def forget_refusals(self, existing: AbstractSet[str]) -> None:
        """UIDs of all pods; of others no refusal need be remembered."""


class PodStaging:
    """Pods: entries by node, and the few records that are not bound or over.

    A promise that was made after the list had been begun may be for a pod that is too young to be in it, so only
    the promises of before are compared with the list.
    """

    def __init__(self, table: PodTable, done: Callable[[], None]) -> None:
        self._table = table
        self._done = done
        self._promised = set(table.promises)
        self._uids: set[str] = set()
        self._by_node: dict[str, dict[str, PodEntry]] = {}
        self._over: dict[str, Pod] = {}
        self._unbound: dict[str, Pod] = {}
        #: bound pods that hold nothing and were promised something
        self._empty: set[str] = set()

    def put(self, record: Record) -> None:
        """See Staging."""
        assert isinstance(record, Pod)
        self.delete(record)
        uid, node = record.metadata.uid, record.spec.node_name
        known = self._table.pods.get(uid)
        self._uids.add(uid if known is None else known.uid)
        if is_over(record):
            self._over[uid] = record
        elif not node:
            self._unbound[uid] = record
        elif known is not None and _is_current(known, record):
            # Most pods of a later list are known as they are; their entries stand for themselves.
            self._by_node.setdefault(known.node, {})[known.uid] = known
        elif (entry := entry_of(record)) is not None:
            self._by_node.setdefault(node, {})[uid] = entry
        elif uid in self._promised:
            self._empty.add(uid)

    def delete(self, record: Record) -> None:
        """See Staging."""
        uid = record.metadata.uid
        if uid not in self._uids:
            return
        self._uids.discard(uid)
        self._over.pop(uid, None)
        self._unbound.pop(uid, None)
        self._empty.discard(uid)
        if isinstance(record, Pod) and record.spec.node_name in self._by_node:
            self._by_node[record.spec.node_name].pop(uid, None)

    def swap(self) -> Iterator[None]:
        """See Staging. Refusals come first: they are told of pods that are still held."""
        table = self._table
        while self._over:
            table.take_loose(self._over.popitem()[1])
            yield
        for uid in self._empty | (self._promised - self._uids):
            table.withdraw(uid)
            yield
        unseen = [node for node in self._by_node if node not in table.nodes]
        for node in (*table.nodes, *unseen):
            pods = self._by_node.pop(node, {})
            if len(pods) > 1:
                pods = dict(sorted(pods.items(), key=_kubelet_order))
            table.take_node(node, pods)
            yield
        while self._unbound:
            table.take_loose(self._unbound.popitem()[1])
            yield
        table.forget_refusals(self._uids)
        self._done()
        while self._uids:
            self._uids.pop()
            yield


def _is_current(entry: PodEntry, record: Pod) -> bool:
    status = record.status
    shown = record.spec.node_name, bool(status.start_time), status.phase == "Running"
    return shown == (entry.node, entry.admitted, entry.running)


def _kubelet_order(item: tuple[str, PodEntry]) -> tuple[int, str]:
    return item[1].order
