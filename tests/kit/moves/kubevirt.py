"""What KubeVirt's controllers write for a migration: the migration object, the target pod, the VMI before and after.

Sources: virt-controller/watch/migration/migration.go and virt-handler/migration-target.go.
"""

import copy
import json
from typing import Any, Final

import msgspec

from extender import names
from extender.api.objects import Pod
from extender.kubevirt.guest.host_topology import HostTopology
from extender.kubevirt.launcher_pod import Guest
from extender.kubevirt.migration.target_pod import Plugged, target_pod
from tests.kit.admission.judge import guest_for
from tests.kit.vms import NAMESPACE

__all__ = ["Move", "arrived", "more_sockets", "plug", "runs", "target"]

Json = dict[str, Any]

_GROUP: Final = "kubevirt.io/v1"


class Move:
    """One migration in progress: its object and its target pod, as the API server has them."""

    def __init__(self, number: int, vm: str) -> None:
        self.name = f"{vm}-move-{number:03}"
        self.vm = vm
        self.job: Json = {}
        self.target: Json = {}

    @property
    def uid(self) -> str:
        """The UID of the target pod."""
        return str(self.target["metadata"]["uid"])

    def object(self) -> Json:
        """The VirtualMachineInstanceMigration."""
        return {
            "apiVersion": _GROUP,
            "kind": "VirtualMachineInstanceMigration",
            "metadata": {"name": self.name, "namespace": NAMESPACE},
            "spec": {"vmiName": self.vm},
        }


def runs(node: str, pod: Json) -> Json:
    """The patch of a VMI whose first pod runs."""
    return {
        "metadata": {"labels": {names.NODE_NAME_LABEL: node}},
        "status": {"phase": "Running", "nodeName": node, "activePods": {pod["metadata"]["uid"]: node}},
    }


def more_sockets(guest: Guest) -> int:
    """The sockets and half as many more, where the VM may have them; else the sockets that it has."""
    wanted = guest.size.sockets * 3 // 2
    return wanted if wanted <= (guest.size.max_sockets or 0) else guest.size.sockets


def plug(sockets: int) -> Json:
    """The patch of a VMI that asks for more sockets: the spec has them, currentCPUTopology those that run."""
    return {
        "spec": {"domain": {"cpu": {"sockets": sockets}}},
        "status": {"conditions": [{"type": "HotVCPUChange", "status": "True"}]},
    }


def target(source: Json, instance: Json, sockets: int, node: str, job: Json) -> Json:
    """The manifest of the target pod of the VM that runs in `source` on `node`, with `sockets` of them running."""
    made = target_pod(msgspec.convert(source, Pod), guest_for(instance), Plugged(sockets))
    meta, labels = job["metadata"], made.metadata.labels or {}
    pod = copy.deepcopy(source)
    pod.pop("status", None)
    pod["metadata"] = {
        "name": f"virt-launcher-{meta['name']}",
        "namespace": source["metadata"]["namespace"],
        "labels": {**labels, names.MIGRATION_UID_LABEL: meta["uid"], names.NODE_NAME_LABEL: node},
        "annotations": {**(made.metadata.annotations or {}), names.MIGRATION_NAME_ANNOTATION: meta["name"]},
        "ownerReferences": source["metadata"]["ownerReferences"],
    }
    pod["spec"].pop("nodeName", None)
    same_vm = {"matchLabels": {names.CREATED_BY_LABEL: labels[names.CREATED_BY_LABEL]}}
    pod["spec"]["affinity"]["podAntiAffinity"] = {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {"labelSelector": same_vm, "topologyKey": "kubernetes.io/hostname"}
        ]
    }
    grown = {container.name: container.resources for container in made.spec.containers or ()}
    for container in pod["spec"]["containers"]:
        container["resources"] = msgspec.to_builtins(grown[container["name"]])
    return pod


def arrived(
    move: Move, source: str, node: str, cpus: list[int], topology: HostTopology, instance: Json, source_pod: Json
) -> Json:
    """The patch of the VMI after the migration: its node, the CPUs and the machine there, and all its sockets."""
    state = {
        "migrationUid": move.job["metadata"]["uid"],
        "sourceNode": source,
        "targetNode": node,
        "sourcePod": source_pod["metadata"]["name"],
        "targetPod": move.target["metadata"]["name"],
        "completed": True,
        "failed": False,
        "targetCPUSet": cpus,
        "targetNodeTopology": _topology(topology),
    }
    return {
        "metadata": {"labels": {names.NODE_NAME_LABEL: node}},
        "status": {
            "nodeName": node,
            "activePods": {source_pod["metadata"]["uid"]: None, move.uid: node},
            "migrationState": state,
            "currentCPUTopology": {"sockets": instance["spec"]["domain"]["cpu"]["sockets"]},
            "conditions": [],
        },
    }


def _topology(host: HostTopology) -> str:
    """virt-handler's topology as Go writes protobuf as JSON: what is 0 or empty is left out (cmd.pb.go)."""
    cells = [
        _full({"id": cell.id, "cpus": [_full({"id": cpu.id, "siblings": list(cpu.siblings)}) for cpu in cell.cpus]})
        for cell in host.cells
    ]
    return json.dumps({"numa_cells": cells}, separators=(",", ":"))


def _full(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if value}
