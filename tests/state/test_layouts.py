"""Guest cells of running VMs: predicted at the first boot, kept through moves, and never guessed.

Machine A: 2 zones of 8 cores with two threads, one core of zone 0 reserved; Topology Manager policy none packs CPUs.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from extender.kubevirt.launcher_pod import guest_of
from extender.kubevirt.moving import MigrationPolicy, policy_of
from extender.kubevirt.observed import zones_after_migration
from extender.placement.decide import subject_of
from extender.state.cluster import Cluster
from extender.state.events import Source
from tests.state.builders import GI, KUBELET_A, machine, node, pod, vmi
from tests.state.moves import moved, running, target

NONE = {**KUBELET_A, "topologyManagerPolicy": "none", "memoryManagerPolicy": "None", "reservedMemory": []}


def _cluster(*names: str, **kubelet: Any) -> Cluster:
    cluster = Cluster()
    for name in names or ("a", "b"):
        cluster.put(Source.NODES, node(name, {**NONE, **kubelet}, machine()))
    return cluster


def _boot(cluster: Cluster, name: str = "vm", node: str = "a") -> None:
    cluster.put(Source.VMIS, vmi(name))
    cluster.put(Source.PODS, running(name, node))
    cluster.work()


def test_cells_are_recorded_at_the_first_boot() -> None:
    """One zone holds the VM: one cell of 8 vCPUs and 16Gi; on a nearly full node two, 5 and 3 as KubeVirt splits."""
    cluster = _cluster()
    _boot(cluster)
    assert cluster.vms.layouts.cells("vmi-vm") == ((8, 16 * GI),)
    cluster.put(Source.PODS, running("other", "b", 9, 0))
    _boot(cluster, "split", "b")
    assert cluster.vms.layouts.cells("vmi-split") == ((5, 8 * GI), (3, 8 * GI))


def test_the_order_of_events_does_not_matter() -> None:
    """A VMI that is seen after its pod gives the same record."""
    cluster = _cluster()
    cluster.put(Source.PODS, running("vm", "a"))
    cluster.work()
    assert cluster.vms.layouts.cells("vmi-vm") == ()
    cluster.put(Source.VMIS, vmi("vm"))
    cluster.work()
    assert cluster.vms.layouts.cells("vmi-vm") == ((8, 16 * GI),)


@pytest.mark.parametrize(
    "record",
    [
        pod("vm", node_name="a"),
        replace(target("vm"), spec=replace(running("vm", "a").spec), status=running("vm", "a").status),
    ],
    ids=["not admitted", "came by migration"],
)
def test_no_record_without_a_boot(record: Any) -> None:
    """A pod that its kubelet has not admitted, and one that the VM moved into, tell no cells."""
    cluster = _cluster()
    cluster.put(Source.VMIS, vmi("vm"))
    cluster.put(Source.PODS, record)
    cluster.work()
    assert cluster.vms.layouts.cells("vmi-vm") == ()


def test_a_doubtful_node_teaches_nothing() -> None:
    """Where running pods contradict what is known of the node, predicted CPUs are worth nothing."""
    cluster = _cluster("a", topologyManagerPolicy="single-numa-node")
    cluster.put(Source.PODS, running("big", "a", 20, 0))
    _boot(cluster)
    assert cluster.vms.layouts.cells("vmi-vm") == ()


def test_the_record_outlives_the_pod_and_ends_with_the_vm() -> None:
    """After the move the source's pod is gone, the cells are not; they go with the VMI, also when a list lacks it."""
    cluster = _cluster()
    _boot(cluster)
    cluster.delete(Source.PODS, running("vm", "a"))
    cluster.work()
    assert cluster.vms.layouts.cells("vmi-vm") == ((8, 16 * GI),)
    cluster.replace(Source.VMIS, [vmi("vm")])
    assert cluster.vms.layouts.cells("vmi-vm") == ((8, 16 * GI),)
    cluster.replace(Source.VMIS, [])
    assert cluster.vms.layouts.cells("vmi-vm") == ()


