"""The sample's nodes: machine, kubelet configuration, and the API objects that show them.

`node_object` is the Node with its facts in the two annotations. `nrt_object` is the NodeResourceTopology as an
exporter publishes it: CPUs only if the CPU Manager is static, memory and huge pages only if the Memory Manager is
Static, since the kubelet's podresources API reports none of them otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from extender import names
from extender.sample.machines import (
    GIB,
    Machine,
    epyc_7742_nps4,
    epyc_rome_nps4_smt,
    lab_worker,
    nro_worker,
    power9,
    telco_18c,
    threadripper_2990wx,
    xeon_6230,
    xeon_8480_snc4,
)
from extender.sample.vms import identity

__all__ = ["HOSTS", "Held", "Host", "kubelet_object", "node_object", "nrt_object"]

_KUBELET_VERSION = "v1.36.3"
#: Devices of KubeVirt that every node offers (virt-handler --max-devices).
_MAX_DEVICES = "1000"
_RESERVED_GIB = 1
_PAGE_BYTES = {"2Mi": 2 * 1024**2, "1Gi": GIB}

#: What pods hold of one zone: CPUs under "cpu", bytes under "memory" and "hugepages-*".
Held = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Host:
    """One node. `facts`: it has the annotations. `reported`: an exporter runs. `devices`: zone -> resource ->
    number.
    """

    name: str
    machine: Machine
    policy: str
    scope: str = "container"
    cpu_static: bool = True
    memory_static: bool = False
    cpu_options: Mapping[str, str] = field(default_factory=dict)
    topology_options: Mapping[str, str] = field(default_factory=dict)
    facts: bool = True
    reported: bool = True
    #: CPUs to reserve; None: the first core of every zone that has cores
    reserved: str | None = None
    devices: Mapping[int, Mapping[str, int]] = field(default_factory=dict)

    def cpus(self, zone: int) -> list[int]:
        """Logical CPUs of a zone, ascending."""
        cores = next(z["cores"] for z in self.machine["numa"] if z["id"] == zone)
        return sorted(cpu for core in cores for cpu in core["threads"])

    def reserved_cpus(self) -> frozenset[int]:
        """CPUs that are reserved."""
        if self.reserved is not None:
            return frozenset(int(cpu) for cpu in self.reserved.split(",") if cpu)
        return frozenset(cpu for z in self.machine["numa"] if z["cores"] for cpu in z["cores"][0]["threads"])


def _hosts() -> tuple[Host, ...]:
    both = {"1Gi": 96, "2Mi": 49152}
    smt = {"full-pcpus-only": "true"}
    closest = {"prefer-closest-numa-nodes": "true"}
    return (
        Host("xeon-1", xeon_6230(both), "restricted", memory_static=True),
        Host("xeon-2", xeon_6230(both), "single-numa-node", "pod"),
        Host("xeon-3", xeon_6230({"1Gi": 128, "2Mi": 40960}), "none"),
        Host("xeon-4", xeon_6230(both), "best-effort", "pod", memory_static=True, facts=False),
        Host("epyc-1", epyc_rome_nps4_smt({"1Gi": 32, "2Mi": 20480}, 128), "restricted", topology_options=closest),
        Host("epyc-2", epyc_7742_nps4({"1Gi": 24, "2Mi": 12288}, 64), "best-effort", memory_static=True),
        Host("ripper-1", threadripper_2990wx({"1Gi": 24, "2Mi": 8192}), "best-effort"),
        Host("sparse-1", power9({"1Gi": 32, "2Mi": 32768}, gpu_zones=False), "restricted", memory_static=True),
        Host("nro-1", nro_worker(), "restricted", memory_static=True, reserved="0,40"),
        Host(
            "telco-1",
            telco_18c({"1Gi": 64}),
            "single-numa-node",
            cpu_options=smt,
            devices={1: {"openshift.io/mlx_vf": 8}},
        ),
        Host("snc-1", xeon_8480_snc4({"1Gi": 28}), "single-numa-node", facts=False, reported=False),
        Host("plain-1", lab_worker(), "none", cpu_static=False),
    )


#: The nodes. sparse-1 has the zones of a POWER9 (0 and 8) on an amd64 node, so that VMs may run there.
HOSTS = _hosts()


def kubelet_object(host: Host) -> dict[str, Any]:
    """The `kubelet` object of the golden format. CPU-less zones reserve nothing."""
    reserved = [
        {"numaNode": zone["id"], "limits": {"memory": f"{_RESERVED_GIB}Gi"}}
        for zone in host.machine["numa"]
        if zone["memoryBytes"] and zone["cores"]
    ]
    return {
        "topologyManagerPolicy": host.policy,
        "topologyManagerScope": host.scope,
        "topologyManagerPolicyOptions": dict(host.topology_options),
        "cpuManagerPolicy": "static" if host.cpu_static else "none",
        "cpuManagerPolicyOptions": dict(host.cpu_options),
        "memoryManagerPolicy": "Static" if host.memory_static else "None",
        "reservedMemory": reserved if host.memory_static else [],
        "reservedSystemCPUs": ",".join(map(str, sorted(host.reserved_cpus()))),
        "reservedCPUCount": 0,
    }


def _allocatable(host: Host, zone: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """(capacity, allocatable) of a zone by resource."""
    cpus = host.cpus(zone["id"])
    result = {"cpu": (len(cpus), len(set(cpus) - host.reserved_cpus()))} if cpus else {}
    pages = {f"hugepages-{size}": count * _PAGE_BYTES[size] for size, count in zone["hugepages"].items()}
    if zone["memoryBytes"]:
        reserved = _RESERVED_GIB * GIB if zone["cores"] else 0
        result["memory"] = (zone["memoryBytes"], zone["memoryBytes"] - reserved - sum(pages.values()))
    result |= {name: (size, size) for name, size in pages.items()}
    return result


def node_object(host: Host) -> dict[str, Any]:
    """The Node as the API server serves it."""
    totals: dict[str, tuple[int, int]] = {}
    for zone in host.machine["numa"]:
        for name, (capacity, allocatable) in _allocatable(host, zone).items():
            before = totals.get(name, (0, 0))
            totals[name] = (before[0] + capacity, before[1] + allocatable)
    others = {f"{names.KUBEVIRT_DEVICE_PREFIX}{device}": _MAX_DEVICES for device in ("kvm", "tun", "vhost-net")}
    others["pods"] = "250"
    for per_zone in host.devices.values():
        others |= {name: str(count) for name, count in per_zone.items()}
    smt = any(len(core["threads"]) > 1 for zone in host.machine["numa"] for core in zone["cores"])
    annotations = {}
    if host.facts:
        annotations = {
            names.KUBELET_ANNOTATION: orjson.dumps(kubelet_object(host)).decode(),
            names.MACHINE_ANNOTATION: orjson.dumps(host.machine).decode(),
        }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": host.name,
            "uid": identity("node", host.name),
            "creationTimestamp": "2026-08-01T06:00:00Z",
            "labels": {
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": host.name,
                "kubernetes.io/os": "linux",
                "node-role.kubernetes.io/worker": "",
                names.SCHEDULABLE_LABEL: "true",
                names.CPU_MANAGER_LABEL: "true" if host.cpu_static else "false",
                "machine-type.node.kubevirt.io/q35": "true",
                names.MULTITHREADING_LABEL: "true" if smt else "false",
                **({"kubevirt.io/realtime": "true"} if host.cpu_static else {}),
            },
            "annotations": annotations,
        },
        "spec": {},
        "status": {
            "capacity": {name: _quantity(name, value[0]) for name, value in totals.items()} | others,
            "allocatable": {name: _quantity(name, value[1]) for name, value in totals.items()} | others,
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
            "nodeInfo": {"kubeletVersion": _KUBELET_VERSION, "bootID": identity("boot", host.name)},
        },
    }


def nrt_object(host: Host, held: Mapping[int, Held]) -> dict[str, Any]:
    """The NodeResourceTopology; `held` says what pods hold of each zone."""
    zone_ids = [zone["id"] for zone in host.machine["numa"]]
    zones = []
    for zone in host.machine["numa"]:
        zone_id = zone["id"]
        taken = held.get(zone_id, {})
        shown = {
            name: amounts
            for name, amounts in _allocatable(host, zone).items()
            if (host.cpu_static if name == "cpu" else host.memory_static)
        } | {name: (count, count) for name, count in host.devices.get(zone_id, {}).items()}
        zones.append(
            {
                "name": f"node-{zone_id}",
                "type": "Node",
                "costs": [
                    {"name": f"node-{other}", "value": cost}
                    for other, cost in zip(zone_ids, zone["distances"], strict=True)
                ],
                "resources": [
                    {
                        "name": name,
                        "capacity": str(capacity),
                        "allocatable": str(allocatable),
                        "available": str(allocatable - taken.get(name, 0)),
                    }
                    for name, (capacity, allocatable) in sorted(shown.items())
                ],
            }
        )
    return {
        "apiVersion": "topology.node.k8s.io/v1alpha2",
        "kind": "NodeResourceTopology",
        "metadata": {
            "name": host.name,
            "uid": identity("report", host.name),
            "creationTimestamp": "2026-08-01T06:05:00Z",
        },
        "attributes": [
            {"name": "topologyManagerPolicy", "value": host.policy},
            {"name": "topologyManagerScope", "value": host.scope},
        ],
        "zones": zones,
    }


def _quantity(name: str, amount: int) -> str:
    return str(amount) if name == "cpu" else f"{amount // 1024}Ki"
