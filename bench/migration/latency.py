"""Decision latency of a migration target against that of a first boot, on one cluster, in turn.

5,000 nodes of two zones, each with four running VMs that booted there. One decision is the CPU
time of this thread in filter and prioritize; bodies have all names and a pod of 16 KB, prioritize is asked about what
filter left. `known`: equal pods were asked about before, as most are; `new`: a pod of a size that nobody asked about, so
every node is judged.
"""

import json
import statistics
import time
from typing import Any, Final

import msgspec

from bench.shared.filled_cluster import body, fill, node_name
from bench.shared.report import Row, progress, spread
from extender.api.objects import Pod, Vmi
from extender.cache.events import Source
from extender.config import Settings
from extender.placement.evacuable import Evacuability
from extender.runtime.service import Service
from extender.sample.vms import InstanceType, Vm, launcher_pod, vmi

__all__ = ["GOAL", "latency_rows"]

#: A migration target may cost so many times a first boot.
GOAL: Final = 1.5
_TYPE: Final = InstanceType("cx1.2xlarge1gi", 8, 16, "1Gi", passthrough=True, hotplug=False)
_PER_NODE: Final = 4
_WARM_UP: Final = 5


def latency_rows(nodes: int, rounds: int) -> list[Row]:
    """Milliseconds of both, with the ratio, and the longest step of counting evacuable targets."""
    service = Service(Settings())
    progress(f"latency: a cluster of {nodes:,} nodes and {nodes * _PER_NODE:,} VMs")
    fill(service.cluster, nodes, 2)
    service.cluster.replace(Source.PODS, [])
    for number in range(nodes * _PER_NODE):
        vm = _vm(nodes, number)
        service.cluster.put(Source.VMIS, msgspec.convert(vmi(vm), Vmi))
        service.cluster.put(Source.PODS, msgspec.convert(launcher_pod(vm), Pod))
    service.make_rows_now()
    rows: list[Row] = []
    for name in ("known", "new"):
        times: dict[str, list[float]] = {"boot": [], "target": []}
        for number in range(rounds + _WARM_UP):
            for kind, taken in times.items():
                taken.append(_decision(service, _body(nodes, kind, number, new=name == "new")))
        boots, targets = times["boot"][_WARM_UP:], times["target"][_WARM_UP:]
        boot, target = statistics.median(boots), statistics.median(targets)
        rows.append(Row(f"latency/{nodes}/{name}/boot", boot * 1000, "ms", "", 1.0, spread(boots)))
        rows.append(Row(f"latency/{nodes}/{name}/target", target * 1000, "ms", "boot", target / boot, spread(targets)))
    steps = _steps(service)
    rows.append(Row(f"evacuable/{nodes}/round", sum(steps) * 1000, "ms", "", 1.0, 0.0))
    rows.append(Row(f"evacuable/{nodes}/step", statistics.median(steps) * 1000, "ms", "", 1.0, spread(steps)))
    rows.append(Row(f"evacuable/{nodes}/longest", max(steps) * 1000, "ms", "", 1.0, 0.0))
    return rows


def _vm(nodes: int, number: int) -> Vm:
    return Vm(f"vm-{number}", _TYPE, node=node_name(number % nodes))


def _body(nodes: int, kind: str, number: int, *, new: bool) -> bytes:
    """A call about a pod that nobody asked about before; for a target, of a VM that runs."""
    call: dict[str, Any] = json.loads(body(nodes, f"aaaaaaaa-0000-4000-8000-{number:012d}"))
    pod = call["Pod"]
    if kind == "target":
        runs = launcher_pod(_vm(nodes, number))
        pod["metadata"]["ownerReferences"] = runs["metadata"]["ownerReferences"]
        pod["metadata"]["labels"] |= {"kubevirt.io/migrationJobUID": "job", "kubevirt.io/nodeName": node_name(number)}
        pod["metadata"]["uid"] = f"bbbbbbbb-0000-4000-8000-{number:012d}"
    if new:
        resources = pod["spec"]["containers"][0]["resources"]
        for amounts in (resources["requests"], resources["limits"]):
            amounts["memory"] = f"{500 + number}Mi"
    return json.dumps(call, separators=(",", ":")).encode()


def _decision(service: Service, payload: bytes) -> float:
    """Seconds of filter with all nodes and of prioritize with those that it left; the assumed pod is forgotten."""
    began = time.thread_time()
    first = service.verbs.filter(service.verbs.read(payload), 0.0)
    taken = time.thread_time() - began
    left = first.body[first.body.index(b"[") : first.body.index(b"]") + 1]
    survivors = payload[: payload.rindex(b"[")] + left + b"}"
    began = time.thread_time()
    second = service.verbs.prioritize(service.verbs.read(survivors), 0.0)
    taken += time.thread_time() - began
    if not (first.status == second.status == 200 and first.outcome == second.outcome == "ok"):
        raise RuntimeError(f"a call was not answered: {first.outcome}, {second.outcome}")
    for uid in list(service.cluster.assumed):
        service.cluster.forget(uid)
    service.cluster.make_rows()
    return taken


def _steps(service: Service) -> list[float]:
    """Seconds of this thread for each step of a round over all VMs."""
    taken: list[float] = []
    steps = Evacuability(service.cluster).round()
    while True:
        began = time.thread_time()
        over = next(steps, taken) is taken
        taken.append(time.thread_time() - began)
        if over:
            return taken
