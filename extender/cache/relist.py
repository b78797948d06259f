"""Whole lists on their way into the cache: narrowed as they arrive, then swapped in, in small steps.

Nothing of the served cache changes while a list arrives. What the list repeats is not kept a second time, and the swap
applies differences only; so a list without news costs a comparison per object, and 8 bytes.

Objects of every kind but pods stand alone: each is narrowed to a key and a value (ObjectKind). Pods change node by node.
"""

import contextlib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from extender.api.objects import KubeVirt, Migration, Node, NodeResourceTopology, Pod, Vmi
from extender.cache.collections import HashSet
from extender.cache.effects import NO_EFFECTS, Effects
from extender.cache.events import Record, Source
from extender.cache.interning import Interner
from extender.cache.nodes.facts import NodeStatement, statement_of
from extender.cache.nodes.node import NodeState
from extender.cache.nodes.nrt_age import SeenNrt, seen_nrt
from extender.cache.pods.pod import PodEntry, entry_of, is_over
from extender.cache.vms.guest_cells import SeenVmi, seen_in
from extender.cache.vms.vm import Vms
from extender.errors import BadObject
from extender.kubevirt.installation import Installation, installation_of
from extender.kubevirt.launcher_pod import Guest, guest_of

__all__ = ["Change", "ObjectKind", "ObjectRelist", "PodRelist", "PodTable", "kinds_of"]

K = TypeVar("K")
V = TypeVar("V")

#: Sets what is kept under a key; None: the object is gone.
Change = Callable[[Any, Any], None]

_GUESTS: Interner[Guest] = Interner()


@dataclass(frozen=True, slots=True)
class ObjectKind(Generic[K, V]):
    """A kind whose objects stand alone: each is narrowed to a key and a value.

    `current` iterates the keys in the cache, which may change meanwhile; `held` is the value of one, None without;
    `change` sets one, or drops it (None). A value is set again for an object that is still as it was.
    """

    narrow: Callable[[Record], tuple[K, V]]
    current: Callable[[], Iterable[K]]
    held: Callable[[K], V | None]
    change: Callable[[K, V | None], None]
    #: what a value becomes that a whole list brought
    listed: Callable[[V], V] = lambda value: value

    def put(self, record: Record) -> None:
        """An object was added or changed."""
        self.change(*self.narrow(record))

    def delete(self, record: Record) -> None:
        """An object is gone."""
        self.change(self.narrow(record)[0], None)

    def begin_relist(self, done: Callable[[], None]) -> "ObjectRelist[K, V]":
        """Begins a whole list; `done` is called when its swap has ended."""
        return ObjectRelist(self, done)


class ObjectRelist(Generic[K, V]):
    """A whole list of a kind whose objects stand alone. Nothing else changes the kind meanwhile."""

    def __init__(self, kind: ObjectKind[K, V], done: Callable[[], None]) -> None:
        self._kind = kind
        self._done = done
        #: keys that the list has named, even if their objects ended while it arrived
        self._listed = HashSet()
        #: what differs from the cache, in the order of arrival; of two changes to a key the later one counts
        self._changes: list[tuple[K, V | None]] = []

    def put(self, record: Record) -> None:
        """See Relist."""
        key, value = self._kind.narrow(record)
        if key in self._listed or self._kind.held(key) != value:
            self._changes.append((key, self._kind.listed(value)))
        self._listed.add(key)

    def delete(self, record: Record) -> None:
        """See Relist."""
        key, _ = self._kind.narrow(record)
        if key in self._listed:
            self._changes.append((key, None))

    def swap(self) -> Iterator[Effects]:
        """See Relist. Such objects have no effects."""
        change, held = self._kind.change, self._kind.held
        for key in self._kind.current():
            change(key, held(key) if key in self._listed else None)
            yield NO_EFFECTS
        self._changes.reverse()
        while self._changes:
            change(*self._changes.pop())
            yield NO_EFFECTS
        self._done()

    def discard(self) -> Iterator[None]:
        """See Relist."""
        while self._changes:
            self._changes.pop()
            yield


class PodTable(Protocol):
    """What the pods of a list change in the cache."""

    @property
    def assumed(self) -> Mapping[str, object]:
        """Assumed placements by UID of the pod."""

    @property
    def pods(self) -> Mapping[str, PodEntry]:
        """Live bound pods by UID."""

    @property
    def nodes(self) -> Mapping[str, object]:
        """Every node of the cache by name."""

    def take_node(self, node: str, pods: Mapping[str, PodEntry]) -> Effects:
        """The live bound pods of one node, by UID, in the order in which its kubelet saw them. Others there are gone."""

    def put_pod(self, record: Pod) -> Effects:
        """A pod that is over, or not bound."""

    def forget(self, uid: str) -> None:
        """Ends the assumed placement of a pod that is not in the list, or holds nothing."""

    def forget_refusals(self, existing: Container[str]) -> None:
        """`existing`: UIDs of all pods; refusals of others need not be remembered."""


