"""A small cluster with one node of interest, a pod that is asked about, and what `explain` says of both."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import msgspec

from _fastfit.codes import Code
from extender.api.objects import KubeVirt, Migration, Node, NodeResourceTopology, Pod, Vmi
from extender.cache.cluster import Cluster
from extender.cache.events import Record, Source
from extender.cli.answer_view import details, summary
from extender.cli.tables import Terminal
from extender.placement.answers import NodeAnswer, PodAnswer
from extender.placement.explain import explain
from extender.placement.node_totals import NodeTotals
from tests.kit.objects import GI, KUBELET_A, machine, node, nrt, pod
from tests.kit.verbs import explained

__all__ = [
    "FULL",
    "NO_MEMORY_MANAGER",
    "START",
    "Case",
    "Scene",
    "SummedScene",
    "edited",
    "kubelet",
    "report",
    "running",
    "stated",
]

NO_MEMORY_MANAGER: dict[str, Any] = {"memoryManagerPolicy": "None", "reservedMemory": []}
START = "2026-01-01T00:00:00Z"
#: What an empty node of this kind reports.
FULL = [
    {"cpu": 14, "memory": 32 * GI, "hugepages-1Gi": 32 * GI},
    {"cpu": 16, "memory": 32 * GI, "hugepages-1Gi": 32 * GI},
]
_SOURCES: dict[type[Record], Source] = {
    Node: Source.NODES,
    Pod: Source.PODS,
    NodeResourceTopology: Source.NRTS,
    Vmi: Source.VMIS,
    Migration: Source.MIGRATIONS,
    KubeVirt: Source.KUBEVIRTS,
}
_WIDE = Terminal()
_R = TypeVar("_R", bound=msgspec.Struct)


class Scene:
    """The cluster, and `asked`, which a remedy may change."""

    def __init__(self, asked: Pod, *records: Record, **settings: Any) -> None:
        self.cluster = Cluster(**settings)
        self.asked = asked
        self.node = "n"
        self.put(*records)

    def put(self, *records: Record) -> None:
        """Objects were added or changed."""
        for record in records:
            self.cluster.put(_SOURCES[type(record)], record)

    def delete(self, *records: Record) -> None:
        """Objects are gone."""
        for record in records:
            self.cluster.delete(_SOURCES[type(record)], record)

    def answer(self) -> PodAnswer:
        """What is said of the pod."""
        return explained(self.cluster, self.asked)

    def at(self) -> NodeAnswer:
        """What is said of the node of interest."""
        return next(found for found in self.answer().nodes if found.node == self.node)

    def printed(self) -> str:
        """Everything that `explain -o wide` prints of that node."""
        answer = replace(self.answer(), nodes=(self.at(),))
        return summary(answer, _WIDE, True) + "\n" + details(answer, _WIDE, True)


class SummedScene(Scene):
    """One in which the sums of all pods are judged too, as the commands do."""

    def __init__(self, asked: Pod, *records: Record, **settings: Any) -> None:
        self.records: dict[str, Record] = {}
        super().__init__(asked, *records, **settings)

    def put(self, *records: Record) -> None:
        """Objects were added or changed."""
        self.records |= {record.metadata.name: record for record in records}
        super().put(*records)

    def delete(self, *records: Record) -> None:
        """Objects are gone."""
        for record in records:
            del self.records[record.metadata.name]
        super().delete(*records)

    def answer(self) -> PodAnswer:
        """What is said of the pod."""
        self.cluster.make_rows()
        known = list(self.records.values())
        pods = [record for record in known if isinstance(record, Pod)]
        totals = NodeTotals([record for record in known if isinstance(record, Node)], pods)
        return explain(self.cluster, self.asked, totals)


@dataclass(frozen=True, slots=True)
class Case:
    """A cause of a code. `says`: the words that name the remedy; `cure` applies it; `after`: the code then."""

    code: Code
    cause: str
    scene: Callable[[], Scene]
    says: str
    cure: Callable[[Scene], object]
    after: Code = Code.Fits

    @property
    def id(self) -> str:
        """For the list of tests."""
        return f"{self.code.name}, {self.cause}"


def kubelet(policy: str = "single-numa-node", **more: Any) -> dict[str, Any]:
    """The configuration of machine A under this policy, without Memory Manager."""
    return {**KUBELET_A, **NO_MEMORY_MANAGER, "topologyManagerPolicy": policy, **more}


def stated(policy: str = "single-numa-node", shape: dict[str, Any] | None = None, **more: Any) -> Node:
    """Node `n` that states configuration and machine."""
    return node("n", kubelet(policy, **more), shape or machine())


def report(available: list[dict[str, int]] | None = None, policy: str = "single-numa-node") -> NodeResourceTopology:
    """What the exporter of node `n` writes; left out: of an empty node with everything."""
    return nrt("n", available or FULL, policy)


def running(name: str, cpus: int, pages: int = 0, **more: Any) -> Pod:
    """A launcher pod that node `n` admitted."""
    return pod(name, cpus, pages, node_name="n", start=START, phase="Running", sidecar=False, **more)


def edited(record: _R, edit: Callable[[dict[str, Any]], object]) -> _R:
    """The record with a change in its JSON."""
    raw: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(record))
    edit(raw)
    return msgspec.convert(raw, type(record))
