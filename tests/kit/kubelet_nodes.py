"""Small nodes and pods for tests of the kubelet twin: the machines of the decision table, and a short spelling.

A container is spelled `8c/2Gi/16hp/1dev`: CPUs, memory, 1Gi pages, devices; `m` in place of `c` means thousandths.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from extender.api.objects import Pod
from extender.kubelet.admission import Kubelet
from extender.kubelet.facts_json import config_from_json, machine_from_json
from extender.kubelet.model import KubeletConfig, Machine
from extender.kubelet.pod import PodDemand, pod_demand

__all__ = [
    "DEVICE",
    "GI",
    "A",
    "B",
    "C",
    "D",
    "E",
    "F",
    "config",
    "container",
    "kubelet",
    "machine",
    "pod",
    "pod_object",
]  # fmt: skip

GI = 1 << 30
DEVICE = "example.com/dev"
_PART = re.compile(r"(\d+)(c|m|Gi|hp|dev)")


def machine(
    sockets: int,
    zones_per_socket: int,
    cores_per_zone: int,
    threads: int = 2,
    *,
    memory_gi: int = 64,
    pages: int = 32,
    distances: Sequence[Sequence[int]] | None = None,
    cores_per_l3: int | None = None,
    ids: Sequence[int] | None = None,
    cpuless_gi: int = 0,
) -> dict[str, Any]:
    """A machine in the golden format: split numbering (siblings lie a whole thread generation apart)."""
    count = sockets * zones_per_socket
    total = count * cores_per_zone
    zones = []
    for zone in range(count):
        cores = []
        for core in range(zone * cores_per_zone, (zone + 1) * cores_per_zone):
            l3 = None if cores_per_l3 is None else core // cores_per_l3
            siblings = [core + thread * total for thread in range(threads)]
            cores.append({"socket": zone // zones_per_socket, "l3": l3, "threads": siblings})
        zones.append({"id": (ids or range(count))[zone], "memoryBytes": memory_gi * GI, "hugepages": {"1Gi": pages}})
        zones[-1] |= {"cores": cores, "distances": _row(zone, count, zones_per_socket, cpuless_gi)}
        if distances is not None:
            zones[-1]["distances"] = list(distances[zone])
    if cpuless_gi:
        row = [*[28] * count, 10]
        zones.append({"id": count, "memoryBytes": cpuless_gi * GI, "hugepages": {}, "cores": [], "distances": row})
    return {"sockets": sockets, "numa": zones}


def _row(zone: int, count: int, per_socket: int, cpuless: int) -> list[int]:
    row = [10 if zone == other else 12 if zone // per_socket == other // per_socket else 21 for other in range(count)]
    return [*row, 28] if cpuless else row


A = machine(2, 1, 8)
B = machine(2, 2, 4, memory_gi=32, pages=16)
C = machine(1, 2, 4)
D = machine(1, 1, 16, cores_per_l3=4)
E = machine(2, 1, 8, cpuless_gi=256)
F = machine(1, 1, 4)

_POLICIES = {"SN": "single-numa-node", "R": "restricted", "BE": "best-effort", "NO": "none"}


def config(
    policy: str,
    reserved: str,
    *,
    scope: str = "container",
    cpu_options: Sequence[str] = (),
    options: Mapping[str, str] | None = None,
    memory: bool = True,
) -> dict[str, Any]:
    """A configuration in the golden format; `policy` is SN, R, BE or NO, `memory` the Memory Manager."""
    return {
        "topologyManagerPolicy": _POLICIES[policy],
        "topologyManagerScope": scope,
        "topologyManagerPolicyOptions": dict(options or {}),
        "cpuManagerPolicy": "static",
        "cpuManagerPolicyOptions": dict.fromkeys(cpu_options, "true"),
        "memoryManagerPolicy": "Static" if memory else "None",
        "reservedMemory": [{"numaNode": 0, "limits": {"memory": "1Gi"}}] if memory else [],
        "reservedSystemCPUs": reserved,
        "reservedCPUCount": 0,
    }


def kubelet(
    node: Mapping[str, Any],
    settings: Mapping[str, Any],
    version: str = "1.36",
    devices: Mapping[str, Mapping[int, int]] | None = None,
) -> Kubelet:
    """The twin of a node in the golden format."""
    return Kubelet(parse_machine(node), parse_config(settings), version, devices)


def parse_machine(node: Mapping[str, Any]) -> Machine:
    """The machine of a node in the golden format."""
    return machine_from_json(node, "machine")


def parse_config(settings: Mapping[str, Any]) -> KubeletConfig:
    """The configuration of a node in the golden format."""
    return config_from_json(settings, "kubelet")


def container(name: str, spelled: str, *, sidecar: bool = False, burstable: bool = False) -> dict[str, Any]:
    """A container of the API from its short spelling."""
    amounts = {unit: int(number) for number, unit in _PART.findall(spelled)}
    resources = {"cpu": f"{amounts['m']}m" if "m" in amounts else str(amounts.get("c", 0))}
    resources["memory"] = f"{amounts.get('Gi', 1)}Gi"
    if "hp" in amounts:
        resources["hugepages-1Gi"] = f"{amounts['hp']}Gi"
    if "dev" in amounts:
        resources[DEVICE] = str(amounts["dev"])
    limits = resources | {"memory": "999Gi"} if burstable else resources
    result: dict[str, Any] = {"name": name, "resources": {"requests": resources, "limits": limits}}
    return result | {"restartPolicy": "Always"} if sidecar else result


def pod_object(uid: str, spec: Mapping[str, Any], status: Mapping[str, Any] | None = None) -> Pod:
    """A pod of the API."""
    return msgspec.convert({"metadata": {"uid": uid}, "spec": spec, "status": status or {}}, Pod)


def pod(uid: str, *apps: str, init: Sequence[str] = (), burstable: bool = False, pod_level: str = "") -> PodDemand:
    """The demand of a pod: app containers c0.., init containers i0..; a leading + makes an init container a sidecar."""
    spec: dict[str, Any] = {
        "initContainers": [
            container(f"i{n}", text.removeprefix("+"), sidecar=text.startswith("+")) for n, text in enumerate(init)
        ],
        "containers": [container(f"c{n}", text, burstable=burstable) for n, text in enumerate(apps)],
    }
    if pod_level:
        spec["resources"] = container("", pod_level)["resources"]
    return pod_demand(pod_object(uid, spec))
