"""Evacuable targets: the number is that of the nodes which `explain` lets pass, counted beside the requests."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import msgspec
import pytest

from extender import snapshot
from extender.api.objects import Pod, Vmi
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.cli.cluster import cluster_of
from extender.config import Settings
from extender.kubelet.pod import pod_demand
from extender.kubevirt.devices import immovable
from extender.kubevirt.migration.policy import MigrationPolicy
from extender.kubevirt.migration.target_pod import target_demand, target_pod
from extender.placement import evacuable
from extender.placement.answers import EvacuableAnswer, NodeAnswer
from extender.placement.evacuable import Evacuability
from extender.placement.outcomes import Outcome
from extender.placement.subject import find_vm
from extender.sample.generate import CLUSTER
from tests.kit.migrations import moved, running
from tests.kit.objects import KUBELET_A, machine, node, vmi
from tests.kit.verbs import explained

KUBELET = {**KUBELET_A, "memoryManagerPolicy": "None", "reservedMemory": []}


def nodes(*names: str, policy: str = "single-numa-node") -> Cluster:
    """Equal empty nodes."""
    cluster = Cluster()
    for name in names:
        cluster.put(Source.NODES, node(name, {**KUBELET, "topologyManagerPolicy": policy}, machine()))
    return cluster


def boot(cluster: Cluster, name: str, where: str, **annotations: str) -> None:
    """A VM of 8 vCPUs boots there."""
    cluster.put(Source.VMIS, vmi(name))
    record = running(name, where)
    meta = msgspec.structs.replace(record.metadata, annotations=annotations)
    cluster.put(Source.PODS, msgspec.structs.replace(record, metadata=meta))
    cluster.make_rows()


def counted(cluster: Cluster) -> Evacuability:
    """One whole round."""
    numbers = Evacuability(cluster)
    for _ in numbers.round():
        pass
    return numbers


def of(cluster: Cluster, name: str, numbers: Evacuability | None = None) -> tuple[int, int | None]:
    """Possible and symmetric targets of a VM."""
    pod = find_vm(cluster, "vms", name)
    assert pod is not None
    found = (numbers or counted(cluster)).of(pod)
    assert found is not None
    return found.possible, found.symmetric


def taken(node: NodeAnswer) -> tuple[bool, bool]:
    """Whether `explain` lets the node pass for certain, and with the same cells."""
    assert node.migration is not None
    fits = node.verdict == "fits" and node.migration.outcome != Outcome.SOURCE_NODE
    return fits, fits and node.migration.outcome == Outcome.SYMMETRIC


def test_the_numbers_are_those_of_explain() -> None:
    """Every VM of the sample that holds anything: as many nodes as `explain` shows for its target, counted each way."""
    seen = snapshot.read(str(CLUSTER))
    cluster = cluster_of(seen, Settings())
    numbers, looked = counted(cluster), 0
    for record in seen.pods():
        entry = cluster.pods.get(record.metadata.uid)
        if entry is None or not entry.launcher:
            continue
        guest = cluster.vms.guest(entry.vmi)
        target = target_pod(record, guest, cluster.vms.run_of(entry.vmi).plugged)
        answer = explained(cluster, target)
        if not answer.demand:
            continue
        fixed = guest is not None and immovable(guest, cluster.vms.kubevirt)
        found = [] if fixed else [taken(one) for one in answer.nodes]
        symmetric = sum(same for _, same in found) if cluster.vms.guest_cells.cells(entry.vmi) else None
        assert of(cluster, record.metadata.name, numbers) == (sum(fits for fits, _ in found), symmetric)
        assert Evacuability(cluster).count(entry) == numbers.of(entry)
        looked += 1
    assert looked > 20


def test_the_own_node_is_no_target() -> None:
    """Nodes where the VM, or an equal one, runs count for the others and not for it."""
    cluster = nodes("a", "b", "c")
    boot(cluster, "one", "a")
    boot(cluster, "two", "b")
    assert of(cluster, "one") == (2, 2)
    assert of(cluster, "two") == (2, 2)
    cluster.delete(Source.NODES, node("c"))
    cluster.make_rows()
    assert of(cluster, "one") == (1, 1)


def test_fewer_symmetric_than_possible() -> None:
    """A node that would give other cells is possible under prefer, and none under strict."""
    cluster = nodes("a", "b", "c", policy="none")
    cluster.put(Source.PODS, running("other", "a", 9, 0))
    boot(cluster, "vm", "a")
    assert of(cluster, "vm") == (2, 0)
    numbers = counted(cluster)
    cluster.migration = MigrationPolicy.STRICT
    pod = find_vm(cluster, "vms", "vm")
    assert pod is not None
    assert numbers.of(pod) is None, "the old policy's number is not the new one's"
    assert of(cluster, "vm") == (0, 0)
    cluster.migration = MigrationPolicy.OFF
    assert of(cluster, "vm") == (2, None)


def test_the_word_of_the_vms_owner() -> None:
    """Its annotation decides, as in a call."""
    cluster = nodes("a", "b", policy="none")
    cluster.put(Source.PODS, running("other", "a", 9, 0))
    boot(cluster, "vm", "a", **{"fastfit.dev/migration": "strict"})
    assert of(cluster, "vm") == (0, 0)


def test_cells_that_are_not_known() -> None:
    """A VM that was never seen to boot has possible targets; its symmetric ones are not known, and that is summed up."""
    cluster = nodes("a", "b")
    cluster.put(Source.VMIS, vmi("vm"))
    record = running("vm", "a")
    labels = {**(record.metadata.labels or {}), "kubevirt.io/migrationJobUID": "job"}
    cluster.put(
        Source.PODS,
        msgspec.structs.replace(record, metadata=msgspec.structs.replace(record.metadata, labels=labels)),
    )
    cluster.make_rows()
    numbers = counted(cluster)
    assert of(cluster, "vm", numbers) == (1, None)
    assert numbers.summary is not None
    assert (numbers.summary.unknown, numbers.summary.possible["1"]) == (1, 1)
    assert sum(numbers.summary.symmetric.values()) == 0


@pytest.mark.parametrize("cells", [True, False])
def test_a_vm_that_cannot_migrate_has_none(cells: bool) -> None:
    """Nodes that would hold it are no targets: 0 with the reason, in bucket 0 of the summary, and again once it may move.

    Its cells do not matter for that, so it is not counted as unknown where nobody knows them.
    """
    cluster = nodes("a", "b", "c")
    boot(cluster, "free", "a")
    record = running("vm", "b")
    if not cells:
        labels = {**(record.metadata.labels or {}), "kubevirt.io/migrationJobUID": "job"}
        record = msgspec.structs.replace(record, metadata=msgspec.structs.replace(record.metadata, labels=labels))
    cluster.put(Source.PODS, record)
    cluster.put(Source.VMIS, condition("vm", "False"))
    cluster.make_rows()
    numbers = counted(cluster)
    pod = find_vm(cluster, "vms", "vm")
    assert pod is not None
    fixed = EvacuableAnswer(0, 0, 0.0, "KubeVirt says DisksNotLiveMigratable")
    assert numbers.of(pod) == Evacuability(cluster).count(pod) == fixed
    assert numbers.summary is not None
    assert numbers.summary.unknown == 0
    for counts in (numbers.summary.symmetric, numbers.summary.possible):
        assert (counts["0"], counts["2-9"]) == (1, 1)
    cluster.put(Source.VMIS, condition("vm", "True"))
    assert of(cluster, "vm") == (2, 2 if cells else None)


def condition(name: str, status: str) -> Vmi:
    """The VMI with virt-handler's word on whether it can migrate."""
    said = {"type": "LiveMigratable", "status": status, "reason": "DisksNotLiveMigratable"}
    return msgspec.convert({**msgspec.to_builtins(vmi(name)), "status": {"conditions": [said]}}, Vmi)


