"""The cluster of the throughput benchmark: N equal nodes in use, their NRTs, and VMs that wait for a scheduler.

No kubelets run: a pod that is bound stays bound, and the NRTs never change. Nodes are 2S servers
of two NUMA zones under the policy single-numa-node, the only one that the NodeResourceTopologyMatch plugin knows; each
runs one VM, in one zone or the other, which its NRT has counted.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from extender import names
from extender.sample.vms import TYPES, Vm
from tests.kit.cluster.control_plane import ControlPlane
from tests.kit.cluster.processes import wait_for
from tests.kit.vms import NAMESPACE, adopt, rendered, vms

__all__ = ["Vms", "clear", "populate"]

Json = dict[str, Any]

_RUNNING: Final = "running"
_SEED: Final = 1
_PARALLEL: Final = 12
_PODS: Final = f"/api/v1/namespaces/{NAMESPACE}/pods"

_GIB: Final = 1024**3
_ZONES: Final = 2
#: Of each zone: CPUs of 32 cores with two threads, one core of them reserved; GiB of memory, of which one is reserved;
#: pages of 1 GiB.
_CPUS, _RESERVED_CPUS, _MEMORY_GIB, _RESERVED_GIB, _PAGES = 64, 2, 256, 1, 64
#: A virt-launcher pod as kube-scheduler sends it to an extender is about this long.
_POD_BYTES: Final = 16 * 1024
#: The VM that every node runs already: 9 CPUs and 16 pages of one zone.
_GUEST: Final = TYPES["cx1.2xlarge1gi"]
#: Plain memory of its other container, guest-console-log.
_CONSOLE_BYTES: Final = 60_000_000


def populate(plane: ControlPlane, nodes: int, *, legacy: bool) -> None:
    """Create the nodes, their NRTs, and the VMs that run on them.

    `legacy` NRTs state the policy in the deprecated topologyPolicies as well, as NFD's do.
    """
    for namespace in (_RUNNING, NAMESPACE):
        plane.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    numbers = range(nodes)
    plane.api.create_all(map(_node, numbers), _PARALLEL)
    plane.api.create_all([_nrt(number, legacy=legacy) for number in numbers], _PARALLEL)
    guests = [
        rendered(Vm(f"guest-{k:05}", _GUEST, node=_name(k), namespace=_RUNNING), names.SCHEDULER_NAME) for k in numbers
    ]
    pods = plane.api.create_all(_with_instances(plane, guests), _PARALLEL)
    with ThreadPoolExecutor(_PARALLEL) as pool:
        list(pool.map(lambda pod: _run(plane, pod), pods))


class Vms:
    """The VMs to be scheduled: their VMIs are created once, their pods before every run."""

    def __init__(self, plane: ControlPlane, count: int) -> None:
        self._plane = plane
        self._pods = _with_instances(plane, vms(_SEED, count, names.SCHEDULER_NAME))

    def __len__(self) -> int:
        return len(self._pods)

    def pend(self) -> None:
        """Create all pods; nothing schedules them yet."""
        self._plane.api.create_all(self._pods, _PARALLEL)


def clear(plane: ControlPlane) -> None:
    """Take away the pods of a run and all events, and wait until they are gone."""
    for path in (_PODS, f"/api/v1/namespaces/{NAMESPACE}/events"):
        plane.api.delete(path, grace=0)
    wait_for(lambda: not plane.api.get(f"{_PODS}?limit=1")["items"], "the deletion of all pods", 300, pause=0.2)


def _with_instances(plane: ControlPlane, pairs: Sequence[tuple[Json, Json]]) -> list[Json]:
    """Create the VMIs of the pairs; returns the pods, which name them as their owners and are as long as real ones."""
    created = plane.api.create_all([instance for instance, _ in pairs], _PARALLEL)
    for (_, pod), instance in zip(pairs, created, strict=True):
        adopt(pod, instance["metadata"]["uid"])
        pod["metadata"]["annotations"]["padding"] = "x" * max(0, _POD_BYTES - len(json.dumps(pod)))
    return [pod for _, pod in pairs]


def _run(plane: ControlPlane, pod: Json) -> None:
    """Say of a pod that it runs, as its kubelet would."""
    started = pod["metadata"]["creationTimestamp"]
    ready = [{"type": kind, "status": "True", "lastTransitionTime": started} for kind in ("PodScheduled", "Ready")]
    status = {"phase": "Running", "startTime": started, "conditions": ready}
    plane.api.patch(f"{plane.api.path_of(pod)}/status", {"status": status})


def _name(number: int) -> str:
    return f"worker-{number:05}.dc1.example"


def _node(number: int) -> Json:
    devices = {f"{names.KUBEVIRT_DEVICE_PREFIX}{device}": "1000" for device in ("kvm", "tun", "vhost-net")}
    common = {"pods": "250", "ephemeral-storage": "500Gi", "hugepages-1Gi": f"{_ZONES * _PAGES}Gi", **devices}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": _name(number),
            "labels": {
                "kubernetes.io/hostname": _name(number),
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/os": "linux",
                "topology.kubernetes.io/zone": f"dc1-{number % 3}",
                "machine-type.node.kubevirt.io/q35": "true",
                "kubevirt.io/realtime": "true",
                names.SCHEDULABLE_LABEL: "true",
                names.CPU_MANAGER_LABEL: "true",
                names.MULTITHREADING_LABEL: "true",
            },
        },
        "status": {
            "capacity": {"cpu": str(_ZONES * _CPUS), "memory": f"{_ZONES * _MEMORY_GIB}Gi", **common},
            "allocatable": {
                "cpu": str(_ZONES * (_CPUS - _RESERVED_CPUS)),
                "memory": f"{_ZONES * (_MEMORY_GIB - _PAGES - _RESERVED_GIB)}Gi",
                **common,
            },
            "nodeInfo": {"architecture": "amd64", "operatingSystem": "linux", "kubeletVersion": "v1.36.3"}
            | dict.fromkeys(
                (
                    *("bootID", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion"),
                    *("machineID", "osImage", "systemUUID"),
                ),
                "",
            ),
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        },
    }


def _nrt(number: int, *, legacy: bool) -> Json:
    """The NodeResourceTopology as an exporter writes it: quantities are plain integers."""
    return {
        "apiVersion": "topology.node.k8s.io/v1alpha2",
        "kind": "NodeResourceTopology",
        "metadata": {"name": _name(number)},
        **({"topologyPolicies": ["SingleNUMANodeContainerLevel"]} if legacy else {}),
        "attributes": [
            {"name": "topologyManagerPolicy", "value": "single-numa-node"},
            {"name": "topologyManagerScope", "value": "container"},
        ],
        "zones": [_zone(zone, in_use=zone == number % _ZONES) for zone in range(_ZONES)],
    }


def _zone(zone: int, *, in_use: bool) -> Json:
    guest = Vm("", _GUEST)
    memory = guest.overhead_mib * 1024**2 + _CONSOLE_BYTES
    rows = (
        ("cpu", _CPUS, _CPUS - _RESERVED_CPUS, guest.cpus),
        ("hugepages-1Gi", _PAGES * _GIB, _PAGES * _GIB, _GUEST.memory_gib * _GIB),
        ("memory", _MEMORY_GIB * _GIB, (_MEMORY_GIB - _PAGES - _RESERVED_GIB) * _GIB, memory),
    )
    return {
        "name": f"node-{zone}",
        "type": "Node",
        "costs": [{"name": f"node-{other}", "value": 10 if other == zone else 21} for other in range(_ZONES)],
        "resources": [
            {
                "name": name,
                "capacity": str(capacity),
                "allocatable": str(allocatable),
                "available": str(allocatable - used * in_use),
            }
            for name, capacity, allocatable, used in rows
        ],
    }
