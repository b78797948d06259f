"""The rows of migration_rows.py as a whole cluster: nodes, pods and VMI as API objects, and what `explain` says of the target."""

from typing import Any

import msgspec

from extender.api.objects import Vmi
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.placement.answers import NodeAnswer, PodAnswer
from extender.placement.outcomes import Outcome
from tests.kit import migration_rows as rows
from tests.kit.migration_rows import Host, Row, Vm
from tests.kit.migrations import running, target
from tests.kit.objects import node, vmi
from tests.kit.verbs import explained

__all__ = ["BY_ID", "FAILURES", "WORDS", "asked", "at", "cluster_of_row", "put_host", "record_of"]

#: What migration_rows calls the outcomes, in the words of `explain`.
WORDS = {
    rows.Outcome.SYMMETRIC: Outcome.SYMMETRIC,
    rows.Outcome.OTHER_SPLIT: Outcome.OTHER_SPLIT,
    rows.Outcome.FEWER_CELLS: Outcome.FEWER_CELLS,
    rows.Outcome.MORE_CELLS: Outcome.MORE_CELLS,
    rows.Outcome.PAGES_SHORT: Outcome.PAGES_SHORT,
    rows.Outcome.LAUNCHER_FAILS: Outcome.NO_FIT,
    rows.Outcome.KUBELET_REFUSES: Outcome.KUBELET_REFUSES,
}
FAILURES = {Outcome.MORE_CELLS, Outcome.PAGES_SHORT, Outcome.NO_FIT, Outcome.KUBELET_REFUSES}
BY_ID = {row.id: row for row in rows.ALL}


def record_of(vm: Vm) -> Vmi:
    """The VMI of a row's VM."""
    made: dict[str, Any] = msgspec.to_builtins(vmi("vm", vm.vcpus, vm.gib, vm.threads))
    made["spec"]["domain"]["cpu"]["isolateEmulatorThread"] = vm.isolate
    return msgspec.convert({**made, "status": {"nodeName": "source"}}, Vmi)


def put_host(cluster: Cluster, name: str, host: Host, **labels: str) -> None:
    """The node, with the pods that are there."""
    cluster.put(Source.NODES, node(name, host.config, host.machine, **labels))
    for number, cpus in enumerate(host.busy):
        cluster.put(Source.PODS, running(f"{name}-{number}", name, cpus, 0, sidecar=False))


def cluster_of_row(row: Row, **targets: Host) -> Cluster:
    """The VM runs on its source; `targets` are the other nodes, the row's own by default."""
    cluster = Cluster()
    put_host(cluster, "source", row.source)
    cluster.put(Source.VMIS, record_of(row.vm))
    cluster.put(
        Source.PODS,
        running("vm", "source", row.vm.vcpus + row.vm.isolate, row.vm.gib, sidecar=row.vm.sidecar),
    )
    for name, host in (targets or {"target": row.target}).items():
        put_host(cluster, name, host)
    cluster.make_rows()
    return cluster


def asked(cluster: Cluster, vm: Vm, **more: str) -> PodAnswer:
    """What is said of the VM's target."""
    return explained(cluster, target("vm", vm.vcpus + vm.isolate, vm.gib, sidecar=vm.sidecar, **more))


def at(answer: PodAnswer, name: str = "target") -> NodeAnswer:
    """One node of an answer."""
    return next(found for found in answer.nodes if found.node == name)
