"""Guest cells of running VMs: predicted at the first boot, kept through moves, and never guessed.

Machine A: 2 zones of 8 cores with two threads, one core of zone 0 reserved; Topology Manager policy none packs CPUs.
"""

import json
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from extender.api.objects import Owner, Vmi
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.cache.vms.guest_cells import Origin
from extender.cache.vms.last_layout import Kept, Trust
from extender.kubevirt.launcher_pod import guest_of
from extender.kubevirt.migration.cells_annotation import cells_text
from extender.kubevirt.migration.observed import first_vcpus_after_migration
from extender.kubevirt.migration.policy import BootCells, MigrationPolicy, policy_of
from extender.names import CELLS_ANNOTATION
from extender.placement.subject import subject_of
from tests.kit.bodies import args
from tests.kit.migrations import moved, running, target
from tests.kit.objects import GI, KUBELET_A, machine, node, pod, vmi
from tests.kit.verbs import explained, make_verbs

NONE = {**KUBELET_A, "topologyManagerPolicy": "none", "memoryManagerPolicy": "None", "reservedMemory": []}


def _cluster(*names: str, **kubelet: Any) -> Cluster:
    cluster = Cluster()
    for name in names or ("a", "b"):
        cluster.put(Source.NODES, node(name, {**NONE, **kubelet}, machine()))
    return cluster


def _boot(cluster: Cluster, name: str = "vm", node: str = "a") -> None:
    cluster.put(Source.VMIS, vmi(name))
    cluster.put(Source.PODS, running(name, node))
    cluster.make_rows()


def test_cells_are_recorded_at_the_first_boot() -> None:
    """One zone holds the VM: one cell of 8 vCPUs and 16Gi; on a nearly full node two, 5 and 3 as KubeVirt splits."""
    cluster = _cluster()
    _boot(cluster)
    assert cluster.vms.guest_cells.cells("vmi-vm") == ((8, 16 * GI),)
    cluster.put(Source.PODS, running("other", "b", 9, 0))
    _boot(cluster, "split", "b")
    assert cluster.vms.guest_cells.cells("vmi-split") == ((5, 8 * GI), (3, 8 * GI))


def test_the_order_of_events_does_not_matter() -> None:
    """A VMI that is seen after its pod gives the same record."""
    cluster = _cluster()
    cluster.put(Source.PODS, running("vm", "a"))
    cluster.make_rows()
    assert cluster.vms.guest_cells.cells("vmi-vm") == ()
    cluster.put(Source.VMIS, vmi("vm"))
    cluster.make_rows()
    assert cluster.vms.guest_cells.cells("vmi-vm") == ((8, 16 * GI),)


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
    cluster.make_rows()
    assert cluster.vms.guest_cells.cells("vmi-vm") == ()


def test_a_doubtful_node_teaches_nothing() -> None:
    """Where running pods contradict what is known of the node, predicted CPUs are worth nothing."""
    cluster = _cluster("a", topologyManagerPolicy="single-numa-node")
    cluster.put(Source.PODS, running("big", "a", 20, 0))
    _boot(cluster)
    assert cluster.vms.guest_cells.cells("vmi-vm") == ()


def test_the_record_outlives_the_pod_and_ends_with_the_vm() -> None:
    """After the move the source's pod is gone, the cells are not; they go with the VMI, also when a list lacks it."""
    cluster = _cluster()
    _boot(cluster)
    cluster.delete(Source.PODS, running("vm", "a"))
    cluster.make_rows()
    assert cluster.vms.guest_cells.cells("vmi-vm") == ((8, 16 * GI),)
    cluster.replace(Source.VMIS, [vmi("vm")])
    assert cluster.vms.guest_cells.cells("vmi-vm") == ((8, 16 * GI),)
    cluster.replace(Source.VMIS, [])
    assert cluster.vms.guest_cells.cells("vmi-vm") == ()


def test_hotplug_does_not_change_the_record() -> None:
    """The spec has grown to 12 sockets while 8 run: the cells are those of the 8."""
    cluster = _cluster()
    grown = moved("vm", "", machine(), [], sockets=8, vcpus=12)
    cluster.put(Source.VMIS, grown)
    cluster.put(Source.PODS, running("vm", "a"))
    cluster.make_rows()
    assert cluster.vms.guest_cells.cells("vmi-vm") == ((8, 16 * GI),)
    ask = subject_of(cluster, target("vm", 13)).question.ask
    assert ask.cells is not None
    assert (ask.cells.cores, ask.cells.moving, ask.cells.boot) == (12, 8, ((8, 16 * GI),))


# One core of zone 0 is 1 and 17; CPUs 8-15 and 24-31 are zone 1.
SPREAD = [1, 2, 3, 4, 8, 9, 10, 11, 12]


