"""A VM that is restarted: a new VMI under the same VM, which prefers nodes that give the cells of the run before.

Nodes of two zones, 8 cores of two threads each, policy none. The VM has 8 vCPUs and an emulator thread; what else runs
on a node decides how KubeVirt splits them.
"""

from typing import Any

import msgspec
import pytest

from _fastfit.model import CellsAsk
from extender.api.objects import Vmi
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.cache.vms import last_layout
from extender.placement.subject import subject_of
from tests.kit.migrations import running, target
from tests.kit.objects import GI, KUBELET_A, machine, node, pod, vmi
from tests.kit.verbs import explained

NONE = {
    **KUBELET_A,
    "topologyManagerPolicy": "none",
    "memoryManagerPolicy": "None",
    "reservedMemory": [],
    "reservedSystemCPUs": "0,16,8,24",
}
#: CPUs of the pod that runs there, per node: the VM then gets one cell, 4+4 vCPUs, or 5+3.
BUSY = {"one": 0, "even": 10, "uneven": 9}


def owned(name: str, vm: str, vcpus: int = 8, **status: Any) -> Vmi:
    """A VMI that the VM with this UID controls."""
    made: dict[str, Any] = msgspec.to_builtins(vmi(name, vcpus))
    made["metadata"]["ownerReferences"] = [{"kind": "VirtualMachine", "name": vm, "uid": vm, "controller": True}]
    return msgspec.convert({**made, "status": status}, Vmi)


def ran(where: str, vm: str = "db") -> Cluster:
    """The three nodes, after a first run of the VM on one of them."""
    cluster = Cluster()
    for name, cpus in BUSY.items():
        cluster.put(Source.NODES, node(name, NONE, machine()))
        if cpus:
            cluster.put(Source.PODS, running(f"other-{name}", name, cpus, 0))
    cluster.put(Source.VMIS, owned("run1", vm))
    cluster.put(Source.PODS, running("run1", where))
    cluster.make_rows()
    cluster.delete(Source.PODS, running("run1", where))
    cluster.delete(Source.VMIS, owned("run1", vm))
    return cluster


def cells(cluster: Cluster, name: str = "run2") -> CellsAsk:
    """What the waiting pod of this VMI asks of the cells."""
    found = subject_of(cluster, pod(name)).question.ask.cells
    assert found is not None
    return found


@pytest.mark.parametrize(("where", "vcpus"), [("one", [8]), ("even", [4, 4]), ("uneven", [5, 3])])
def test_the_stage(where: str, vcpus: list[int]) -> None:
    """The nodes split the VM as this file says."""
    cluster = ran(where)
    cluster.put(Source.VMIS, owned("run2", "db"))
    assert [count for count, _ in cells(cluster).boot] == vcpus


@pytest.mark.parametrize(("where", "best"), [("one", "one"), ("even", "even"), ("uneven", "one")])
def test_a_restart_finds_its_layout_again(where: str, best: str) -> None:
    """Even cells are met again, though another node would rank higher for a new VM; uneven ones are not sought."""
    cluster = ran(where)
    cluster.put(Source.VMIS, owned("run2", "db"))
    assert explained(cluster, pod("run2")).nodes[0].node == best


def test_another_vm_is_not_a_restart() -> None:
    """A VM of another owner, and a VMI without one, boot as new: one cell ranks first."""
    cluster = ran("even")
    cluster.put(Source.VMIS, owned("run2", "another"))
    cluster.put(Source.VMIS, vmi("alone"))
    for name in ("run2", "alone"):
        assert cells(cluster, name).boot == ()
        assert explained(cluster, pod(name)).nodes[0].node == "one"


def test_vmis_without_an_owner_have_no_former_run() -> None:
    """Two VMIs that no VM controls are two VMs: the second one does not inherit the first one's cells."""
    cluster = ran("even", vm="")
    cluster.put(Source.VMIS, vmi("alone"))
    cluster.put(Source.PODS, running("alone", "even"))
    cluster.make_rows()
    cluster.delete(Source.PODS, running("alone", "even"))
    cluster.put(Source.VMIS, vmi("run2"))
    assert cells(cluster).boot == ()


