"""Small API objects for tests: nodes, reports, launcher pods, VMIs."""

import json
from typing import Any

import msgspec

from extender.api.objects import Node, NodeResourceTopology, Pod, Vmi

GI = 2**30
MI = 2**20

#: Row 1's machine A of the kubelet decision table: 2 sockets x 1 zone x 8 cores x 2 threads, 32 x 1Gi pages per zone.
KUBELET_A: dict[str, Any] = {
    "topologyManagerPolicy": "single-numa-node",
    "topologyManagerScope": "container",
    "topologyManagerPolicyOptions": {},
    "cpuManagerPolicy": "static",
    "cpuManagerPolicyOptions": {},
    "memoryManagerPolicy": "Static",
    "reservedMemory": [{"numaNode": 0, "limits": {"memory": "1Gi"}}],
    "reservedSystemCPUs": "0,16",
    "reservedCPUCount": 0,
}


def machine(zones: int = 2, cores: int = 8, threads: int = 2, pages: int = 32, memory_gi: int = 64) -> dict[str, Any]:
    """A machine with split numbering, one socket per zone."""
    total = zones * cores
    return {
        "sockets": zones,
        "numa": [
            {
                "id": zone,
                "memoryBytes": memory_gi * GI,
                "hugepages": {"1Gi": pages},
                "distances": [10 if other == zone else 21 for other in range(zones)],
                "cores": [
                    {"socket": zone, "l3": None, "threads": [core + thread * total for thread in range(threads)]}
                    for core in range(zone * cores, (zone + 1) * cores)
                ],
            }
            for zone in range(zones)
        ],
    }


def node(name: str, kubelet: dict[str, Any] | None = None, shape: dict[str, Any] | None = None, **labels: str) -> Node:
    """A Node; with `kubelet` and `shape` it states them in its annotations."""
    annotations = {}
    if kubelet is not None:
        annotations["fastfit.dev/kubelet"] = json.dumps(kubelet)
    if shape is not None:
        annotations["fastfit.dev/machine"] = json.dumps(shape)
    return msgspec.convert(
        {
            "metadata": {
                "name": name,
                "labels": {"kubevirt.io/schedulable": "true", **labels},
                "annotations": annotations,
            },
            "status": {
                "allocatable": {"cpu": "30", "memory": "60Gi", "hugepages-1Gi": "64Gi"},
                "nodeInfo": {"kubeletVersion": "v1.36.3"},
            },
        },
        Node,
    )


def nrt(
    name: str,
    available: list[dict[str, int]],
    policy: str = "single-numa-node",
    scope: str = "container",
    capacity: int = 16,
    reserved: tuple[int, ...] = (2, 0),
) -> NodeResourceTopology:
    """A NodeResourceTopology as NFD writes it; `available` per zone, allocatable as machine A has it."""
    zones = []
    for position, amounts in enumerate(available):
        held_back = reserved[position] if position < len(reserved) else 0
        totals = {"cpu": capacity - held_back, "memory": 32 * GI, "hugepages-1Gi": 32 * GI}
        zones.append(
            {
                "name": f"node-{position}",
                "type": "Node",
                "costs": [
                    {"name": f"node-{other}", "value": 10 if other == position else 21}
                    for other in range(len(available))
                ],
                "resources": [
                    {
                        "name": resource,
                        "capacity": str(capacity if resource == "cpu" else totals.get(resource, amount)),
                        "allocatable": str(totals.get(resource, amount)),
                        "available": str(amount),
                    }
                    for resource, amount in amounts.items()
                ],
            }
        )
    return msgspec.convert(
        {
            "metadata": {"name": name},
            "attributes": [
                {"name": "topologyManagerPolicy", "value": policy},
                {"name": "topologyManagerScope", "value": scope},
            ],
            "zones": zones,
        },
        NodeResourceTopology,
    )


def pod(
    name: str,
    cpus: int = 9,
    pages_gi: int = 16,
    memory: str = "444Mi",
    node_name: str = "",
    phase: str = "Pending",
    start: str | None = None,
    vmi: str = "",
    sidecar: bool = True,
    **status: Any,
) -> Pod:
    """A virt-launcher pod; its UID is `uid-<name>`."""
    amounts = {"cpu": str(cpus), "memory": memory, "devices.kubevirt.io/kvm": "1"}
    if pages_gi:
        amounts["hugepages-1Gi"] = f"{pages_gi}Gi"
    console = {"cpu": "15m", "memory": "60M"}
    return msgspec.convert(
        {
            "metadata": {
                "name": name,
                "namespace": "vms",
                "uid": f"uid-{name}",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": {"kubevirt.io": "virt-launcher"},
                "ownerReferences": [
                    {"kind": "VirtualMachineInstance", "name": name, "uid": vmi or f"vmi-{name}", "controller": True}
                ],
            },
            "spec": {
                "nodeName": node_name,
                "nodeSelector": {"kubevirt.io/cpumanager": "true"},
                "initContainers": [
                    {
                        "name": "guest-console-log",
                        "restartPolicy": "Always",
                        "resources": {"requests": console, "limits": console},
                    }
                ]
                if sidecar
                else [],
                "containers": [{"name": "compute", "resources": {"requests": amounts, "limits": amounts}}],
            },
            "status": {"phase": phase, "qosClass": "Guaranteed", "startTime": start, **status},
        },
        Pod,
    )


def vmi(name: str, vcpus: int = 8, memory_gi: int = 16, threads: int = 1, *, isolate: bool = True) -> Vmi:
    """A VMI with passthrough and 1Gi pages; its UID is `vmi-<name>`."""
    return msgspec.convert(
        {
            "metadata": {"name": name, "namespace": "vms", "uid": f"vmi-{name}"},
            "spec": {
                "domain": {
                    "cpu": {
                        "sockets": vcpus // threads,
                        "cores": 1,
                        "threads": threads,
                        "dedicatedCpuPlacement": True,
                        "isolateEmulatorThread": isolate,
                        "numa": {"guestMappingPassthrough": {}},
                    },
                    "memory": {"guest": f"{memory_gi}Gi", "hugepages": {"pageSize": "1Gi"}},
                }
            },
        },
        Vmi,
    )