@pytest.mark.parametrize(
    ("cpus", "state", "first_vcpus"),
    [
        (SPREAD, {}, (0, 4)),
        ([8, 9, 10, 11, 12, 13, 14, 15, 24], {}, (0,)),
        (SPREAD, {"completed": False}, ()),
        (SPREAD, {"failed": True}, ()),
        (SPREAD, {"targetNode": "elsewhere"}, ()),
        ([], {}, ()),
        (SPREAD, {"targetNodeTopology": "{"}, ()),
        (SPREAD, {"targetNodeTopology": "{}"}, ()),
        (SPREAD, {"targetNodeTopology": '{"numa_cells":[{"cpus":[{"id":-1}]}]}'}, ()),
        ([1, 2], {}, ()),
    ],
)
def test_what_a_past_migration_tells(cpus: list[int], state: dict[str, Any], first_vcpus: tuple[int, ...]) -> None:
    """Only a completed one that ended where the VM runs counts; a cell without an id is zone 0."""
    record = moved("vm", "a", machine(), cpus, **state)
    assert first_vcpus_after_migration(record, guest_of(record), 0) == first_vcpus


@pytest.mark.parametrize(("cpus", "known"), [([0, 1, 2, 3, 4, 5, 6, 7], True), ([1, 2, 3, 4], False)])
def test_a_guest_that_grew_while_it_moved_keeps_its_cells(cpus: list[int], known: bool) -> None:
    """Eight vCPUs moved into one zone, and four more of another came to them: that disproves nothing."""
    cluster = _cluster()
    _boot(cluster)
    grown = moved("vm", "b", machine(), [*cpus, 8, 9, 10, 11, 12, 13, 14, 15, 24][:13], sockets=12, vcpus=12)
    cluster.put(Source.VMIS, grown)
    assert bool(cluster.vms.guest_cells.cells("vmi-vm")) is known


def test_a_record_that_a_move_disproves_is_not_used() -> None:
    """The VM moved onto two zones and lived: it never had one cell. Then nothing is known, not two cells."""
    cluster = _cluster()
    _boot(cluster)
    cluster.put(Source.VMIS, moved("vm", "b", machine(), SPREAD))
    assert cluster.vms.guest_cells.cells("vmi-vm") == ()
    cluster.put(Source.VMIS, moved("vm", "b", machine(), SPREAD[4:] + [13, 14, 15, 24]))
    assert cluster.vms.guest_cells.cells("vmi-vm") == ((8, 16 * GI),)


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


# --- how the cells are known -------------------------------------------------------------------------------

TWO = ((5, 8 * GI), (3, 8 * GI))


def _stating(name: str, cells: BootCells = (), owner: str = "", record: Vmi | None = None) -> Vmi:
    """A VMI with the annotation, of a VirtualMachine."""
    made = record if record is not None else vmi(name)
    annotations = {CELLS_ANNOTATION: cells_text(cells)} if cells else None
    owners = [Owner(kind="VirtualMachine", name=name, uid=owner, controller=True)] if owner else None
    return replace(made, metadata=replace(made.metadata, annotations=annotations, owner_references=owners))


def test_an_annotation_is_believed_where_no_boot_was_seen() -> None:
    """A VM that moved before we started: its cells are those that its VMI states."""
    cluster = _cluster()
    cluster.put(Source.VMIS, _stating("vm", TWO))
    assert cluster.vms.guest_cells.best_known("vmi-vm") == (TWO, Origin.STATED)


def test_a_boot_that_was_seen_is_believed_before_an_annotation() -> None:
    """What somebody wrote does not change what we saw."""
    cluster = _cluster()
    cluster.put(Source.VMIS, _stating("vm", TWO))
    cluster.put(Source.PODS, running("vm", "a"))
    cluster.make_rows()
    assert cluster.vms.guest_cells.best_known("vmi-vm") == (((8, 16 * GI),), Origin.PREDICTED)


def test_an_annotation_is_believed_before_what_pods_of_now_would_give() -> None:
    """After our restart a list shows the VM's pod; pods that shaped its boot may be gone, the record is of the boot."""
    cluster = _cluster()
    cluster.put(Source.VMIS, vmi("vm"))
    cluster.replace(Source.PODS, [running("vm", "a")])
    cluster.make_rows()
    assert cluster.vms.guest_cells.best_known("vmi-vm") == (((8, 16 * GI),), Origin.WORKED_OUT)
    cluster.put(Source.VMIS, _stating("vm", TWO))
    assert cluster.vms.guest_cells.best_known("vmi-vm") == (TWO, Origin.STATED)


