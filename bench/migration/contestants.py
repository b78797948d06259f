"""Who chooses the nodes: the default scheduler by sums alone, fastfit without regard to guest cells, and fastfit."""

import json
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any, Final, Protocol

import msgspec
import orjson

from bench.migration.plan import Setting, kubelet, machine
from extender.api.objects import Node, Pod, Vmi
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.kubelet.pod import PodDemand, peak_need, pod_demand
from extender.kubevirt.migration.policy import MigrationPolicy
from extender.placement.decide import Decider, fit_of
from extender.placement.subject import subject_of
from extender.reasons import verdict_of

__all__ = ["CONTESTANTS", "TITLES", "Contestant", "make"]

#: By name, in the order of the chart; the first one is what the others are compared with.
TITLES: Final[Mapping[str, str]] = {
    "default": "default scheduler",
    "zones": "zone fit, cells ignored",
    "ours": "fastfit",
}
CONTESTANTS: Final = tuple(TITLES)


class Contestant(Protocol):
    """Chooses nodes, and hears of every VM and pod afterwards."""

    def choose(self, pod: Pod, forbidden: Iterable[str]) -> str | None:
        """The node for a pod that waits; None: no node fits."""

    def vm(self, record: Vmi) -> None:
        """A VMI was created or changed."""

    def bound(self, pod: Pod) -> None:
        """A pod runs on its node."""

    def gone(self, pod: Pod, reason: str = "") -> None:
        """A pod ended; `reason`: its kubelet refused it, with this reason."""

    def vm_gone(self, record: Vmi) -> None:
        """A VMI was deleted."""


def make(name: str, setting: Setting) -> Contestant:
    """A contestant on an empty cluster."""
    if name == "default":
        return _Default(setting)
    return _Ours(setting, MigrationPolicy.PREFER if name == "ours" else MigrationPolicy.OFF)


class _Default:
    """kube-scheduler without extenders, reduced to sums of a node, least allocated first.

    This is NodeResourcesFit with its default weights (CPU and memory alike). Among equal nodes one is drawn, as there.
    """

    def __init__(self, setting: Setting) -> None:
        zones = machine(setting.zones)["numa"]
        cpus = sum(len(core["threads"]) for zone in zones for core in zone["cores"][1:])
        memory = sum(zone["memoryBytes"] for zone in zones)
        pages = sum(zone["hugepages"]["1Gi"] for zone in zones) << 30
        self._most = {"cpu": cpus, "memory": memory - pages, "hugepages-1Gi": pages}
        self._used = {f"node-{number:02}": dict.fromkeys(self._most, 0) for number in range(setting.nodes)}
        self._random = Random(f"default {setting.seed}")

    def choose(self, pod: Pod, forbidden: Iterable[str]) -> str | None:
        """See Contestant."""
        needs, banned = _sums(pod_demand(pod)), set(forbidden)
        scores = {
            node: sum(100 * (self._most[name] - used[name] - needs[name]) // self._most[name] for name in _SCORED) // 2
            for node, used in self._used.items()
            if node not in banned and all(used[name] + needs[name] <= most for name, most in self._most.items())
        }
        best = max(scores.values(), default=0)
        return self._random.choice([node for node, score in scores.items() if score == best]) if scores else None

    def vm(self, record: Vmi) -> None:
        """See Contestant."""

    def vm_gone(self, record: Vmi) -> None:
        """See Contestant."""

    def bound(self, pod: Pod) -> None:
        """See Contestant."""
        self._add(pod, 1)

    def gone(self, pod: Pod, reason: str = "") -> None:
        """See Contestant."""
        if not reason:
            self._add(pod, -1)

    def _add(self, pod: Pod, sign: int) -> None:
        for name, amount in _sums(pod_demand(pod)).items():
            self._used[pod.spec.node_name][name] += sign * amount


_SCORED: Final = ("cpu", "memory")


def _sums(demand: PodDemand) -> dict[str, int]:
    """What kube-scheduler adds up for a pod; fractions of CPUs are left out."""
    cpus = sum(container.exclusive_cpus for container in demand.containers)
    return {"cpu": cpus, "memory": 0, "hugepages-1Gi": 0, **peak_need(demand, lambda part: part.memory)}


class _Ours:
    """Filter and score of fastfit over the cache that the API's objects fill."""

    def __init__(self, setting: Setting, policy: MigrationPolicy) -> None:
        self._cluster = Cluster()
        self._cluster.migration = policy
        self._decider = Decider(self._cluster)
        self._nodes = [f"node-{number:02}" for number in range(setting.nodes)]
        annotations = {
            "fastfit.dev/machine": json.dumps(machine(setting.zones)),
            "fastfit.dev/kubelet": json.dumps(kubelet(setting.policy, setting.zones)),
        }
        for name in self._nodes:
            self._cluster.put(Source.NODES, _node(name, annotations))
        self._cluster.make_rows()

    def choose(self, pod: Pod, forbidden: Iterable[str]) -> str | None:
        """See Contestant."""
        banned = set(forbidden)
        subject = subject_of(self._cluster, pod)
        self._decider.begin(subject.pod.metadata.uid, self._cluster.now)
        fit = fit_of(self._cluster, subject, orjson.dumps([node for node in self._nodes if node not in banned]))
        best = self._decider.assume_best(subject, fit)
        return best[0] if best is not None and verdict_of(best[1]) != "refused" else None

    def vm(self, record: Vmi) -> None:
        """See Contestant."""
        self._cluster.put(Source.VMIS, record)

    def vm_gone(self, record: Vmi) -> None:
        """See Contestant."""
        self._cluster.delete(Source.VMIS, record)

    def bound(self, pod: Pod) -> None:
        """See Contestant."""
        self._cluster.put(Source.PODS, pod)
        self._cluster.make_rows()

    def gone(self, pod: Pod, reason: str = "") -> None:
        """See Contestant."""
        if reason:
            early = msgspec.structs.replace(pod.status, start_time=None, phase="Pending")
            self._cluster.put(Source.PODS, msgspec.structs.replace(pod, status=early))
            failed = msgspec.structs.replace(pod.status, phase="Failed", reason=reason)
            self._cluster.put(Source.PODS, msgspec.structs.replace(pod, status=failed))
        self._cluster.delete(Source.PODS, pod)
        self._cluster.make_rows()


def _node(name: str, annotations: dict[str, str]) -> Node:
    labels = {"kubevirt.io/schedulable": "true", "kubevirt.io/cpumanager": "true"}
    raw: dict[str, Any] = {
        "metadata": {"name": name, "labels": labels, "annotations": annotations},
        "status": {"allocatable": {"hugepages-1Gi": "1Ti"}, "nodeInfo": {"kubeletVersion": "v1.36.3"}},
    }
    return msgspec.convert(raw, Node)
