"""Huge pages stay where a guest touched them when it started, whatever leaves or grows afterwards.

Machine A: 2 zones of 8 cores with two threads and 32 x 1Gi pages, one core of zone 0 reserved; policy none packs CPUs.
"""

import msgspec
import pytest

from extender.api.objects import Vmi
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.cache.nodes.hugepages import HugePageUse
from extender.kubelet.facts_json import config_from_json, machine_from_json
from extender.kubevirt.hugepages import PageUse
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
    """Before its VMI is seen, its pages lie in the zones of its CPUs, and nothing tells how many in which."""
    cluster = _cluster()
    cluster.put(Source.PODS, pod("other", 6, 0, node_name="a", start=START))
    cluster.put(Source.PODS, running("vm", "a"))
    assert _free(cluster) == [16, 16]
    row = cluster.nodes["a"].row
    assert row is not None
    assert [(zone.pages_most or {})["hugepages-1Gi"] // GI for zone in row.zones] == [32, 32]
    assert row.pages_together == {"hugepages-1Gi": 48 * GI}
    cluster.put(Source.VMIS, vmi("vm"))
    assert _free(cluster) == [16, 32]
    row = cluster.nodes["a"].row
    assert row is not None
    assert [zone.pages_most for zone in row.zones] == [None, None]


PAGES = "hugepages-1Gi"
FOUR = machine_from_json(machine(zones=4, pages=10), "machine")
CONFIG = config_from_json(NONE, "kubelet")


def _bounds(*uses: PageUse) -> tuple[list[int], list[int], int]:
    """What one pod per use leaves of four zones with 10 pages each: for certain, at most, together."""
    free = HugePageUse().free(FOUR, CONFIG, [(str(number), True, (use,)) for number, use in enumerate(uses)])
    return (
        [amounts[PAGES] // GI for amounts in free.certain.values()],
        [amounts[PAGES] // GI for amounts in free.most.values()],
        free.together[PAGES] // GI,
    )


def _use(zones: tuple[int, ...], pages: int, *, bound: bool = True) -> PageUse:
    return PageUse(zones, PAGES, pages * GI, bound)


ALL = (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("uses", "certain", "most", "together"),
    [
        ((), [10, 10, 10, 10], [10, 10, 10, 10], 40),
        ((_use((1,), 4),), [10, 6, 10, 10], [10, 6, 10, 10], 36),
        # bound to two zones: the others are certain, and the two have 4 together
        ((_use((0, 1), 16),), [0, 0, 10, 10], [4, 4, 10, 10], 24),
        ((_use((0, 1), 4), _use((1, 2), 4)), [6, 2, 6, 10], [10, 10, 10, 10], 32),
        # bound to nothing
        ((_use(ALL, 6, bound=False),), [4] * 4, [10] * 4, 34),
        ((_use(ALL, 38, bound=False),), [0] * 4, [2] * 4, 2),
        ((_use(ALL, 50, bound=False),), [0] * 4, [0] * 4, 0),
        # near its CPUs, as long as their zones certainly have the pages; else anywhere
        ((_use((0, 1), 16, bound=False),), [0, 0, 10, 10], [4, 4, 10, 10], 24),
        ((_use((0, 1), 24, bound=False),), [0] * 4, [10] * 4, 16),
        ((_use(ALL, 6, bound=False), _use((1,), 4, bound=False)), [4, 0, 4, 4], [10, 6, 10, 10], 30),
        ((_use(ALL, 6, bound=False), _use((1,), 5, bound=False)), [0] * 4, [10] * 4, 29),
        # what is bound to a zone has found its pages there
        ((_use(ALL, 6, bound=False), _use((1,), 8)), [4, 0, 4, 4], [10, 2, 10, 10], 26),
    ],
)
def test_bounds_of_what_is_free(uses: tuple[PageUse, ...], certain: list[int], most: list[int], together: int) -> None:
    """For certain: whatever zones the open pages are in. At most: all of them elsewhere, as far as there is room."""
    assert _bounds(*uses) == (certain, most, together)


def test_a_pod_that_may_lie_anywhere_stays_so() -> None:
    """Room near its CPUs that comes later does not move its pages."""
    use = HugePageUse()
    first, second = _use((0,), 8), _use((0, 1), 14, bound=False)
    use.free(FOUR, CONFIG, [("first", True, (first,)), ("second", True, (second,))])
    assert use.is_loose("second", (second,))
    free = use.free(FOUR, CONFIG, [("second", True, (second,))])
    assert [amounts[PAGES] // GI for amounts in free.certain.values()] == [0] * 4