def test_a_pod_that_we_promised_was_seen_although_a_list_brings_it() -> None:
    """A watch may break between our answer and the binding."""
    cluster = _cluster()
    cluster.put(Source.VMIS, vmi("vm"))
    verbs = make_verbs(cluster)
    waiting = json.loads(msgspec.json.encode(pod("vm")))
    verbs.filter(args(["a"], waiting), 1.0)
    cluster.replace(Source.PODS, [running("vm", "a")])
    cluster.make_rows()
    assert cluster.vms.guest_cells.best_known("vmi-vm").origin is Origin.PREDICTED


def test_a_move_overrules_both() -> None:
    """It lay on two zones and lived: neither a prediction nor an annotation of one cell is true, one of two may be."""
    cluster = _cluster()
    _boot(cluster)
    after = moved("vm", "b", machine(), SPREAD)
    cluster.put(Source.VMIS, _stating("vm", ((8, 16 * GI),), record=after))
    assert cluster.vms.guest_cells.best_known("vmi-vm") == ((), Origin.NOT_KNOWN)
    cluster.put(Source.VMIS, _stating("vm", TWO, record=after))
    assert cluster.vms.guest_cells.best_known("vmi-vm") == (TWO, Origin.STATED)


@pytest.mark.parametrize(
    ("value", "boot", "word"),
    [
        (cells_text(TWO), TWO, ""),
        ('{"v":1,"cells":[[99,1]]}', (), "is not believed: its cells have 99 vCPUs"),
        ("hello", (), "is not believed: it cannot be read"),
    ],
)
def test_the_call_itself_carries_the_annotation(value: str, boot: BootCells, word: str) -> None:
    """The target's pod has it even where the VMI, as we saw it, has not; one that cannot be believed is said."""
    cluster = _cluster()
    cluster.put(Source.VMIS, vmi("vm"))
    record = target("vm")
    record = replace(record, metadata=replace(record.metadata, annotations={CELLS_ANNOTATION: value}))
    subject = subject_of(cluster, record)
    assert subject.move is not None
    assert subject.move.boot == boot
    assert word in subject.move.problem
    assert bool(subject.move.problem) == bool(word)


def test_a_false_annotation_refuses_nothing_that_a_boot_allows() -> None:
    """Somebody writes one cell where two were seen: a target of two zones stays, and the contradiction is said."""
    cluster = _cluster()
    cluster.put(Source.PODS, running("other", "a", 9, 0))
    _boot(cluster)
    assert cluster.vms.guest_cells.cells("vmi-vm") == TWO
    record = target("vm")
    annotations = {CELLS_ANNOTATION: cells_text(((8, 16 * GI),))}
    record = replace(record, metadata=replace(record.metadata, annotations=annotations))
    cluster.put(Source.PODS, running("third", "b", 9, 0))
    cluster.make_rows()
    answer = explained(cluster, record)
    assert next(node for node in answer.nodes if node.node == "b").verdict == "fits"
    assert any("contradicts what is known otherwise" in note for note in answer.notes)
    assert any("predicted when it booted" in note for note in answer.notes)


def test_the_last_layout_is_kept_for_the_next_start() -> None:
    """A restart makes a new VMI of the same owner; other owners, and VMIs without one, have nothing."""
    cluster = _cluster()
    cluster.put(Source.PODS, running("other", "a", 9, 0))
    cluster.put(Source.VMIS, _stating("vm", owner="owner"))
    cluster.put(Source.PODS, running("vm", "a"))
    cluster.make_rows()
    cluster.delete(Source.VMIS, vmi("vm"))
    cluster.delete(Source.PODS, running("vm", "a"))
    for name, owner in (("again", "owner"), ("stranger", "another"), ("alone", "")):
        cluster.put(Source.VMIS, _stating(name, owner=owner))
    layouts = cluster.vms.guest_cells
    was = ((5, 0), (3, 0))
    assert [layouts.last_layout(f"vmi-{name}") for name in ("again", "stranger", "alone", "unseen")] == [
        was,
        (),
        (),
        (),
    ]
    assert layouts.cells("vmi-again") == ()


def test_annotations_bring_the_last_layout_back_after_our_restart() -> None:
    """VMIs that run are read with their annotations, so their next start is known too; one that waits for a node has none."""
    cluster = _cluster()
    runs = replace(vmi("vm"), status=replace(vmi("vm").status, node_name="a"))
    cluster.replace(Source.VMIS, [_stating("vm", TWO, owner="owner", record=runs)])
    cluster.replace(Source.VMIS, [_stating("again", ((8, 16 * GI),), owner="owner")])
    assert cluster.vms.last_layout("vmi-again") == ((5, 0), (3, 0))


# --- what is to be written -----------------------------------------------------------------------------------


