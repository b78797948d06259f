"""One run: a new cluster, the same VMs on the same CPUs, then migrations that a real kube-scheduler places.

Up to five migrations at once and two out of one node, as KubeVirt allows (parallelMigrationsPerCluster,
parallelOutboundMigrationsPerNode). A target that waits while nothing else moves is given up, as KubeVirt gives up after
five minutes.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from extender import names
from extender.placement.outcomes import Outcome
from tests.kit.cluster.control_plane import ControlPlane, Scheduler
from tests.kit.moves.drive import Drive, Moved
from tests.kit.moves.kubevirt import more_sockets
from tests.kit.moves.plan import MIX, Plan
from tests.kit.moves.site import site
from tests.kit.moves.world import Vm
from tests.kit.vms import vms

__all__ = ["Result", "misses", "run"]

_AT_ONCE: Final = 5
_OUT_OF_ONE_NODE: Final = 2
#: Seconds without any change after which a target that waits is given up: longer than the longest back-off, 1 s.
_QUIET_S: Final = 3.0


@dataclass(slots=True)
class Result:
    """What came of a plan: VMs that ran when migrations began, in percent of all CPUs, and each migration."""

    plan: Plan
    running: int = 0
    load: float = 0.0
    moved: list[Moved] = field(default_factory=list)
    #: pods to which a kubelet gave other CPUs than its twin beside it
    twins_wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0


def run(plan: Plan, directory: Path | None = None) -> Result:
    """Run a plan on a control plane of its own. `directory` keeps the logs."""
    began = time.monotonic()
    with ControlPlane(directory=directory) as plane, site(plane, plan.fleet(), plan.scheduler) as parts:
        drive = Drive(plane, plan.fleet(), parts.kubelets, parts.predictions)
        _populate(plan, drive)
        result = Result(plan, len(drive.world.vms), drive.world.load(), drive.moved, drive.world.twins_wrong)
        _migrate(plan, drive, parts.scheduler)
    result.seconds = time.monotonic() - began
    return result


def _populate(plan: Plan, drive: Drive) -> None:
    """Start the VMs, each on the first node of its order that takes it, and end some of them again."""
    world = drive.world
    scheduler = "default-scheduler" if plan.scheduler == "default" else names.SCHEDULER_NAME
    for instance, pod in vms(plan.seed, plan.vms, scheduler, MIX):
        nodes = plan.order(instance["metadata"]["name"])
        node = next((each for each in nodes if world.would_start(each, pod, instance)), None)
        if node is not None:
            drive.start(node, pod, instance)
    for name in plan.ended(list(world.vms)):
        drive.stop(name)


def _migrate(plan: Plan, drive: Drive, scheduler: Scheduler) -> None:
    """All migrations of the plan, in waves of what KubeVirt runs at once."""
    todo = plan.migrations([vm.name for vm in drive.world.vms.values() if vm.guest.dedicated])
    while todo:
        wave: list[Vm] = []
        while todo and len(wave) < _AT_ONCE:
            name, grow = todo[0]
            vm = drive.world.vms[name]
            if vm in wave or sum(other.node == vm.node for other in wave) == _OUT_OF_ONE_NODE:
                break
            todo.pop(0)
            wave.append(vm)
            sockets = more_sockets(vm.guest)
            if grow and not vm.grows and sockets > vm.sockets:
                drive.grow(vm, sockets)
        _wave(drive, wave, scheduler)


def _wave(drive: Drive, wave: Sequence[Vm], scheduler: Scheduler) -> None:
    """Sources end after every target has been decided, so that the order of the decisions does not matter."""
    waiting = drive.begin(wave)
    for patience in (0.0, _QUIET_S):
        for name, node in [drive.conclude(*judged) for judged in drive.wait_for_verdicts(waiting, patience, scheduler)]:
            drive.end(name, node)
    for move in waiting:
        drive.give_up(move)


def misses(result: Result) -> Iterator[str]:
    """What must not happen where fastfit takes part, one line each."""
    for each in result.moved:
        what = f"{each.vm} ({each.vcpus} vCPUs) from {each.source}"
        if each.in_vain:
            yield f"{what} waits, though it would arrive on {', '.join(each.in_vain)}; kube-scheduler: {each.message}"
        if each.node and (each.certain_failure or each.outcome == Outcome.KUBELET_REFUSES):
            yield f"{what} to {each.node}: {each.outcome}, {each.text}"
        if each.node and not each.foreseen:
            yield f"{what} to {each.node}: {_seen(each)}"
    for pod in result.twins_wrong:
        yield f"{pod}: the kubelet gave other CPUs than its twin"


def _seen(each: Moved) -> str:
    said = f"{each.predicted} ({each.predicted_layout})" if each.predicted else "nothing"
    return f"said {said}, came {each.outcome} ({each.layout})"
