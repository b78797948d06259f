"""The cluster that is put to faults, as API objects: two nodes with stated kubelets, one known by its report, six VMs."""

import json
from typing import Any

import msgspec

from tests.kit import objects as builders
from tests.kit.fakeapi import FakeApi
from tests.kit.objects import GI, KUBELET_A, machine

__all__ = ["Object", "body", "change_everything", "filled", "vm"]

Object = dict[str, Any]

#: A VM of 5 CPUs and 4 GiB in 1Gi pages: three of them fit a zone of 16 CPUs, two of which are reserved in zone 0.
CPUS, PAGES = 5, 4


def _object(record: msgspec.Struct) -> Object:
    obj: Object = json.loads(msgspec.json.encode(record))
    return obj


def node(name: str, policy: str = "single-numa-node") -> Object:
    """A node that states its kubelet and machine."""
    return _object(builders.node(name, {**KUBELET_A, "topologyManagerPolicy": policy}, machine()))


def bare_node(name: str) -> Object:
    """A node that states nothing."""
    return _object(builders.node(name))


def nrt(name: str, *, held: int = 0) -> Object:
    """What an exporter says of a node with `held` VMs of 5 CPUs in zone 0."""
    free = [
        {"cpu": 14 - CPUS * held, "memory": 32 * GI, "hugepages-1Gi": (32 - PAGES * held) * GI},
        {"cpu": 16, "memory": 32 * GI, "hugepages-1Gi": 32 * GI},
    ]
    return _object(builders.nrt(name, free))


def vm(name: str, second: int, on: str = "", *, started: bool = True, **status: Any) -> Object:
    """The pod of a VM, created in that second; `on`: bound there, and admitted by the kubelet if `started`."""
    moment = f"2026-01-01T00:{second // 60:02}:{second % 60:02}Z"
    if on:
        condition = {"type": "PodScheduled", "status": "True", "lastTransitionTime": moment}
        status = {"conditions": [condition], "phase": "Running" if started else "Pending", **status}
    record = builders.pod(name, CPUS, PAGES, node_name=on, start=moment if on and started else None, **status)
    obj = _object(record)
    obj["metadata"]["creationTimestamp"] = moment
    return obj


def vmi(name: str) -> Object:
    """The VirtualMachineInstance of a VM."""
    return _object(builders.vmi(name, CPUS - 1, PAGES))


def migration(name: str) -> Object:
    """A running migration of a VM."""
    return {"metadata": {"name": name, "namespace": "vms"}, "spec": {"vmiName": name}}


def kubevirt(name: str, *gates: str) -> Object:
    """An installation's own object, with feature gates."""
    developer = {"featureGates": list(gates)}
    return {
        "metadata": {"name": name, "namespace": "kubevirt"},
        "spec": {"configuration": {"developerConfiguration": developer}},
    }


def filled(api: FakeApi) -> FakeApi:
    """Two VMs on each of `n1` and `n2`, one on `r1`, one on a node that nobody has seen, two that wait; `n0` is idle."""
    for name in ("n1", "n2"):
        api.put("nodes", node(name))
    api.put("nodes", node("n0", "none"))
    api.put("noderesourcetopologies", nrt("n0"))
    api.put("nodes", bare_node("r1"))
    api.put("noderesourcetopologies", nrt("r1", held=1))
    homes = {"a1": "n1", "a2": "n1", "b1": "n2", "b2": "n2", "c1": "r1", "d1": "unseen", "w1": "", "w2": ""}
    for second, (name, home) in enumerate(homes.items()):
        api.put("virtualmachineinstances", vmi(name))
        api.put("pods", vm(name, second, home))
    api.put("virtualmachineinstancemigrations", migration("a1"))
    for name in ("kubevirt", "second"):  # so that a list of one object a page has a second page
        api.put("kubevirts", kubevirt(name))
    return api


def change_everything(api: FakeApi, placed: dict[str, str]) -> None:
    """One change of every sort: pods end in three ways, are bound, start, are new; nodes, reports, VMIs come and go.

    `placed` is where we put w1 and w2: w1 is bound there now, and another VM comes, straight to its node.
    """
    # Each with a last form that a disorderly server sends after the deletion.
    api.put("pods", vm("a2", 1, "n1"))
    api.delete("pods", "a2", "vms")
    api.put("pods", vm("y1", 7, "n1"))
    api.delete("pods", "y1", "vms")
    api.put("virtualmachineinstances", vmi("a2"))
    api.delete("virtualmachineinstances", "a2", "vms")
    api.put("pods", vm("b2", 3, "n2", phase="Succeeded"))
    api.put("pods", vm("d1", 5, "unseen", phase="Failed", reason="Evicted"))
    api.put("pods", vm("w1", 6, placed["w1"]))
    api.put("nodes", node("unseen", "restricted"))
    api.put("nodes", node("n3"))
    api.put("virtualmachineinstances", vmi("x1"))
    api.put("pods", vm("x1", 100, "n3"))
    api.put("pods", vm("x2", 101, "n3", started=False))
    api.put("nodes", node("n2", "restricted"))
    api.delete("nodes", "n0")
    api.delete("noderesourcetopologies", "n0")
    api.put("noderesourcetopologies", nrt("n1", held=0))
    api.delete("virtualmachineinstancemigrations", "a1", "vms")
    for name in ("b1", "c1"):
        api.put("virtualmachineinstancemigrations", migration(name))
    api.put("kubevirts", kubevirt("kubevirt", "CPUManager"))


def body(pod: Object, names: list[str]) -> bytes:
    """A call of kube-scheduler for the pod."""
    return json.dumps({"Pod": pod, "Nodes": None, "NodeNames": names}).encode()
