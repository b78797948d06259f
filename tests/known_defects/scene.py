"""What the scenes share: marks, an extender to be asked as kube-scheduler asks it, and the real kubelet beside it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from _fastfit.codes import Code
from _fastfit.model import Row
from extender.api.objects import Node, NodeResourceTopology, Pod
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.kubelet.admission import Kubelet
from extender.kubelet.pod import pod_demand
from extender.kubelet.results import Admitted, Refused
from extender.kubelet.versions import version_of
from extender.reasons import verdict_of
from tests.kit.objects import KUBELET_A, machine, node, nrt, pod
from tests.kit.verbs import make_verbs

__all__ = [
    "FLOW",
    "PLACEMENT_TRUTH",
    "RIGHT_ANSWERS",
    "Answer",
    "BrokenScene",
    "Churn",
    "Extender",
    "RealKubelet",
    "at",
    "churned",
    "ended",
    "hidden_vms",
    "kubelet_facts",
    "must",
    "restart",
    "running",
    "with_json",
]


def _defect(title: str) -> pytest.MarkDecorator:
    """Any other error than a wrong claim is a broken scene, and fails."""
    return pytest.mark.xfail(strict=True, raises=AssertionError, reason=title)


PLACEMENT_TRUTH = _defect(
    "Placement truth: what a restart, a reconfigured node and a dead exporter may not make us forget"
)
RIGHT_ANSWERS = _defect("Right answers: every wrong one that the field and the reviews found, and its whole kind")
FLOW = _defect("Flow: a freed zone is used at once, a burst is not held up, large clusters pay nothing")


class BrokenScene(Exception):
    """What a scene takes for granted did not happen: never an expected failure."""


def must(holds: bool, *what: object) -> None:
    """Raise if the scene is not what it takes itself to be."""
    if not holds:
        raise BrokenScene(*what)


# --- objects --------------------------------------------------------------------------------------------


def at(second: int) -> str:
    """A moment as the API writes it."""
    return f"2026-01-01T00:{second // 60:02d}:{second % 60:02d}Z"


def kubelet_facts(**changes: Any) -> dict[str, Any]:
    """A kubelet with policy single-numa-node and static CPU Manager; Memory Manager is off."""
    return {**KUBELET_A, "memoryManagerPolicy": "None", "reservedMemory": [], **changes}


def running(name: str, cpus: int, node_name: str, *, second: int, **more: Any) -> Pod:
    """A launcher pod that its kubelet has admitted at that second."""
    return pod(name, cpus, 0, node_name=node_name, start=at(second), phase="Running", **more)


def ended(record: Pod, reason: str, message: str) -> Pod:
    """The pod as its kubelet leaves it when it refuses it."""
    status = msgspec.structs.replace(record.status, phase="Failed", reason=reason, message=message)
    return msgspec.structs.replace(record, status=status)


def with_json(record: Any, **fields: Any) -> Any:
    """The record with JSON fields of an API object replaced, for what its builder does not take."""
    raw = {**json.loads(msgspec.json.encode(record)), **fields}
    return msgspec.json.decode(json.dumps(raw), type=type(record))


# --- the two sides --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply to filter: nodes that are left, and the texts of those that are not."""

    kept: list[str]
    refused: dict[str, str]


class Extender:
    """A cache with the verbs over it. `clock` is in seconds, that of ticks and calls."""

    def __init__(self, nrt_stale_after: float = 0.0) -> None:
        self.cluster = Cluster(nrt_stale_after=nrt_stale_after)
        self.verbs = make_verbs(self.cluster)
        self.clock = 0.0

    def now(self, seconds: float) -> None:
        """Bring the time; everything is watched with success."""
        self.clock = seconds
        self.cluster.tick(seconds)

    def see(self, *records: Node | Pod | NodeResourceTopology) -> None:
        """Events: each object was added or changed."""
        for record in records:
            self.cluster.put(_source(record), record)
        self.cluster.make_rows()

    def gone(self, *records: Node | Pod | NodeResourceTopology) -> None:
        """Events: each object was deleted."""
        for record in records:
            self.cluster.delete(_source(record), record)
        self.cluster.make_rows()

    def relist(self, source: Source, records: Iterable[Node | Pod | NodeResourceTopology]) -> None:
        """A whole list of one kind."""
        self.cluster.replace(source, records)
        self.cluster.make_rows()

    def filter(self, record: Pod, *names: str) -> Answer:
        """Ask which of these nodes are left for the pod."""
        reply = json.loads(self.verbs.filter(_body(record, names), self.clock).body)
        must(not reply.get("Error"), reply)
        return Answer(reply.get("NodeNames") or [], reply.get("FailedAndUnresolvableNodes") or {})

    def winners(self, record: Pod, names: Sequence[str]) -> list[str]:
        """Ask for scores; the nodes that get 10."""
        scores = json.loads(self.verbs.prioritize(_body(record, names), self.clock).body)
        return [each["Host"] for each in scores if each["Score"] == 10]

    def free(self, name: str) -> list[int]:
        """CPUs that the node's row has free, by zone."""
        row = self._row(name)
        return [zone.cpu_free for zone in row.zones]

    def devices_free(self, name: str, resource: str) -> list[int]:
        """Devices that the node's row has free, by zone."""
        row = self._row(name)
        return [zone.device_free.get(resource, 0) for zone in row.zones]

    def code(self, name: str) -> Code:
        """What the node's row says before any pod is looked at."""
        row = self._row(name)
        return Code(row.node_code)

    def verdict(self, name: str) -> str:
        """The node's code as fits, unknown or refused."""
        return verdict_of(self.code(name))

    def _row(self, name: str) -> Row:
        self.cluster.make_rows()
        row = self.cluster.nodes[name].row
        if row is None:
            raise BrokenScene(f"node {name} has no row")
        return row

    def zones(self, name: str, record: Pod) -> tuple[int, ...]:
        """Where the pod's CPUs are taken to be on the node."""
        return self.cluster.nodes[name].zones_of(record.metadata.uid)

    def assumed(self, record: Pod) -> bool:
        """Whether the pod holds a place for which its binding is awaited."""
        return record.metadata.uid in self.cluster.assumed


