"""The kinds whose objects stand alone, every one but pods: what is kept of an object, under which key, and where."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from extender.api.objects import KubeVirt, Migration, Node, NodeResourceTopology, Vmi
from extender.cache.events import Record, Source
from extender.cache.interning import Interner
from extender.cache.nodes.facts import NodeStatement, statement_of
from extender.cache.nodes.node import NodeState
from extender.cache.nodes.nrt import Nrt, read_nrt
from extender.cache.relist import Keyed
from extender.cache.vms.guest_cells import Seen, seen_in
from extender.cache.vms.vm import Vms
from extender.errors import BadObject
from extender.kubevirt.installation import Installation, installation_of
from extender.kubevirt.launcher_pod import Guest, guest_of

__all__ = ["Change", "kinds_of"]

#: Sets what is kept under a key; None: the object is gone.
Change = Callable[[Any, Any], None]

_GUESTS: Interner[Guest] = Interner()


def kinds_of(
    nodes: Mapping[str, NodeState], vms: Vms, change: Mapping[Source, Change]
) -> Mapping[Source, Keyed[Any, Any]]:
    """Every kind but pods; `change` of each is what its events do to the picture, that of these nodes and VMs."""

    def statement(name: str) -> NodeStatement | None:
        return nodes[name].statement if name in nodes else None

    def nrt(name: str) -> Nrt | None:
        return nodes[name].nrt if name in nodes else None

    def current(held: Callable[[str], object]) -> Callable[[], list[str]]:
        return lambda: [name for name in nodes if held(name) is not None]

    return {
        Source.NODES: Keyed(_statement_in, current(statement), statement, change[Source.NODES]),
        Source.NRTS: Keyed(_nrt_in, current(nrt), nrt, change[Source.NRTS]),
        Source.VMIS: Keyed(_vm_in, vms.seen, vms.known, change[Source.VMIS]),
        Source.MIGRATIONS: Keyed(
            _migration_in, lambda: list(vms.migrations), vms.migrations.get, change[Source.MIGRATIONS]
        ),
        Source.KUBEVIRTS: Keyed(
            _kubevirt_in, lambda: list(vms.installations), vms.installations.get, change[Source.KUBEVIRTS]
        ),
    }


def _statement_in(record: Record) -> tuple[str, NodeStatement]:
    """What is kept of a Node, by its name."""
    assert isinstance(record, Node)
    return record.metadata.name, statement_of(record)


def _nrt_in(record: Record) -> tuple[str, Nrt]:
    """What is kept of a NodeResourceTopology, by its name, which is the node's."""
    assert isinstance(record, NodeResourceTopology)
    return record.metadata.name, read_nrt(record)


def _vm_in(record: Record) -> tuple[str, Seen]:
    """What is kept of a VMI, by its UID: its guest, none where it cannot be read, its life and its owner."""
    assert isinstance(record, Vmi)
    guest: Guest | None = None
    with contextlib.suppress(BadObject):
        guest = _GUESTS.one(guest_of(record))
    return record.metadata.uid, seen_in(record, guest)


def _migration_in(record: Record) -> tuple[tuple[str, str], Migration]:
    """A migration, by namespace and name."""
    assert isinstance(record, Migration)
    return (record.metadata.namespace, record.metadata.name), record


def _kubevirt_in(record: Record) -> tuple[tuple[str, str], Installation]:
    """What is kept of a KubeVirt object, by its namespace and name."""
    assert isinstance(record, KubeVirt)
    return (record.metadata.namespace, record.metadata.name), installation_of(record)