def test_a_vm_of_another_size_boots_as_new() -> None:
    """Cells of 8 vCPUs say nothing about 12."""
    cluster = ran("even")
    cluster.put(Source.VMIS, owned("run2", "db", 12))
    assert cells(cluster).boot == ()


def test_a_migration_keeps_the_cells_of_this_run() -> None:
    """The second run booted with one cell: that is what its target is asked for, not the cells of the first run."""
    cluster = ran("even")
    cluster.put(Source.VMIS, owned("run2", "db"))
    cluster.put(Source.PODS, running("run2", "one"))
    cluster.make_rows()
    found = subject_of(cluster, target("run2")).question.ask.cells
    assert found is not None
    assert (found.moving, found.boot) == (8, ((8, 16 * GI),))
    assert cells(cluster).boot == ((8, 0),)


def test_memory_of_former_runs_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """VMs are not watched, so the one whose last boot is longest ago is forgotten."""
    monkeypatch.setattr(last_layout, "MOST", 2)
    cluster = ran("even")
    for name, vm in (("first", "other"), ("again", "db"), ("third", "more")):
        cluster.put(Source.VMIS, owned(name, vm))
        cluster.put(Source.PODS, running(name, "one"))
        cluster.make_rows()
        cluster.delete(Source.PODS, running(name, "one"))
    for name, vm, known in (("run2", "db", True), ("run3", "other", False), ("run4", "more", True)):
        cluster.put(Source.VMIS, owned(name, vm))
        assert bool(cells(cluster, name).boot) is known


# --- what a process before us wrote down -----------------------------------------------------------------------

OWNER = "6f9c0ed1-1d5c-4c43-9f0e-1b0f6a0c7a55"


def stopped() -> Cluster:
    """The three nodes, and a VM of which no process has seen a run."""
    cluster = ran("one", vm="another")
    cluster.put(Source.VMIS, owned("run2", OWNER))
    return cluster


@pytest.mark.parametrize(("split", "best"), [((8,), "one"), ((4, 4), "even"), ((5, 3), "one")])
def test_a_layout_that_was_written_down_is_met_again(split: tuple[int, ...], best: str) -> None:
    """As if this process had seen the run: even cells are sought, though a new VM would go elsewhere."""
    cluster = stopped()
    assert explained(cluster, pod("run2")).nodes[0].node == "one"
    cluster.vms.guest_cells.last_layouts.read(OWNER, split)
    assert explained(cluster, pod("run2")).nodes[0].node == best


@pytest.mark.parametrize(
    "split", [(8,), (4, 4), (5, 3), (7, 1), (1, 7), (1,) * 8, (2, 2, 2, 2), (9999,) * 16, (1,) * 16, (12,)]
)
@pytest.mark.parametrize("policy", ["restricted", "single-numa-node", "none"])
def test_what_was_written_down_refuses_nothing(split: tuple[int, ...], policy: str) -> None:
    """Anything that the form can say: every node keeps its verdict, its code and its zones; only the order may change."""
    cluster = stopped()
    for name in BUSY:
        cluster.put(Source.NODES, node(name, {**NONE, "topologyManagerPolicy": policy}, machine()))
    cluster.put(Source.NODES, node("small", {**NONE, "topologyManagerPolicy": policy}, machine(cores=2)))
    before = {one.node: (one.verdict, one.code, one.zones) for one in explained(cluster, pod("run2")).nodes}
    assert {verdict for verdict, _, _ in before.values()} >= {"fits", "refused"}
    cluster.vms.guest_cells.last_layouts.read(OWNER, split)
    after = {one.node: (one.verdict, one.code, one.zones) for one in explained(cluster, pod("run2")).nodes}
    assert after == before
