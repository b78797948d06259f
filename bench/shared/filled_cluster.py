"""A cluster of N equal nodes, half of them full, one realistic pod, and watch events."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from extender.api.objects import Node, Pod, Vmi
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.sample.vms import InstanceType, Vm, launcher_pod, vmi

__all__ = ["body", "events", "fill", "node_name"]

_GI = 2**30
_CORES = 32
_PAGES = 64
_TYPE = InstanceType("cx1.2xlarge1gi", 8, 16, "1Gi", passthrough=True, hotplug=False)
#: kube-scheduler sends a launcher pod of about this size.
_POD_BYTES = 16 * 1024
_UID = "00000000-0000-4000-8000-000000000000"


def node_name(number: int) -> str:
    """Twenty characters, as names of workers often are."""
    return f"worker-{number:08d}.ex.io"[:20]


def _machine(zones: int) -> dict[str, Any]:
    total = zones * _CORES
    return {
        "sockets": 2,
        "numa": [
            {
                "id": zone,
                "memoryBytes": 256 * _GI,
                "hugepages": {"1Gi": _PAGES},
                "distances": [
                    10 if zone == other else 12 if zone * 2 // zones == other * 2 // zones else 32
                    for other in range(zones)
                ],
                "cores": [
                    {"socket": zone * 2 // zones, "l3": None, "threads": [core, core + total]}
                    for core in range(zone * _CORES, (zone + 1) * _CORES)
                ],
            }
            for zone in range(zones)
        ],
    }


def _kubelet(number: int) -> dict[str, Any]:
    static = number % 2 == 1
    return {
        "topologyManagerPolicy": ("single-numa-node", "restricted", "best-effort", "none")[number % 4],
        "topologyManagerScope": "container",
        "cpuManagerPolicy": "static",
        "memoryManagerPolicy": "Static" if static else "None",
        "reservedMemory": [{"numaNode": 0, "limits": {"memory": "1Gi"}}] if static else [],
        "reservedSystemCPUs": "0",
    }


def _node(number: int, machine: str) -> Node:
    return msgspec.convert(
        {
            "metadata": {
                "name": node_name(number),
                "labels": {"kubevirt.io/schedulable": "true", "kubevirt.io/cpumanager": "true"},
                "annotations": {
                    "fastfit.dev/machine": machine,
                    "fastfit.dev/kubelet": json.dumps(_kubelet(number // 2)),
                },
            },
            "status": {"allocatable": {"hugepages-1Gi": "1Ti"}, "nodeInfo": {"kubeletVersion": "v1.36.3"}},
        },
        Node,
    )


def _filler(name: str, node: str, cpus: int) -> dict[str, Any]:
    amounts = {"cpu": str(cpus), "memory": "1Gi"}
    return {
        "metadata": {"name": name, "namespace": "vms", "uid": name, "labels": {"kubevirt.io": "virt-launcher"}},
        "spec": {
            "nodeName": node,
            "containers": [{"name": "compute", "resources": {"requests": amounts, "limits": amounts}}],
        },
        "status": {"phase": "Running", "qosClass": "Guaranteed", "startTime": "2026-01-01T00:00:00Z"},
    }


def fill(cluster: Cluster, nodes: int, zones: int) -> None:
    """Fill the cache with nodes of so many zones; every second one has no zone with room for the pod of `body`."""
    machine = json.dumps(_machine(zones))
    cluster.replace(Source.NODES, [_node(number, machine) for number in range(nodes)])
    cluster.make_rows()
    full = [
        msgspec.convert(_filler(f"filler-{number}-{zone}", node_name(number), 2 * _CORES - 2), Pod)
        for number in range(0, nodes, 2)
        for zone in range(zones)
    ]
    cluster.replace(Source.PODS, full)
    guest = vmi(Vm("bench", _TYPE, namespace="vms"))
    guest["metadata"]["uid"] = _UID
    cluster.put(Source.VMIS, msgspec.convert(guest, Vmi))
    cluster.make_rows()


def body(nodes: int, uid: str) -> bytes:
    """ExtenderArgs with all names and a pod of 16 KB."""
    pod = launcher_pod(Vm("bench", _TYPE, namespace="vms"))
    pod["metadata"]["uid"] = uid
    pod["metadata"]["ownerReferences"][0]["uid"] = _UID
    pod["metadata"]["annotations"]["padding"] = "x" * max(0, _POD_BYTES - len(json.dumps(pod)))
    return json.dumps(
        {"Pod": pod, "Nodes": None, "NodeNames": [node_name(number) for number in range(nodes)]},
        separators=(",", ":"),
    ).encode()


def events(nodes: int) -> Iterator[tuple[Source, bytes]]:
    """Watch events without end, as JSON: pods that are added, and NRTs that change."""
    number = 0
    while True:
        number += 1
        name = node_name(number * 7919 % nodes)
        if number % 2:
            yield Source.PODS, json.dumps(_filler(f"event-{number % 2000}", name, 2)).encode()
        else:
            zones = [
                {"name": f"node-{zone}", "type": "Node", "resources": [
                    {"name": "cpu", "capacity": "64", "allocatable": "63", "available": str(number % 60)}]}
                for zone in range(2)
            ]  # fmt: skip
            yield Source.NRTS, json.dumps({"metadata": {"name": name}, "zones": zones}).encode()
