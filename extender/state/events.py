"""What the outside tells the state: kinds of objects, and the sink that takes them."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol

from extender.api.objects import Migration, Node, NodeResourceTopology, Pod, Vmi

__all__ = ["Record", "Sink", "Source"]

Record = Node | Pod | NodeResourceTopology | Vmi | Migration


class Source(StrEnum):
    """The kinds that are watched; values are the API's resource names."""

    NODES = "nodes"
    PODS = "pods"
    REPORTS = "noderesourcetopologies"
    VMIS = "virtualmachineinstances"
    MIGRATIONS = "virtualmachineinstancemigrations"


class Sink(Protocol):
    """Takes decoded objects. Calls are synchronous and cheap (about 50 us); none of them awaits."""

    def put(self, source: Source, record: Record) -> None:
        """An object was added or changed."""

    def delete(self, source: Source, record: Record) -> None:
        """An object is gone; `record` is its last known form."""

    def replace(self, source: Source, records: Iterable[Record]) -> None:
        """The whole list of a kind, after a sync: what is not in it is gone."""

    def absent(self, source: Source) -> None:
        """The API server does not serve this kind (no CRD)."""
