"""Huge pages stay where a guest touched them when it started, whatever leaves or grows afterwards.

Machine A: 2 zones of 8 cores with two threads and 32 x 1Gi pages, one core of zone 0 reserved; policy none packs CPUs.
"""

import msgspec
import pytest

from extender.api.objects import Vmi
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.kubevirt.migration.cells_annotation import cells_text
from extender.kubevirt.migration.policy import BootCells
from extender.names import CELLS_ANNOTATION
from tests.kit.migrations import running, target
from tests.kit.objects import GI, KUBELET_A, machine, node, pod, vmi

NONE = {**KUBELET_A, "topologyManagerPolicy": "none", "memoryManagerPolicy": "None", "reservedMemory": []}
START = "2026-01-01T00:00:00Z"


def _cluster() -> Cluster:
    cluster = Cluster()
    cluster.put(Source.NODES, node("a", NONE, machine()))
    return cluster


def _free(cluster: Cluster) -> list[int]:
    """1Gi pages of each zone."""
    cluster.make_rows()
    row = cluster.nodes["a"].row
    assert row is not None
    return [(zone.pages_free or {})["hugepages-1Gi"] // GI for zone in row.zones]


def _grows(sockets: int, wanted: int) -> Vmi:
    """The VMI of `vm` while `sockets` run and its spec has more."""
    status = {"currentCPUTopology": {"sockets": sockets, "cores": 1, "threads": 1}}
    return msgspec.convert({**msgspec.to_builtins(vmi("vm", wanted)), "status": status}, Vmi)


def test_pages_taken_elsewhere_stay_taken_when_their_own_zone_gets_pages_back() -> None:
    """Nobody moves them: a VM bound to the zone that helped out would not start."""
    cluster = _cluster()
    first = pod("first", 4, 30, node_name="a", start=START)
    cluster.put(Source.PODS, first)
    cluster.put(Source.PODS, pod("second", 4, 8, node_name="a", start=START))
    assert _free(cluster) == [0, 26]
    cluster.delete(Source.PODS, first)
    assert _free(cluster) == [30, 26]


def test_pages_taken_elsewhere_come_back_with_their_pod() -> None:
    """The next pod of that name finds them free, and takes them where it stands."""
    cluster = _cluster()
    first, second = (pod(name, 4, gib, node_name="a", start=START) for name, gib in (("first", 30), ("second", 8)))
    for record in (first, second):
        cluster.put(Source.PODS, record)
    assert _free(cluster) == [0, 26]
    for record in (second, first):
        cluster.delete(Source.PODS, record)
    assert _free(cluster) == [32, 32]
    cluster.put(Source.PODS, second)
    assert _free(cluster) == [24, 32]


def test_a_promise_is_counted_where_it_would_find_pages_now() -> None:
    """It has not touched anything yet."""
    cluster = _cluster()
    first = pod("first", 4, 30, node_name="a", start=START)
    cluster.put(Source.PODS, first)
    cluster.put(Source.PODS, pod("second", 4, 8, node_name="a"))
    assert _free(cluster) == [0, 26]
    cluster.delete(Source.PODS, first)
    assert _free(cluster) == [24, 32]


def test_a_vm_that_waits_to_grow_holds_the_pages_of_its_boot() -> None:
    """8 vCPUs in zone 0 and the emulator in zone 1: one cell, whatever the spec says by now."""
    cluster = _cluster()
    cluster.put(Source.PODS, pod("other", 6, 0, node_name="a", start=START))
    cluster.put(Source.VMIS, vmi("vm"))
    cluster.put(Source.PODS, running("vm", "a"))
    assert _free(cluster) == [16, 32]
    cluster.put(Source.VMIS, _grows(8, 12))
    assert _free(cluster) == [16, 32]


def test_a_vm_that_grows_by_migration_touches_pages_for_what_runs() -> None:
    """8 of 12 vCPUs run, all in zone 0: there lies the memory, before and after the others are plugged in zone 1."""
    cluster = _cluster()
    cluster.put(Source.PODS, pod("other", 6, 0, node_name="a", start=START))
    cluster.put(Source.VMIS, _grows(8, 12))
    cluster.put(Source.PODS, target("vm", 13, node_name="a", start="2026-01-01T00:00:01Z"))
    assert _free(cluster) == [16, 32]
    cluster.put(Source.VMIS, _grows(12, 12))
    assert _free(cluster) == [16, 32]


def _grown(cells: BootCells) -> Vmi:
    """The VMI of `vm` after its growth to 12 vCPUs; `cells`: what its annotation says of its boot."""
    raw = msgspec.to_builtins(_grows(12, 12))
    raw["spec"]["domain"]["cpu"]["maxSockets"] = 16
    raw["metadata"]["annotations"] = {CELLS_ANNOTATION: cells_text(cells)} if cells else {}
    return msgspec.convert(raw, Vmi)


@pytest.mark.parametrize(
    ("cells", "free"),
    [
        # one cell lies in one zone: where the 8 vCPUs were that moved in
        (((8, 16 * GI),), [16, 32]),
        # two cells: each in its zone
        (((4, 8 * GI), (4, 8 * GI)), [24, 24]),
        # not known: as if all 12 had booted here
        ((), [24, 24]),
    ],
)
def test_a_vm_that_has_grown_holds_what_moved_in(cells: BootCells, free: list[int]) -> None:
    """Whoever sees it only after the growth goes by its cells: memory stays where the guest was when it came."""
    cluster = _cluster()
    cluster.put(Source.PODS, pod("other", 6, 0, node_name="a", start=START))
    cluster.put(Source.VMIS, _grown(cells))
    cluster.put(Source.PODS, target("vm", 13, node_name="a", start="2026-01-01T00:00:01Z"))
    assert _free(cluster) == free


def test_a_guest_that_is_known_late_decides_then() -> None:
    """Before its VMI is seen, the pages are counted by the zones of its CPUs."""
    cluster = _cluster()
    cluster.put(Source.PODS, pod("other", 6, 0, node_name="a", start=START))
    cluster.put(Source.PODS, running("vm", "a"))
    assert _free(cluster) == [24, 24]
    cluster.put(Source.VMIS, vmi("vm"))
    assert _free(cluster) == [16, 32]