class RealKubelet:
    """The node's own kubelet: the exact model of it, told of everything in the order in which it happened."""

    def __init__(self, extender: Extender, name: str) -> None:
        facts = extender.cluster.nodes[name].facts
        if facts.machine is None:
            raise BrokenScene(f"the machine of node {name} is not known")
        self._kubelet = Kubelet(facts.machine, facts.config, version_of(facts.version), facts.devices)

    def admit(self, record: Pod) -> Admitted | Refused:
        """Its word; what a refused pod took is given back."""
        answer = self._kubelet.admit(pod_demand(record))
        if isinstance(answer, Refused):
            self._kubelet.remove(record.metadata.uid)
        return answer

    def remove(self, record: Pod) -> None:
        """The pod's containers have ended."""
        self._kubelet.remove(record.metadata.uid)

    def free(self) -> list[int]:
        """CPUs that are free, by zone."""
        return [zone.cpu_free for zone in self._kubelet.counts().zones]

    def devices_free(self, resource: str) -> list[int]:
        """Devices that are free, by zone."""
        return [zone.devices[resource].free for zone in self._kubelet.counts().zones]


def restart(old: Extender, **lists: Iterable[Node | Pod | NodeResourceTopology]) -> Extender:
    """A new process in place of `old`: it reads nodes, reports and pods (`nodes`, `reports`, `pods`) as lists.

    Whatever else outlives a process is to be handed over here; today nothing does.
    """
    new = Extender(nrt_stale_after=old.cluster.nrt_stale_after)
    new.now(1.0)
    for key, source in (("nodes", Source.NODES), ("reports", Source.NRTS), ("pods", Source.PODS)):
        new.relist(source, lists.get(key, ()))
    return new


# --- a history that start times do not tell ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Churn:
    """A node on which three pods came and the first one left. `free` is what its kubelet had free after each step."""

    extender: Extender
    kubelet: RealKubelet
    node: Node
    left: Pod
    stay: tuple[Pod, Pod]
    #: what the kubelet and the extender had free: after each admission, and after the end
    free: tuple[tuple[list[int], list[int]], ...]


def churned(cpus: tuple[int, int, int], *, report: NodeResourceTopology | None = None) -> Churn:
    """Two zones of 14 and 16 CPUs; pods of so many CPUs come in this order, and the first one ends.

    `report`: what its exporter writes.
    """
    extender, host = Extender(), node("n", kubelet_facts(reservedSystemCPUs="0,16"), machine(pages=0))
    extender.see(host)
    if report is not None:
        extender.see(report)
    kubelet = RealKubelet(extender, "n")
    left, *stay = (running(name, count, "n", second=i) for i, (name, count) in enumerate(zip("hxy", cpus, strict=True)))
    seen = []
    for each in (left, *stay):
        must(isinstance(kubelet.admit(each), Admitted), "the kubelet refuses", each.metadata.name)
        extender.see(each)
        seen.append((kubelet.free(), extender.free("n")))
    kubelet.remove(left)
    extender.gone(left)
    seen.append((kubelet.free(), extender.free("n")))
    return Churn(extender, kubelet, host, left, (stay[0], stay[1]), tuple(seen))


def hidden_vms() -> NodeResourceTopology:
    """The report of an exporter that leaves dedicated VMs out: every CPU seems to be free."""
    return nrt("n", [{"cpu": 14}, {"cpu": 16}])


# --- inside ---------------------------------------------------------------------------------------------


def _source(record: Node | Pod | NodeResourceTopology) -> Source:
    return {Node: Source.NODES, Pod: Source.PODS, NodeResourceTopology: Source.NRTS}[type(record)]


def _body(record: Pod, names: Sequence[str]) -> bytes:
    return json.dumps(
        {"Pod": json.loads(msgspec.json.encode(record)), "Nodes": None, "NodeNames": list(names)}
    ).encode()
