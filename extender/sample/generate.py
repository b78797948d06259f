"""Writes the bundled sample: `python -m extender.sample.generate`. Same input, same bytes.

The twin of each node's kubelet admits the running pods in order, so the NodeResourceTopology objects are those of an
exact exporter. A pod that its kubelet refuses is a mistake in this file and ends the run.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import orjson

from extender import __version__, names
from extender.api.objects import Pod
from extender.kubelet.admission import Kubelet
from extender.kubelet.facts_json import config_from_json, machine_from_json
from extender.kubelet.pod import pod_demand
from extender.kubelet.results import Refused
from extender.sample.hosts import HOSTS, Host, kubelet_object, node_object, nrt_object
from extender.sample.vms import TYPES, Vm, identity, launcher_pod, vmi
from extender.snapshot import write

__all__ = ["CLUSTER", "FILTER_BODY", "main"]

_HERE = Path(__file__).parent
CLUSTER = _HERE / "cluster.json"
#: A call of kube-scheduler to /filter, for trying the server by hand.
FILTER_BODY = _HERE / "filter.json"

_TAKEN_AT = "2026-09-02T10:00:00Z"

#: Running VMs by node, in the order of their admission: VM, instance type.
_RUNNING: Mapping[str, tuple[tuple[str, str], ...]] = {
    "xeon-1": (("orders-db-1", "cx1.4xlarge1gi"), ("orders-db-2", "cx1.4xlarge1gi"), ("mail-1", "u1.2xlarge")),
    "xeon-2": (("ledger-1", "cx1.4xlarge"), ("ledger-2", "cx1.2xlarge1gi"), ("ledger-3", "d1.4xlarge")),
    "xeon-3": (("build-1", "d1.4xlarge"), ("build-2", "d1.2xlarge"), ("build-3", "cx1.2xlarge1gi")),
    "xeon-4": (("search-1", "cx1.4xlarge1gi"), ("search-2", "cx1.4xlarge1gi"), ("wiki-1", "u1.large")),
    "epyc-1": tuple((f"shard-{n}", "cx1.4xlarge1gi" if n % 2 else "cx1.2xlarge1gi") for n in range(1, 7)),
    "epyc-2": tuple((f"cache-{n}", "cx1.2xlarge1gi") for n in range(1, 6)),
    "ripper-1": (("render-1", "cx1.xlarge1gi"), ("render-2", "cx1.xlarge1gi")),
    "sparse-1": (("model-1", "cx1.4xlarge1gi"), ("model-2", "d1.2xlarge")),
    "nro-1": (("legacy-1", "d1.4xlarge"), ("legacy-2", "d1.4xlarge")),
    "telco-1": (("upf-1", "rt1.2xlarge"),),
    "snc-1": (("edge-1", "cx1.2xlarge1gi"),),
    "plain-1": (("web-1", "u1.large"), ("web-2", "u1.2xlarge")),
}

#: VMs that ask for an even number of CPUs, as nodes with full-pcpus-only need it.
_EVEN = {names.EVEN_PARITY_ANNOTATION: ""}

#: Pending VMs, one of each kind.
_PENDING = (
    ("frontdesk", "cx1.2xlarge1gi"),
    ("warehouse", "cx1.8xlarge"),
    ("ci-runner", "d1.2xlarge"),
    ("intranet", "u1.large"),
    ("upf-2", "rt1.2xlarge"),
)

#: A pod that is no VM and has exclusive CPUs.
_DPDK = {"cpu": "6", "memory": "2Gi"}


def main() -> None:
    """Write both files and print what is in them."""
    objects = _objects()
    count = write(CLUSTER, objects, {"version": __version__, "takenAt": _TAKEN_AT})
    CLUSTER.chmod(0o644)
    pod = next(obj for obj in objects if obj["kind"] == "Pod" and not obj["spec"].get("nodeName"))
    body = {"Pod": pod, "Nodes": None, "NodeNames": [host.name for host in HOSTS]}
    FILTER_BODY.write_bytes(orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    sys.stdout.write(f"{CLUSTER}: {count} objects\n{FILTER_BODY}: pod {pod['metadata']['name']}\n")


def _objects() -> list[dict[str, Any]]:
    vms = [
        Vm(vm, TYPES[kind], node=host, created=f"2026-09-01T08:{minute:02}:00Z", annotations=_owner_annotations(vm))
        for host, running in _RUNNING.items()
        for minute, (vm, kind) in enumerate(running)
    ]
    vms += [
        Vm(vm, TYPES[kind], created=f"2026-09-02T09:{50 + minute}:00Z", annotations=_owner_annotations(vm))
        for minute, (vm, kind) in enumerate(_PENDING)
    ]
    pods = [launcher_pod(vm) for vm in vms] + [_dpdk_pod("telco-1"), _agent_pod("xeon-1")]
    nrts = [
        nrt_object(host, _held(host, [pod for pod in pods if pod["spec"].get("nodeName") == host.name]))
        for host in HOSTS
    ]
    unreported = {host.name for host in HOSTS if not host.reported}
    return [
        *(node_object(host) for host in HOSTS),
        *(nrt for nrt in nrts if nrt["metadata"]["name"] not in unreported),
        *(vmi(vm) for vm in vms),
        *pods,
    ]


def _owner_annotations(vm: str) -> Mapping[str, str]:
    return _EVEN if vm.startswith("upf-") else {}


def _held(host: Host, pods: list[dict[str, Any]]) -> dict[int, dict[str, int]]:
    """What the pods hold of each zone, after the node's kubelet has admitted them one after the other."""
    machine = machine_from_json(host.machine, host.name)
    kubelet = Kubelet(machine, config_from_json(kubelet_object(host), host.name))
    zone_of = {cpu: zone.id for zone in machine.zones for core in zone.cores for cpu in core.threads}
    for pod in sorted(pods, key=lambda pod: str(pod["status"]["startTime"])):
        answer = kubelet.admit(pod_demand(msgspec.convert(pod, Pod)))
        if isinstance(answer, Refused):
            raise SystemExit(f"{host.name} refuses {pod['metadata']['name']}: {answer.message} ({answer.rule})")
    held: dict[int, dict[str, int]] = {zone.id: {} for zone in machine.zones}
    for placement in (placement for containers in kubelet.placements().values() for placement in containers.values()):
        for cpu in placement.cpus:
            zone = held[zone_of[cpu]]
            zone["cpu"] = zone.get("cpu", 0) + 1
    for zone_counts in kubelet.counts().zones:
        for resource, amount in zone_counts.memory.items():
            held[zone_counts.id][resource] = amount.total - amount.free
    return held


def _dpdk_pod(node: str) -> dict[str, Any]:
    resources = {"requests": _DPDK, "limits": _DPDK}
    return _plain_pod("packet-broker", node, resources, "Guaranteed")


def _agent_pod(node: str) -> dict[str, Any]:
    return _plain_pod("node-agent", node, {"requests": {"cpu": "50m", "memory": "64Mi"}}, "Burstable")


def _plain_pod(name: str, node: str, resources: dict[str, Any], qos: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name}-0",
            "namespace": "network",
            "uid": identity("pod", "network", name),
            "creationTimestamp": "2026-08-20T12:00:00Z",
            "labels": {"app": name},
        },
        "spec": {
            "schedulerName": "default-scheduler",
            "nodeName": node,
            "containers": [{"name": "main", "image": name, "resources": resources}],
        },
        "status": {"phase": "Running", "qosClass": qos, "startTime": "2026-08-20T12:00:05Z"},
    }


if __name__ == "__main__":
    main()