class PodRelist:
    """Pods: entries by node, and the few records that are not bound or over.

    A pod that was assumed after the list had been begun may be too young to be in it, so only the placements of before
    are compared with the list.
    """

    def __init__(self, table: PodTable, done: Callable[[], None]) -> None:
        self._table = table
        self._done = done
        self._assumed = set(table.assumed)
        self._uids = HashSet()
        self._by_node: dict[str, dict[str, PodEntry]] = {}
        self._over: dict[str, Pod] = {}
        self._unbound: dict[str, Pod] = {}
        #: bound pods that hold nothing and were assumed
        self._empty: set[str] = set()

    def put(self, record: Record) -> None:
        """See Relist."""
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
            # Most pods of a later list are known as they are; their entries are reused.
            self._by_node.setdefault(known.node, {})[known.uid] = known
        elif (entry := entry_of(record)) is not None:
            self._by_node.setdefault(node, {})[uid] = entry
        elif uid in self._assumed:
            self._empty.add(uid)

    def delete(self, record: Record) -> None:
        """See Relist."""
        uid = record.metadata.uid
        if uid not in self._uids:
            return
        self._uids.discard(uid)
        self._over.pop(uid, None)
        self._unbound.pop(uid, None)
        self._empty.discard(uid)
        if isinstance(record, Pod) and record.spec.node_name in self._by_node:
            self._by_node[record.spec.node_name].pop(uid, None)

    def swap(self) -> Iterator[Effects]:
        """See Relist; each step gives its effects. Refusals come first, while their pods are still held."""
        table = self._table
        while self._over:
            yield table.put_pod(self._over.popitem()[1])
        for uid in self._empty | {uid for uid in self._assumed if uid not in self._uids}:
            table.forget(uid)
            yield NO_EFFECTS
        unseen = [node for node in self._by_node if node not in table.nodes]
        for node in (*table.nodes, *unseen):
            pods = self._by_node.pop(node, {})
            if len(pods) > 1:
                pods = dict(sorted(pods.items(), key=_kubelet_order))
            yield table.take_node(node, pods)
        while self._unbound:
            yield table.put_pod(self._unbound.popitem()[1])
        table.forget_refusals(self._uids)
        self._done()

    def discard(self) -> Iterator[None]:
        """See Relist."""
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


def kinds_of(
    nodes: Mapping[str, NodeState], vms: Vms, change: Mapping[Source, Change]
) -> Mapping[Source, ObjectKind[Any, Any]]:
    """Every kind but pods; `change`: for each, what sets an object of these nodes and VMs."""

    def statement(name: str) -> NodeStatement | None:
        return nodes[name].statement if name in nodes else None

    def nrt(name: str) -> SeenNrt | None:
        return nodes[name].seen_nrt if name in nodes else None

    def current(held: Callable[[str], object]) -> Callable[[], list[str]]:
        return lambda: [name for name in nodes if held(name) is not None]

    return {
        Source.NODES: ObjectKind(_statement_in, current(statement), statement, change[Source.NODES]),
        Source.NRTS: ObjectKind(_nrt_in, current(nrt), nrt, change[Source.NRTS], _as_listed),
        Source.VMIS: ObjectKind(_vm_in, vms.seen, vms.known, change[Source.VMIS]),
        Source.MIGRATIONS: ObjectKind(
            _migration_in, lambda: list(vms.migrations), vms.migrations.get, change[Source.MIGRATIONS]
        ),
        Source.KUBEVIRTS: ObjectKind(
            _kubevirt_in, lambda: list(vms.installations), vms.installations.get, change[Source.KUBEVIRTS]
        ),
    }


def _statement_in(record: Record) -> tuple[str, NodeStatement]:
    """What is kept of a Node, by its name."""
    assert isinstance(record, Node)
    return record.metadata.name, statement_of(record)


def _nrt_in(record: Record) -> tuple[str, SeenNrt]:
    """What is kept of a NodeResourceTopology, by its name, which is the node's."""
    assert isinstance(record, NodeResourceTopology)
    return record.metadata.name, seen_nrt(record)


def _as_listed(seen: SeenNrt) -> SeenNrt:
    return replace(seen, listed=True)


def _vm_in(record: Record) -> tuple[str, SeenVmi]:
    """What is kept of a VMI, by its UID: its guest (None where it cannot be read), its run and its owner."""
    assert isinstance(record, Vmi)
    guest: Guest | None = None
    with contextlib.suppress(BadObject):
        if record.unreadable:
            raise BadObject(record.unreadable)
        guest = _GUESTS.intern(guest_of(record))
    return record.metadata.uid, seen_in(record, guest)


def _migration_in(record: Record) -> tuple[tuple[str, str], Migration]:
    """A migration, by namespace and name."""
    assert isinstance(record, Migration)
    return (record.metadata.namespace, record.metadata.name), record


def _kubevirt_in(record: Record) -> tuple[tuple[str, str], Installation]:
    """What is kept of a KubeVirt object, by its namespace and name."""
    assert isinstance(record, KubeVirt)
    return (record.metadata.namespace, record.metadata.name), installation_of(record)
