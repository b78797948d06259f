"""Migration targets as kube-scheduler asks about them: replies, charges, and the winner's second look."""

import json
from typing import Any

import msgspec
import pytest

from _fastfit.codes import Code
from extender.api.objects import Pod, Vmi
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from tests.kit import migration_rows as rows
from tests.kit.bodies import args
from tests.kit.migration_cluster import BY_ID, cluster_of_row
from tests.kit.migrations import running, target
from tests.kit.objects import GI, node, pod, vmi
from tests.kit.verbs import make_verbs

NODES = ["split", "whole"]


def _record(pod: Pod) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(msgspec.json.encode(pod))
    return made


def test_a_certain_failure_is_left_out_and_said() -> None:
    """The node that would give two zones to one cell is left out; alone, it is failed with the reason, for good."""
    row = BY_ID["M3"]
    verbs = make_verbs(cluster_of_row(row, split=row.target, whole=rows.idle("none")))
    answer = json.loads(verbs.filter(args(NODES, _record(target("vm"))), 1.0).body)
    assert answer["NodeNames"] == ["whole"]
    answer = json.loads(verbs.filter(args(["split"], _record(target("vm"))), 1.0).body)
    assert answer["NodeNames"] == []
    assert answer["FailedAndUnresolvableNodes"] == {
        "split": "the VM would touch more NUMA zones than it has guest cells"
    }


def test_the_charge_counts_for_the_next_target() -> None:
    """Two large VMs leave at once: the first target is charged before its binding, so the second sees one node less."""
    row = BY_ID["large|best-effort M1"]
    cluster = cluster_of_row(row, whole=rows.begun("best-effort"))
    verbs = make_verbs(cluster)
    assert json.loads(verbs.filter(args(["whole"], _record(target("vm", 25, 32))), 1.0).body)["NodeNames"] == ["whole"]
    assert cluster.assumed["uid-vm-2"].node == "whole"


def _unseen() -> Cluster:
    """Two nodes, one of them full; the VM runs somewhere, and its VMI has not been seen."""
    cluster = Cluster()
    for name in ("free", "full"):
        host = rows.idle("single-numa-node")
        cluster.put(Source.NODES, node(name, host.config, host.machine))
    for number in range(2):
        cluster.put(Source.PODS, running(f"other{number}", "full", 25, 0, sidecar=False))
    cluster.make_rows()
    return cluster


def test_a_target_whose_vm_is_not_known_is_certain_nowhere() -> None:
    """Unknown on every node, and kept; once the VMI is seen, it is judged."""
    cluster = _unseen()
    verbs = make_verbs(cluster)
    answer = json.loads(verbs.filter(args(["free", "full"], _record(target("vm"))), 1.0).body)
    assert answer["NodeNames"] == ["free", "full"]
    assert make_verbs.summaries[-1].counts == {Code.MoverNotKnown: 2}
    cluster.put(Source.VMIS, vmi("vm"))
    answer = json.loads(verbs.filter(args(["free", "full"], _record(target("vm"))), 2.0).body)
    assert answer["NodeNames"] == ["free"]


def test_without_its_vmi_a_first_boot_is_judged_by_the_kubelet() -> None:
    """And so is a target whose VM leaves its cells out of it (policy off); an ordinary VM's target passes."""
    verbs = make_verbs(_unseen())
    for record in (pod("vm"), target("vm", policy="off")):
        answer = json.loads(verbs.filter(args(["free", "full"], _record(record)), 1.0).body)
        assert answer["NodeNames"] == ["free"]
    ordinary = _record(target("vm", 1, 0))
    ordinary["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "100m"}}
    ordinary["status"]["qosClass"] = "Burstable"
    answer = json.loads(verbs.filter(args(["free", "full"], ordinary), 1.0).body)
    assert answer["NodeNames"] == ["free", "full"]


def _misread() -> dict[str, Any]:
    """Adjacent siblings, which KubeVirt takes for cores of one thread: zone 0 has one free CPU on each of two cores."""

    def zone(number: int, cores: list[tuple[int, int]]) -> dict[str, Any]:
        return {
            "id": number,
            "memoryBytes": 64 * GI,
            "hugepages": {"1Gi": 32},
            "distances": [10, 21] if number == 0 else [21, 10],
            "cores": [{"socket": number, "l3": None, "threads": list(threads)} for threads in cores],
        }

    return {"sockets": 2, "numa": [zone(0, [(0, 1), (2, 3)]), zone(1, [(4, 5), (6, 7), (8, 9), (10, 11), (12, 13)])]}


@pytest.mark.parametrize("policy", ["prefer", "strict", "off"])
def test_the_winner_is_looked_at_by_cpu_ids(policy: str) -> None:
    """Counts say that four whole cores of zone 1 hold the VM; KubeVirt would begin with the two CPUs of zone 0."""
    kubelet = {**rows.idle("none").config, "reservedSystemCPUs": "0,2,13"}
    made: dict[str, Any] = msgspec.to_builtins(vmi("vm", 8, 16, 2))
    made["spec"]["domain"] |= {"ioThreadsPolicy": "supplementalPool", "ioThreads": {"supplementalPoolThreadCount": 2}}
    host = rows.idle("none")
    cluster = Cluster()
    cluster.put(Source.NODES, node("source", host.config, host.machine))
    cluster.put(Source.VMIS, msgspec.convert(made, Vmi))
    cluster.put(Source.PODS, running("vm", "source", 11))
    cluster.put(Source.NODES, node("misread", kubelet, _misread()))
    cluster.make_rows()
    assert cluster.vms.guest_cells.cells("vmi-vm") == ((8, 16 * GI),)
    verbs = make_verbs(cluster)
    record = _record(target("vm", 11, policy=policy))
    answer = json.loads(verbs.filter(args(["misread"], record), 1.0).body)
    assert answer["NodeNames"] == (["misread"] if policy == "off" else [])
    assert bool(cluster.assumed) == (policy == "off")
    if policy != "off":
        assert "more NUMA zones" in answer["FailedAndUnresolvableNodes"]["misread"]
