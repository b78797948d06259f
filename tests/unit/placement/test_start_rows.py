"""Starting a VM: the outcome table S1-S18, each row by its number, through the whole picture.

R: exclusive CPUs of compute; cap(z): all CPUs of a zone, al(z): less the reserved ones, fr(z): free ones; H: bytes of
huge pages. Machine: 2 zones of 40 CPUs (20 cores x 2), one reserved core per zone, 32 x 1Gi pages per zone.
"""

from dataclasses import dataclass
from typing import Any

import pytest

from _fastfit.codes import Code
from extender.api.objects import Node, Pod, Vmi
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.placement.answers import NodeAnswer
from tests.kit.objects import GI, KUBELET_A, machine, node, nrt, pod, vmi
from tests.kit.verbs import explained

RESERVED = {"reservedSystemCPUs": "0,20,40,60"}
NO_MEMORY_MANAGER = {"memoryManagerPolicy": "None", "reservedMemory": []}
START = "2026-01-01T00:00:00Z"


def _node(policy: str, memory_manager: bool = False, **more: Any) -> Node:
    kubelet = {
        **KUBELET_A,
        **RESERVED,
        "topologyManagerPolicy": policy,
        **({} if memory_manager else NO_MEMORY_MANAGER),
    }
    return node("n", {**kubelet, **more}, machine(cores=20))


def _running(name: str, cpus: int, pages: int = 0, **more: Any) -> Pod:
    return pod(name, cpus, pages, node_name="n", start=START, sidecar=False, **more)


@dataclass(frozen=True)
class Row:
    """One row: a node with what runs on it, a VM, and what is expected."""

    id: str
    node: Node
    vm: Pod
    expected: Code
    running: tuple[Pod, ...] = ()
    vmi: Vmi | None = None
    zones: tuple[int, ...] | None = None
    cells: int | None = None