def test_a_node_that_refused_an_equal_pod_is_none() -> None:
    """What a kubelet refused is not counted until something changes there."""
    cluster = nodes("a", "b")
    boot(cluster, "vm", "a")
    assert of(cluster, "vm") == (1, 1)
    again = running("again", "b")
    cluster.put(Source.PODS, again)
    cluster.pods[again.metadata.uid].placed_by_us = True
    cluster.make_rows()
    status = msgspec.structs.replace(again.status, phase="Failed", reason="UnexpectedAdmissionError")
    cluster.put(Source.PODS, msgspec.structs.replace(again, status=status))
    cluster.make_rows()
    assert of(cluster, "vm") == (0, 0)


def test_the_summary_has_every_vm_once() -> None:
    """VMs by number of targets: node a is full, so the VM on b has one; those that ended are gone after the next round."""
    cluster = nodes("a", "b", "c")
    for name, where in (("one", "a"), ("two", "a"), ("three", "b")):
        boot(cluster, name, where)
    numbers = counted(cluster)
    assert numbers.summary is not None
    assert numbers.summary.symmetric == {"0": 0, "1": 1, "2-9": 2, "10+": 0}
    pod = find_vm(cluster, "vms", "one")
    assert pod is not None
    for name, where in (("one", "a"), ("two", "a"), ("three", "b")):
        cluster.delete(Source.PODS, running(name, where))
    cluster.make_rows()
    for _ in numbers.round():
        pass
    assert sum(numbers.summary.symmetric.values()) == 0
    assert numbers.of(pod) is None


