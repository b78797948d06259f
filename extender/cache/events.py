"""What the watches tell the cache: kinds of objects, and the sink that takes them."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Protocol

from extender.api.objects import KubeVirt, Migration, Node, NodeResourceTopology, Pod, Vmi

__all__ = ["Record", "Relist", "Sink", "Source"]

Record = Node | Pod | NodeResourceTopology | Vmi | Migration | KubeVirt


class Source(StrEnum):
    """The kinds that are watched; values are the API's resource names."""

    NODES = "nodes"
    PODS = "pods"
    NRTS = "noderesourcetopologies"
    VMIS = "virtualmachineinstances"
    MIGRATIONS = "virtualmachineinstancemigrations"
    KUBEVIRTS = "kubevirts"


class Relist(Protocol):
    """A whole list of one kind while it arrives, apart from the cache that is served. Used once."""

    def put(self, record: Record) -> None:
        """An object of the list, or its newer form."""

    def delete(self, record: Record) -> None:
        """An object that ended while the list arrived."""

    def swap(self) -> Iterator[object]:
        """Replaces the kind in the cache by the list: what is not in it is gone. Each step takes well under a millisecond.

        Between two steps every object is as the old list had it or as the new one has it, and all pods of a node
        change together; so the cache may be read, and other kinds may change. To be run to its end.
        """

    def discard(self) -> Iterator[None]:
        """Frees what has not been swapped in, in steps: to free 50,000 objects at once would be one long step."""


class Sink(Protocol):
    """Takes decoded objects. Calls are synchronous and cheap (about 50 us); none of them awaits.

    What they return is for the service that wraps the cache; a watch ignores it.
    """

    def put(self, source: Source, record: Record) -> object:
        """An object was added or changed."""

    def delete(self, source: Source, record: Record) -> object:
        """An object is gone; `record` is its last known form."""

    def begin_relist(self, source: Source) -> Relist:
        """Begins a whole list of a kind; to be called before the list is asked for."""

    def replace(self, source: Source, records: Iterable[Record]) -> object:
        """The whole list of a kind at once, however long that takes: what is not in it is gone."""

    def absent(self, source: Source) -> object:
        """The API server does not serve this kind (no CRD)."""
