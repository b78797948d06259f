"""Live migrations for tests: target pods, and VMIs whose status tells of a move that is over."""

import json
from typing import Any

import msgspec
from msgspec.structs import replace

from extender.api.objects import Pod, Vmi
from extender.kubelet.facts_json import machine_from_json
from extender.kubevirt.guest.host_topology import host_topology
from tests.kit.objects import pod, vmi

__all__ = ["moved", "running", "target"]


def running(name: str, node: str, cpus: int = 9, gib: int = 16, **more: Any) -> Pod:
    """The VM's first pod, admitted by its kubelet."""
    return pod(name, cpus, gib, node_name=node, phase="Running", start="2026-01-01T00:00:01Z", **more)


def target(name: str, cpus: int = 9, gib: int = 16, *, policy: str = "", source: str = "", **more: Any) -> Pod:
    """The pod of VM `name` that waits for a node to migrate to; its UID is `uid-<name>-2`."""
    record = pod(f"{name}-2", cpus, gib, vmi=f"vmi-{name}", **more)
    labels = {**(record.metadata.labels or {}), "kubevirt.io/migrationJobUID": "job-1"}
    if source:
        labels["kubevirt.io/nodeName"] = source
    annotations = {"fastfit.dev/migration": policy} if policy else None
    return replace(record, metadata=replace(record.metadata, labels=labels, annotations=annotations))


def moved(
    name: str, node: str, shape: dict[str, Any], cpus: list[int], *, sockets: int = 0, vcpus: int = 8, **state: Any
) -> Vmi:
    """The VMI after a migration to `node`, a machine of that shape; `state` overrides fields of the migration state."""
    topology = host_topology(machine_from_json(shape, "machine"))
    cells = [
        {
            **({"id": cell.id} if cell.id else {}),
            "cpus": [{**({"id": cpu.id} if cpu.id else {}), "siblings": list(cpu.siblings)} for cpu in cell.cpus],
        }
        for cell in topology.cells
    ]
    status: dict[str, Any] = {
        "nodeName": node,
        "migrationState": {
            "completed": True,
            "targetNode": node,
            "targetCPUSet": cpus,
            "targetNodeTopology": json.dumps({"numa_cells": cells}),
            **state,
        },
    }
    if sockets:
        status["currentCPUTopology"] = {"sockets": sockets, "cores": 1, "threads": 1}
    made = msgspec.to_builtins(vmi(name, vcpus))
    return msgspec.convert({**made, "status": status}, Vmi)
