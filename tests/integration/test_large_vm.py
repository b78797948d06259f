"""Large VM, policy none, half-full nodes: the row of the OpenShift table on which live migration fails.

The kubelet packs: it fills the fuller zone first and takes the rest from the other one, though that could hold all. A VM
with one cell cannot follow to such a node; libvirt refuses it. Nodes: two zones of 32 CPUs, CPU 0 reserved.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from _fastfit.codes import Code
from extender.names import MIGRATION_ANNOTATION, SCHEDULER_NAME
from extender.placement.outcomes import Outcome
from extender.reasons import REASONS
from extender.sample.vms import InstanceType
from extender.sample.vms import Vm as Wish
from tests.kit.cluster.control_plane import ControlPlane
from tests.kit.moves.drive import Drive, Moved
from tests.kit.moves.site import Parts, site
from tests.kit.moves.world import Vm
from tests.kit.site import Object, node
from tests.kit.vms import NAMESPACE, rendered

#: 21 CPUs with the emulator's: two thirds of a zone.
LARGE = InstanceType("large.20", 20, 20, "1Gi", passthrough=True, hotplug=False)
#: Seconds without any change after which a target counts as waiting.
QUIET_S = 3.0


@contextmanager
def stage(plane: ControlPlane, scheduler: str) -> Iterator[tuple[Parts, Drive]]:
    """Two homes for VMs, two half-full nodes, and one whose zone 0 is full and zone 1 free."""
    fleet = [node(f"lab-{number}", "H29", "none", pages=64) for number in range(1, 6)]
    with site(plane, fleet, scheduler) as parts:
        drive = Drive(plane, fleet, parts.kubelets, parts.predictions)
        for name, cpus in (("lab-3", 12), ("lab-4", 12), ("lab-5", 31)):
            drive.put(name, filler(name, cpus))
        yield parts, drive


def filler(name: str, cpus: int) -> Object:
    """A pod that only holds CPUs."""
    limits = {"cpu": str(cpus), "memory": "1Gi"}
    container = {"name": "compute", "image": "none", "resources": {"requests": limits, "limits": limits}}
    metadata = {"name": f"filler-{name}-{cpus}", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


def boot(drive: Drive, name: str, home: str, scheduler: str, policy: str = "") -> Vm:
    """A large VM that runs at home."""
    wish = Wish(name, LARGE, namespace=NAMESPACE, annotations={MIGRATION_ANNOTATION: policy} if policy else {})
    instance, pod = rendered(wish, scheduler)
    return drive.start(home, pod, instance)


def cells(vm: Vm) -> list[int]:
    """vCPUs of each guest cell."""
    return [len(cell.cpus) for cell in vm.domain.cells]


def move(parts: Parts, drive: Drive, vm: Vm) -> tuple[Moved, set[Outcome]]:
    """Migrate the VM; what came of it, and what could have come of it on any node."""
    waiting = drive.begin([vm])
    able = {judged.outcome for _, judged in drive.world.could(vm, waiting[0].target)}
    for judged in drive.wait_for_verdicts(waiting, QUIET_S, parts.scheduler):
        drive.end(*drive.conclude(*judged))
    for each in waiting:
        drive.give_up(each)
    return drive.moved[-1], able


def test_default_scheduler_splits_targets_though_another_node_would_do(control_plane: ControlPlane) -> None:
    """Least allocated first leads to the half-full nodes, where libvirt refuses the VM."""
    with stage(control_plane, "default") as (parts, drive):
        vms = [boot(drive, f"plain-{number}", f"lab-{number}", "default-scheduler") for number in (1, 2)]
        for vm in vms:
            assert cells(vm) == [20]
            moved, able = move(parts, drive, vm)
            assert Outcome.SYMMETRIC in able
            assert moved.outcome == Outcome.MORE_CELLS
            assert moved.certain_failure
            assert "must correspond to existing guest's NUMA cell" in moved.text
        assert drive.world.twins_wrong == []


def test_with_the_extender_targets_are_symmetric_or_wait_with_our_reason(control_plane: ControlPlane) -> None:
    """Every target that is bound keeps its cell in one zone; without such a node it waits, and goes when there is one."""
    with stage(control_plane, "fastfit") as (parts, drive):
        vms = [boot(drive, f"large-{number}", f"lab-{number}", SCHEDULER_NAME) for number in (1, 2)]
        for vm in [*vms, *vms]:
            moved, able = move(parts, drive, vm)
            assert Outcome.SYMMETRIC in able
            assert (moved.outcome, moved.foreseen) == (Outcome.SYMMETRIC, True)

        put: list[str] = []
        while able_at := symmetric_nodes(drive, vms[0]):
            put.append(able_at[0])
            drive.put(able_at[0], filler(f"{able_at[0]}-again", 12))
        waiting = drive.begin([vms[0]])
        assert drive.wait_for_verdicts(waiting, QUIET_S, parts.scheduler) == []
        assert REASONS[Code.MoreZonesThanCells].text in drive.refusal(waiting[0])

        drive.end(f"filler-{put[-1]}-again-12", put[-1])
        ((late, verdict),) = drive.wait_for_verdicts(waiting, QUIET_S, parts.scheduler)
        drive.conclude(late, verdict)
        assert verdict.node == put[-1]
        assert (drive.moved[-1].outcome, drive.moved[-1].foreseen) == (Outcome.SYMMETRIC, True)
        assert drive.world.twins_wrong == []


def test_a_strict_vm_of_two_cells_goes_to_its_like_alone(control_plane: ControlPlane) -> None:
    """It booted on a half-full node. Its layout again is right; one zone, or another split, is not even where it is all."""
    with stage(control_plane, "fastfit") as (parts, drive):
        vm = boot(drive, "strict", "lab-3", SCHEDULER_NAME, "strict")
        assert len(cells(vm)) == 2
        moved, able = move(parts, drive, vm)
        assert {Outcome.SYMMETRIC, Outcome.FEWER_CELLS} <= able
        assert (moved.node, moved.outcome, moved.foreseen) == ("lab-4", Outcome.SYMMETRIC, True)

        drive.put("lab-3", filler("lab-3-again", 2))
        waiting = drive.begin([vm])
        assert drive.wait_for_verdicts(waiting, QUIET_S, parts.scheduler) == []
        assert REASONS[Code.NotSymmetric].text in drive.refusal(waiting[0])
        drive.give_up(waiting[0])
        assert drive.moved[-1].in_vain, "without `strict` there would be a node"
        assert drive.world.twins_wrong == []


def symmetric_nodes(drive: Drive, vm: Vm) -> list[str]:
    """Nodes on which the VM would arrive as it is."""
    return [node for node, judged in drive.world.could(vm, vm.pod) if judged.outcome is Outcome.SYMMETRIC]
