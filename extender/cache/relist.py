"""Whole lists on their way into the picture: narrowed as they arrive, then swapped in, in small steps.

Nothing of the served picture changes while a list arrives. What the list repeats is not kept a second time, and the swap
applies differences only; so a list that tells nothing new costs a comparison per object, and 8 bytes.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from extender.api.objects import Pod
from extender.cache.collections import HashSet
from extender.cache.events import Record
from extender.cache.pods.pod import PodEntry, entry_of, is_over

__all__ = ["Keyed", "KeyedRelist", "PodRelist", "PodTable"]

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Keyed(Generic[K, V]):
    """A kind whose objects stand alone: each is narrowed to a key and a value.

    `current` iterates the keys in the picture, which may change meanwhile; `held` is the value of one, None without;
    `change` sets one, or drops it (None). A value that is set again tells that the object is still so.
    """

    narrow: Callable[[Record], tuple[K, V]]
    current: Callable[[], Iterable[K]]
    held: Callable[[K], V | None]
    change: Callable[[K, V | None], None]

    def put(self, record: Record) -> None:
        """An object was added or changed."""
        self.change(*self.narrow(record))

    def delete(self, record: Record) -> None:
        """An object is gone."""
        self.change(self.narrow(record)[0], None)

    def begin_relist(self, done: Callable[[], None]) -> "KeyedRelist[K, V]":
        """Begins a whole list; `done` is called when its swap has ended."""
        return KeyedRelist(self, done)


class KeyedRelist(Generic[K, V]):
    """A whole list of a kind whose objects stand alone. Nobody else changes the kind meanwhile."""

    def __init__(self, keyed: Keyed[K, V], done: Callable[[], None]) -> None:
        self._keyed = keyed
        self._done = done
        #: keys that the list has told of, even if it took them back
        self._listed = HashSet()
        #: what differs from the picture, in the order of its coming; of two changes to a key the later one stands
        self._changes: list[tuple[K, V | None]] = []

    def put(self, record: Record) -> None:
        """See Staging."""
        key, value = self._keyed.narrow(record)
        if key in self._listed or self._keyed.held(key) != value:
            self._changes.append((key, value))
        self._listed.add(key)

    def delete(self, record: Record) -> None:
        """See Staging."""
        key, _ = self._keyed.narrow(record)
        if key in self._listed:
            self._changes.append((key, None))

    def swap(self) -> Iterator[None]:
        """See Staging."""
        change, held = self._keyed.change, self._keyed.held
        for key in self._keyed.current():
            change(key, held(key) if key in self._listed else None)
            yield
        self._changes.reverse()
        while self._changes:
            change(*self._changes.pop())
            yield
        self._done()

    def discard(self) -> Iterator[None]:
        """See Staging."""
        while self._changes:
            self._changes.pop()
            yield


class PodTable(Protocol):
    """What the pods of a list do to the picture."""

    @property
    def assumed(self) -> Mapping[str, object]:
        """Promised pods by UID."""

    @property
    def pods(self) -> Mapping[str, PodEntry]:
        """Live bound pods by UID."""

    @property
    def nodes(self) -> Mapping[str, object]:
        """Every node of the picture by name."""

    def take_node(self, node: str, pods: Mapping[str, PodEntry]) -> None:
        """The live bound pods of one node, by UID, in the order in which its kubelet saw them. Others there are gone."""

    def put_pod(self, record: Pod) -> None:
        """A pod that is over, or not bound."""

    def forget(self, uid: str) -> None:
        """A pod that is not in the list, or holds nothing: its promise is void."""

    def forget_refusals(self, existing: Container[str]) -> None:
        """UIDs of all pods; of others no refusal need be remembered."""


class PodRelist:
    """Pods: entries by node, and the few records that are not bound or over.

    A promise that was made after the list had been begun may be for a pod that is too young to be in it, so only
    the promises of before are compared with the list.
    """

    def __init__(self, table: PodTable, done: Callable[[], None]) -> None:
        self._table = table
        self._done = done
        self._assumed = set(table.assumed)
        self._uids = HashSet()
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
        elif uid in self._assumed:
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
            table.put_pod(self._over.popitem()[1])
            yield
        for uid in self._empty | {uid for uid in self._assumed if uid not in self._uids}:
            table.forget(uid)
            yield
        unseen = [node for node in self._by_node if node not in table.nodes]
        for node in (*table.nodes, *unseen):
            pods = self._by_node.pop(node, {})
            if len(pods) > 1:
                pods = dict(sorted(pods.items(), key=_kubelet_order))
            table.take_node(node, pods)
            yield
        while self._unbound:
            table.put_pod(self._unbound.popitem()[1])
            yield
        table.forget_refusals(self._uids)
        self._done()

    def discard(self) -> Iterator[None]:
        """See Staging."""
        for some in (self._by_node, self._over, self._unbound):
            while some:
                some.popitem()
                yield


def _is_current(entry: PodEntry, record: Pod) -> bool:
    status = record.status
    shown = record.spec.node_name, bool(status.start_time), status.phase == "Running"
    return shown == (entry.node, entry.admitted, entry.running)


def _kubelet_order(item: tuple[str, PodEntry]) -> tuple[int, str]:
    return item[1].order