ROWS = [
    # S1: kube-scheduler sees it first (Insufficient cpu); asked all the same, we refuse.
    Row("S1", _node("none"), pod("vm", 77, 0), Code.NodeCpuShort),
    # S2: none admits whatever the sum allows, and packs: fewest free CPUs first.
    Row("S2-one", _node("none"), pod("vm", 20, 0), Code.Fits, zones=(0,)),
    Row("S2-split", _node("none"), pod("vm", 30, 0), Code.Fits, (_running("a", 20),), zones=(0, 1)),
    # S3: the kubelet admits, a touched zone has not the even share of pages: the VM would loop at its start.
    Row(
        "S3",
        _node("none"),
        pod("vm", 31, 24),
        Code.ZonePagesShort,
        (_running("a", 20, 30),),
        vmi("vm", 30, 24),
    ),
    Row("S3-best-effort", _node("best-effort"), pod("vm", 41, 66), Code.ZonePagesShort, (), vmi("vm", 40, 66)),
    # S4: one zone has it.
    Row("S4", _node("single-numa-node"), pod("vm", 33, 16), Code.Fits, (), vmi("vm", 32, 16), (0,), 1),
    Row("S4-mm", _node("single-numa-node", True), pod("vm", 33, 16), Code.Fits, (), vmi("vm", 32, 16), (0,), 1),
    # S5: larger than any zone's allocatable: never, on no such node.
    Row("S5", _node("single-numa-node"), pod("vm", 39, 0), Code.NeverFitsZone),
    Row("S5-xl", _node("single-numa-node"), pod("vm", 60, 0), Code.NeverFitsZone),
    # S6: this node is too full, another may do.
    Row("S6", _node("single-numa-node"), pod("vm", 30, 0), Code.ZoneCpuShort, (_running("a", 20), _running("b", 20))),
    # S7: restricted without Memory Manager, one zone has it.
    Row("S7", _node("restricted"), pod("vm", 33, 0), Code.Fits, zones=(0,)),
    # S8: between allocatable and capacity of the largest zone: refused for ever.
    Row("S8", _node("restricted"), pod("vm", 39, 0), Code.NeverFitsZone),
    # S9: wider than any zone: restricted admits two, contrary to a naive reading.
    Row("S9", _node("restricted"), pod("vm", 49, 0), Code.Fits, zones=(0, 1)),
    # S10: CPUs need two zones, memory one: the masks differ.
    Row("S10", _node("restricted", True), pod("vm", 49, 16, sidecar=False), Code.NeverFitsZone),
    # S11: CPUs and pages both need two.
    Row(
        "S11", _node("restricted", True), pod("vm", 49, 48, sidecar=False), Code.Fits, (), vmi("vm", 48, 48), (0, 1), 2
    ),
    # S12: any Guaranteed container on one of the zones vetoes it: a neighbour, or the VM's own console sidecar.
    Row(
        "S12-restricted",
        _node("restricted", True),
        pod("vm", 49, 48, sidecar=False),
        Code.MemoryGroupConflict,
        (_running("a", 2, 2),),
    ),
    Row(
        "S12-best-effort",
        _node("best-effort", True),
        pod("vm", 49, 48, sidecar=False),
        Code.MemoryGroupConflict,
        (_running("a", 2, 2),),
    ),
    Row("S12-own-sidecar", _node("restricted", True), pod("vm", 49, 48), Code.MemoryGroupConflict),
    Row(
        "S12-pod-scope",
        _node("restricted", True, topologyManagerScope="pod"),
        pod("vm", 49, 48),
        Code.Fits,
        (),
        vmi("vm", 48, 48),
        (0, 1),
        2,
    ),
    # S13, S14: best-effort takes one zone where one fits, else the smallest mask.
    Row("S13", _node("best-effort"), pod("vm", 33, 16), Code.Fits, (), vmi("vm", 32, 16), (0,), 1),
    Row("S14", _node("best-effort"), pod("vm", 49, 48), Code.Fits, (), vmi("vm", 48, 48), (0, 1), 2),
    # S15: an odd count under full-pcpus-only with SMT.
    Row(
        "S15",
        _node("single-numa-node", cpuManagerPolicyOptions={"full-pcpus-only": "true"}),
        pod("vm", 9, 0),
        Code.SmtAlignment,
    ),
    Row(
        "S15-parity",
        _node("single-numa-node", cpuManagerPolicyOptions={"full-pcpus-only": "true"}),
        pod("vm", 10, 0),
        Code.Fits,
        zones=(0,),
    ),
    # S16: more than 8 zones without the option.
    Row(
        "S16",
        node(
            "n",
            {**KUBELET_A, **NO_MEMORY_MANAGER, "topologyManagerPolicy": "restricted", "reservedSystemCPUs": "0"},
            machine(zones=9, cores=4),
        ),
        pod("vm", 2, 0),
        Code.TooManyZones,
    ),
    # S17: two threads per guest core on a host without SMT: 19 CPUs of one zone and 1 of the other hold 9 of 10 cores.
    Row(
        "S17",
        node(
            "n",
            {**KUBELET_A, **NO_MEMORY_MANAGER, "topologyManagerPolicy": "none", "reservedSystemCPUs": "0,20"},
            machine(cores=20, threads=1),
        ),
        pod("vm", 20, 20),
        Code.CoreSplit,
        (),
        vmi("vm", 20, 20, threads=2, isolate=False),
    ),
    # S18: guest memory below one page per cell.
    Row("S18", _node("best-effort"), pod("vm", 49, 1), Code.GuestMemoryPages, (), vmi("vm", 48, 1)),
]


def _answer(row: Row) -> NodeAnswer:
    cluster = Cluster()
    cluster.put(Source.NODES, row.node)
    if row.vmi is not None:
        cluster.put(Source.VMIS, row.vmi)
    cluster.replace(Source.PODS, row.running)
    return explained(cluster, row.vm).nodes[0]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_start_row(row: Row) -> None:
    """The verdict, and where it fits the predicted zones and cells."""
    answer = _answer(row)
    assert answer.code == row.expected.name, answer
    if row.zones is not None:
        assert answer.zones == row.zones
    if row.cells is not None:
        assert answer.cells == row.cells


def test_every_row_is_here() -> None:
    """S1 to S18, none left out."""
    assert {row.id.split("-")[0] for row in ROWS} == {f"S{number}" for number in range(1, 19)}


def test_no_pages_known_without_memory_manager_and_statement() -> None:
    """Only a report, Memory Manager None: pages per zone are not seen, so a passthrough VM is unknown."""
    cluster = Cluster()
    cluster.put(Source.NODES, node("n"))
    cluster.put(Source.NRTS, nrt("n", [{"cpu": 14}, {"cpu": 16}]))
    cluster.put(Source.VMIS, vmi("vm"))
    assert explained(cluster, pod("vm")).nodes[0].code == "PagesNotReported"
    free = [
        {"cpu": 14, "memory": 31 * GI, "hugepages-1Gi": 32 * GI},
        {"cpu": 16, "memory": 32 * GI, "hugepages-1Gi": 32 * GI},
    ]
    cluster.put(Source.NRTS, nrt("n", free))
    assert explained(cluster, pod("vm")).nodes[0].code == "Fits"