def test_hotplug_does_not_change_the_record() -> None:
    """The spec has grown to 12 sockets while 8 run: the cells are those of the 8."""
    cluster = _cluster()
    grown = moved("vm", "", machine(), [], sockets=8, vcpus=12)
    cluster.put(Source.VMIS, grown)
    cluster.put(Source.PODS, running("vm", "a"))
    cluster.work()
    assert cluster.vms.layouts.cells("vmi-vm") == ((8, 16 * GI),)
    ask = subject_of(cluster, target("vm", 13)).question.ask
    assert ask.cells is not None
    assert (ask.cells.cores, ask.cells.moving, ask.cells.boot) == (12, 8, ((8, 16 * GI),))


# One core of zone 0 is 1 and 17; CPUs 8-15 and 24-31 are zone 1.
SPREAD = [1, 2, 3, 4, 8, 9, 10, 11, 12]


@pytest.mark.parametrize(
    ("cpus", "state", "zones"),
    [
        (SPREAD, {}, 2),
        ([8, 9, 10, 11, 12, 13, 14, 15, 24], {}, 1),
        (SPREAD, {"completed": False}, 0),
        (SPREAD, {"failed": True}, 0),
        (SPREAD, {"targetNode": "elsewhere"}, 0),
        ([], {}, 0),
        (SPREAD, {"targetNodeTopology": "{"}, 0),
        (SPREAD, {"targetNodeTopology": "{}"}, 0),
        (SPREAD, {"targetNodeTopology": '{"numa_cells":[{"cpus":[{"id":-1}]}]}'}, 0),
        ([1, 2], {}, 0),
    ],
)
def test_what_a_past_migration_tells(cpus: list[int], state: dict[str, Any], zones: int) -> None:
    """Only a completed one that ended where the VM runs counts; a cell without an id is zone 0."""
    record = moved("vm", "a", machine(), cpus, **state)
    assert zones_after_migration(record, guest_of(record), 0) == zones


def test_a_record_that_a_move_disproves_is_not_used() -> None:
    """The VM moved onto two zones and lived: it never had one cell. Then nothing is known, not two cells."""
    cluster = _cluster()
    _boot(cluster)
    cluster.put(Source.VMIS, moved("vm", "b", machine(), SPREAD))
    assert cluster.vms.layouts.cells("vmi-vm") == ()
    cluster.put(Source.VMIS, moved("vm", "b", machine(), SPREAD[4:] + [13, 14, 15, 24]))
    assert cluster.vms.layouts.cells("vmi-vm") == ((8, 16 * GI),)


@pytest.mark.parametrize(
    ("annotation", "default", "policy"),
    [
        (None, "prefer", "prefer"),
        (None, "strict", "strict"),
        ("strict", "off", "strict"),
        ("off", "strict", "off"),
        ("Strict", "strict", "prefer"),
        ("", "off", "prefer"),
    ],
)
def test_policy(annotation: str | None, default: str, policy: str) -> None:
    """The VM's word wins; one that cannot be read counts as prefer, and that is said."""
    annotations = None if annotation is None else {"fastfit.dev/migration": annotation}
    found, problem = policy_of(annotations, MigrationPolicy(default))
    assert found == policy
    assert bool(problem) == (annotation in ("Strict", ""))


@pytest.mark.parametrize(("policy", "strict"), [("strict", True), ("prefer", False), ("off", None)])
def test_the_policy_reaches_the_question(policy: str, strict: bool | None) -> None:
    """strict asks for symmetric targets, off asks nothing about cells."""
    cluster = _cluster()
    _boot(cluster)
    cells = subject_of(cluster, target("vm", policy=policy)).question.ask.cells
    assert (cells.symmetric_only if cells is not None else None) is strict
    cluster.migration = MigrationPolicy(policy)
    cells = subject_of(cluster, target("vm")).question.ask.cells
    assert (cells.symmetric_only if cells is not None else None) is strict