def test_age() -> None:
    """Seconds since the class was counted."""
    cluster = nodes("a", "b")
    boot(cluster, "vm", "a")
    cluster.tick(100.0)
    numbers = counted(cluster)
    cluster.tick(107.25)
    pod = find_vm(cluster, "vms", "vm")
    assert pod is not None
    assert numbers.of(pod) == EvacuableAnswer(1, 1, 7.2)


def test_steps_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """One step judges at most so many nodes, looks at so many VMs, and no more: 100 nodes and VMs take many steps."""
    monkeypatch.setattr(evacuable, "_NODES_AT_ONCE", 5)
    monkeypatch.setattr(evacuable, "_VMS_AT_ONCE", 5)
    cluster = nodes(*(f"n{number}" for number in range(40)))
    for number in range(40):
        boot(cluster, f"vm{number}", f"n{number}")
    looked = count()
    last = 0
    pods = cluster.pods

    class Counting(dict[str, Any]):
        def get(self, uid: str, _default: Any = None) -> Any:
            return _Seen(pods[uid], looked)

    cluster.pods = Counting()
    steps = 0
    for steps, _ in enumerate(Evacuability(cluster).round(), 1):  # noqa: B007 - the last number is asserted
        seen = next(looked)
        assert seen - last <= 5 + 2
        last = seen
    # 40 VMs by five, then two questions about 40 nodes by five and about the 40 homes one by one
    assert steps >= 40 // 5 + 2 * (40 // 5 - 1 + 40)


class _Seen:
    """A pod that counts who asks whether it is a launcher."""

    def __init__(self, pod: Any, looked: "Iterator[int]") -> None:
        self._pod = pod
        self._looked = looked

    @property
    def launcher(self) -> bool:
        next(self._looked)
        return bool(self._pod.launcher)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pod, name)


def _hotplugged() -> Vmi:
    return moved("vm", "a", machine(), [], sockets=8, vcpus=12)


@pytest.mark.parametrize("record", [vmi("vm"), _hotplugged()], ids=["as booted", "8 of 12 sockets run"])
@pytest.mark.parametrize("sidecar", [True, False])
def test_target_demand_is_that_of_the_target_pod(record: Vmi, sidecar: bool) -> None:
    """The target made of what the picture keeps asks for the same as the one made of the whole pod."""
    cluster = nodes("a")
    cluster.put(Source.VMIS, record)
    cluster.put(Source.PODS, running("vm", "a", sidecar=sidecar))
    cluster.make_rows()
    guest, plugged = cluster.vms.guest("vmi-vm"), cluster.vms.run_of("vmi-vm").plugged
    pod: Pod = running("vm", "a", sidecar=sidecar)
    assert target_demand(pod_demand(pod), guest, plugged) == pod_demand(target_pod(pod, guest, plugged))


def test_the_vm_is_found_where_it_lives() -> None:
    """By its own name or its pod's; while it migrates, the pod on its VMI's node."""
    cluster = nodes("a", "b")
    boot(cluster, "vm", "a")
    cluster.put(Source.PODS, running("vm-2", "b", vmi="vmi-vm"))
    cluster.put(Source.VMIS, moved("vm", "b", machine(), []))
    cluster.make_rows()
    found = find_vm(cluster, "vms", "vm-2")
    assert found is not None
    assert found.node == "b"
    assert find_vm(cluster, "vms", "vm") is None
    assert find_vm(cluster, "other", "vm-2") is None
    assert find_vm(cluster, "vms", "nothing") is None