def test_a_record_is_handed_out_once_the_pod_runs() -> None:
    """Not at admission; then once, with the VMI's name; given back, again; gone with the VMI."""
    cluster = _cluster()
    cluster.put(Source.VMIS, vmi("vm"))
    admitted = running("vm", "a")
    cluster.put(Source.PODS, replace(admitted, status=replace(admitted.status, phase="Pending")))
    cluster.make_rows()
    layouts = cluster.vms.guest_cells
    assert layouts.cells("vmi-vm") == ((8, 16 * GI),)
    assert layouts.unwritten() is None
    cluster.put(Source.PODS, admitted)
    cluster.make_rows()
    record = layouts.unwritten()
    assert record is not None
    assert (record.uid, record.namespace, record.name, record.key) == ("vmi-vm", "vms", "vm", CELLS_ANNOTATION)
    assert record.value == cells_text(((8, 16 * GI),))
    assert layouts.unwritten() is None
    layouts.give_back(record)
    assert layouts.unwritten() == record
    cluster.put(Source.PODS, running("third", "a", 1, 0))
    cluster.make_rows()
    assert layouts.unwritten() is None
    cluster.delete(Source.VMIS, vmi("vm"))
    layouts.give_back(record)
    assert layouts.unwritten() is None


def test_nothing_is_written_that_is_known_or_was_not_seen() -> None:
    """A VMI that states it already; a boot that was not seen; what a move disproves."""
    cluster = _cluster()
    cluster.put(Source.VMIS, _stating("vm", ((8, 16 * GI),)))
    cluster.put(Source.PODS, running("vm", "a"))
    cluster.make_rows()
    assert cluster.vms.guest_cells.unwritten() is None

    cluster = _cluster()
    cluster.put(Source.VMIS, vmi("vm"))
    cluster.replace(Source.PODS, [running("vm", "a")])
    cluster.make_rows()
    assert cluster.vms.guest_cells.unwritten() is None

    cluster = _cluster()
    _boot(cluster)
    cluster.put(Source.VMIS, moved("vm", "b", machine(), SPREAD))
    assert cluster.vms.guest_cells.unwritten() is None


def test_a_false_annotation_is_put_right() -> None:
    """Where the boot was seen, what somebody wrote before is replaced, once."""
    cluster = _cluster()
    cluster.put(Source.VMIS, _stating("vm", TWO))
    cluster.put(Source.PODS, running("vm", "a"))
    cluster.make_rows()
    record = cluster.vms.guest_cells.unwritten()
    assert record is not None
    assert record.value == cells_text(((8, 16 * GI),))
    cluster.put(Source.VMIS, _stating("vm", TWO))
    cluster.make_rows()
    assert cluster.vms.guest_cells.unwritten() is None


# --- what is to be written of the VM itself --------------------------------------------------------------------

OWNER = "6f9c0ed1-1d5c-4c43-9f0e-1b0f6a0c7a55"


def _handed_out(cluster: Cluster) -> tuple[str, Kept] | None:
    return cluster.vms.guest_cells.last_layouts.unwritten("fastfit-layouts-6")


def test_the_last_layout_is_handed_out_once_the_pod_runs() -> None:
    """Not at admission; then once, and again when a restart gave the same: its day may be long ago."""
    cluster = _cluster()
    for name in ("run1", "run2"):
        cluster.put(Source.VMIS, _stating(name, owner=OWNER))
        admitted = running(name, "a")
        cluster.put(Source.PODS, replace(admitted, status=replace(admitted.status, phase="Pending")))
        cluster.make_rows()
        assert _handed_out(cluster) is None
        for _ in range(2):
            cluster.put(Source.PODS, admitted)
            cluster.put(Source.VMIS, _stating(name, owner=OWNER))
            cluster.put(Source.PODS, running(f"other-{name}", "a", 1, 0))
            cluster.make_rows()
        assert _handed_out(cluster) == (OWNER, Kept((8,), Trust.KNOWN))
        assert _handed_out(cluster) is None
        cluster.delete(Source.PODS, admitted)
        cluster.delete(Source.VMIS, vmi(name))


def test_the_last_layout_says_how_it_is_known() -> None:
    """Worked out where a list brought the pod; known once the VMI states it, also where that is another one."""
    cluster = _cluster()
    cluster.put(Source.VMIS, _stating("vm", owner=OWNER))
    cluster.replace(Source.PODS, [running("vm", "a")])
    cluster.make_rows()
    assert _handed_out(cluster) == (OWNER, Kept((8,), Trust.WORKED_OUT))
    runs = replace(vmi("vm"), status=replace(vmi("vm").status, node_name="a"))
    cluster.put(Source.VMIS, _stating("vm", TWO, owner=OWNER, record=runs))
    assert _handed_out(cluster) == (OWNER, Kept((5, 3), Trust.KNOWN))
    assert _handed_out(cluster) is None
