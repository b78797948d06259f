"""Starts VMs and migrates them on a test cluster as KubeVirt's controllers do, and records the actual outcomes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.kit.admission.judge import Judged, guest_for, verdicts
from tests.kit.cluster.control_plane import ControlPlane, Scheduler
from tests.kit.cluster.hollow_kubelets import HollowKubelets
from tests.kit.cluster.processes import wait_for
from tests.kit.moves.kubevirt import Move, arrived, plug, runs, target
from tests.kit.moves.site import Predictions
from tests.kit.moves.world import CERTAIN_FAILURES, Vm, World, cpus_of
from tests.kit.vms import NAMESPACE, adopt

__all__ = ["Drive", "Moved"]

Json = dict[str, Any]

_PATIENCE_S: Final = 120.0
_PODS: Final = f"/api/v1/namespaces/{NAMESPACE}/pods"
_VMIS: Final = f"/apis/kubevirt.io/v1/namespaces/{NAMESPACE}/virtualmachineinstances"
_JOBS: Final = f"/apis/kubevirt.io/v1/namespaces/{NAMESPACE}/virtualmachineinstancemigrations"


@dataclass(frozen=True, slots=True)
class Moved:
    """One migration. `outcome` and `node` are empty where no node was chosen."""

    vm: str
    vcpus: int
    passthrough: bool
    #: the migration gave it more vCPUs
    grows: bool
    source: str
    node: str = ""
    #: one of placement.outcomes.Outcome, computed from the CPUs that the kubelet gave; vCPUs by zone
    outcome: str = ""
    layout: str = ""
    text: str = ""
    #: what the extender had predicted for that node; empty: nothing, or it takes no part
    predicted: str = ""
    predicted_layout: str = ""
    predicted_text: str = ""
    #: of a target that waited: kube-scheduler's message, and the nodes where the VM would have arrived, with our code
    message: str = ""
    in_vain: tuple[str, ...] = ()

    @property
    def certain_failure(self) -> bool:
        """Whether the target is bound and admitted, but the migration fails."""
        return self.outcome in CERTAIN_FAILURES

    @property
    def foreseen(self) -> bool:
        """Whether outcome, zones and vCPUs of each zone are as predicted."""
        return (self.predicted, self.predicted_layout) == (self.outcome, self.layout)


class Drive:
    """The VMs of one cluster. Every verdict of a kubelet is passed to the world, in order."""

    def __init__(
        self, plane: ControlPlane, fleet: Sequence[Json], kubelets: HollowKubelets, predictions: Predictions | None
    ) -> None:
        self._api, self._kubelets, self._predictions = plane.api, kubelets, predictions
        self._api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        self.world = World(fleet, {node["metadata"]["name"]: node for node in self._api.items("/api/v1/nodes")})
        self.moved: list[Moved] = []
        self._judged: set[str] = set()
        self._number = 0

    # --- VMs -------------------------------------------------------------------------------------------------

    def start(self, node: str, pod: Json, instance: Json) -> Vm:
        """Start a VM: create its VMI, create its pod bound to the node, then set the VMI's status to running."""
        name = instance["metadata"]["name"]
        created = self._api.create(instance)
        adopt(pod, created["metadata"]["uid"])
        made, verdict = self._bound(pod, node)
        self.world.start(name, made, created, verdict)
        self._api.patch(f"{_VMIS}/{name}", runs(node, made))
        return self.world.vms[name]

    def stop(self, name: str) -> None:
        """Stop the VM for good."""
        gone = self.world.stop(name)
        self._api.delete(f"{_PODS}/{gone.pod['metadata']['name']}")
        self._api.delete(f"{_VMIS}/{name}")
        self._kubelets.wait_released(gone.uid)

    def put(self, node: str, pod: Json) -> None:
        """Start a pod that is no VM; its only container is named as a VM's is."""
        made, verdict = self._bound(pod, node)
        self.world.meet(made, verdict)

    def grow(self, vm: Vm, sockets: int) -> None:
        """Ask for more sockets of the VM; its next migration brings them."""
        vm.instance = self._api.patch(f"{_VMIS}/{vm.name}", plug(sockets))
        vm.guest = guest_for(vm.instance)

    def end(self, name: str, node: str) -> None:
        """Delete a pod, and wait until its kubelet has released its resources."""
        path = f"{_PODS}/{name}"
        uid = self._api.get(path)["metadata"]["uid"]
        self._api.delete(path)
        wait_for(lambda: not self._api.exists(path), f"the end of {name}")
        self._kubelets.wait_released(uid)
        self.world.leave(node, uid)

    def _bound(self, pod: Json, node: str) -> tuple[Json, Judged]:
        pod["spec"]["nodeName"] = node
        made = self._api.create(pod)
        self._kubelets.verdict(made["metadata"]["uid"])
        (verdict,) = self._new_verdicts()
        return made, verdict

    def _new_verdicts(self) -> list[Judged]:
        """Verdicts since the last time, in the order in which they were given."""
        new = [one for one in verdicts(self._kubelets.state()) if one.uid not in self._judged]
        self._judged.update(one.uid for one in new)
        return sorted(new, key=lambda one: one.order)

    # --- migrations ------------------------------------------------------------------------------------------

    def begin(self, vms: Sequence[Vm]) -> list[Move]:
        """Migrate these VMs at once: their migration objects, then their target pods."""
        moves = [self._job(vm) for vm in vms]
        made = self._api.create_all([move.target for move in moves], parallel=len(moves))
        for move, pod in zip(moves, made, strict=True):
            move.target = pod
        return moves

    def _job(self, vm: Vm) -> Move:
        self._number += 1
        move = Move(self._number, vm.name)
        move.job = self._api.create(move.object())
        state = {"phase": "Pending", "migrationState": {"sourcePod": vm.pod["metadata"]["name"]}}
        self._api.patch(f"{_JOBS}/{move.name}/status", {"status": state})
        move.target = target(vm.pod, vm.instance, vm.sockets, vm.node, move.job)
        return move

    def wait_for_verdicts(
        self, waiting: list[Move], patience: float, scheduler: Scheduler
    ) -> list[tuple[Move, Judged]]:
        """Wait until each target has its kubelet's verdict, or has waited for `patience` seconds without any change.

        A target with a verdict is removed from `waiting`.
        """
        found: list[tuple[Move, Judged]] = []
        changed = time.monotonic()

        def all_judged() -> bool:
            nonlocal changed
            scheduler.process.check()
            for verdict in self._new_verdicts():
                move = next(move for move in waiting if move.uid == verdict.uid)
                waiting.remove(move)
                self.world.meet(move.target, verdict)
                found.append((move, verdict))
                changed = time.monotonic()
            return all(map(self.refusal, waiting)) and time.monotonic() - changed >= (patience if waiting else 0)

        wait_for(all_judged, "the targets of a wave", _PATIENCE_S)
        return found

    def refusal(self, move: Move) -> str:
        """kube-scheduler's message on a target that it could not place; empty: there is none."""
        status = self._api.get(f"{_PODS}/{move.target['metadata']['name']}")["status"]
        conditions = (one for one in status.get("conditions", ()) if one["type"] == "PodScheduled")
        return next((one.get("message", "") or "no words" for one in conditions if one["status"] == "False"), "")

    def conclude(self, move: Move, verdict: Judged) -> tuple[str, str]:
        """Complete or fail the migration by the kubelet's verdict; returns the pod to delete, and its node."""
        vm = self.world.vms[move.vm]
        judged = self.world.judge(vm, verdict)
        predicted = self._predicted(move, verdict.node).get("migration") or {}
        self._note(
            vm,
            node=verdict.node,
            outcome=str(judged.outcome),
            layout=_layout(judged.zones, judged.cells),
            text=judged.text,
            predicted=predicted.get("outcome", ""),
            predicted_layout=_layout(predicted.get("zonesNow", ()), predicted.get("cellsNow", ())),
            predicted_text=predicted.get("text", ""),
        )
        job = f"{_JOBS}/{move.name}/status"
        if not judged.arrives:
            self._api.patch(job, {"status": {"phase": "Failed"}})
            return move.target["metadata"]["name"], verdict.node
        old = vm.pod["metadata"]["name"], vm.node
        topology = self.world.topology(verdict.node)
        change = arrived(move, vm.node, verdict.node, cpus_of(verdict), topology, vm.instance, vm.pod)
        self.world.move(vm, move.target, verdict, judged)
        vm.instance = self._api.patch(f"{_VMIS}/{vm.name}", change)
        self._api.patch(job, {"status": {"phase": "Succeeded"}})
        return old

    def give_up(self, move: Move) -> None:
        """Delete a target that waits, and note the nodes on which the VM would have arrived."""
        vm = self.world.vms[move.vm]
        able = tuple(
            f"{node}: {self._predicted(move, node).get('code', 'not asked')}"
            for node, judged in self.world.could(vm, move.target)
            if judged.arrives
        )
        self._note(vm, message=self.refusal(move), in_vain=able)
        self._api.delete(f"{_PODS}/{move.target['metadata']['name']}", grace=0)
        self._api.patch(f"{_JOBS}/{move.name}/status", {"status": {"phase": "Failed"}})

    def _predicted(self, move: Move, node: str) -> Json:
        return self._predictions.of(move.uid, node) if self._predictions is not None else {}

    def _note(self, vm: Vm, **more: Any) -> None:
        size = vm.guest.size
        self.moved.append(Moved(vm.name, size.vcpus, size.passthrough, vm.grows, vm.node, **more))


def _layout(zones: Sequence[int], vcpus: Sequence[int]) -> str:
    return " ".join(f"{zone}:{count}" for zone, count in zip(zones, vcpus, strict=True))
