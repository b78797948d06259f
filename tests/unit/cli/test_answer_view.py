"""How answers are shown: order, per-zone numbers, details of refusals, and JSON."""

import orjson

from extender.cli.answer_view import any_node_left, details, summary
from extender.cli.tables import Terminal
from extender.placement.answer_json import as_json
from extender.placement.answers import Fact, NodeAnswer, PodAnswer, ZoneAnswer

GIB = 1024**3

FITS = NodeAnswer(
    "epyc-1",
    "fits",
    "Fits",
    "fits",
    10,
    "enforce",
    "telco",
    zones=(0, 4),
    cells=2,
    per_zone=(
        ZoneAnswer(0, 32, 20, 20, {"hugepages-2Mi": 40 * GIB}, {"hugepages-2Mi": 32 * GIB, "memory": 60_000_000}),
        ZoneAnswer(1, 32, 4),
        ZoneAnswer(4, 32, 30, 13, {}, {"hugepages-2Mi": 32 * GIB}),
    ),
    facts=(Fact("cpuManagerPolicy", "static", "annotation fastfit.dev/kubelet"),),
    steps=("cpu 33: zones {0,4}",),
)
UNKNOWN = NodeAnswer("snc-1", "unknown", "ZonesNotReported", "no NUMA zones reported for the node", 0, "enforce", "")
REFUSED = NodeAnswer(
    "xeon-1",
    "refused",
    "ZonePagesShort",
    "a zone lacks its even share of guest memory",
    0,
    "enforce",
    "",
    per_zone=(
        ZoneAnswer(0, 40, 4, 0, {"hugepages-1Gi": 6 * GIB, "memory": int(1.5 * GIB)}, {}, {"vf": 2}, "5 CPUs"),
        ZoneAnswer(8, 40, 38, 0, {"hugepages-1Gi": 0, "memory": 300 * GIB}, {}, {}, "16 x 1Gi pages"),
    ),
    advice="KubeVirt splits guest memory evenly over the touched zones; QEMU would fail to start.",
    nearest="zone 0 lacks 5 CPUs",
)


def _answer(*nodes: NodeAnswer) -> PodAnswer:
    demand = ("compute: 33 CPUs, 64Gi of 2Mi pages", "console: nothing that has a zone")
    return PodAnswer("vms", "virt-launcher-a", "virtual machine, first boot", demand, ("no VMI",), nodes, 7)


def test_the_table_says_what_an_operator_needs() -> None:
    """Node, verdict, zones, CPUs and pages per zone, score and reason, in the answer's order."""
    assert summary(_answer(FITS, UNKNOWN, REFUSED), Terminal()).splitlines() == [
        "Pod vms/virt-launcher-a: virtual machine, first boot",
        "  asks for compute: 33 CPUs, 64Gi of 2Mi pages",
        "  asks for console: nothing that has a zone",
        "  note: no VMI",
        "  fits 1, unknown 1, refused 1",
        "",
        "NODE    VERDICT  ZONES  CPUS       PAGES          SCORE  REASON",
        "epyc-1  fits     0,4    0:20 4:13  0,4:16384x2Mi     10  fits",
        "snc-1   unknown                                       0  no NUMA zones reported for the node",
        "xeon-1  refused                                          a zone lacks its even share of guest memory",
    ]


def test_wide_adds_memory_cells_mode_pool_and_code() -> None:
    """What the plain table leaves out."""
    row = summary(_answer(FITS), Terminal(), wide=True).splitlines()[-1]
    assert row.split() == "epyc-1 fits 0,4 0:20 4:13 0,4:16384x2Mi 0:57.2Mi 2 10 enforce telco Fits fits".split()


def test_details_show_what_each_zone_has_and_lacks() -> None:
    """For a refused node: rule, remedy, and per zone free CPUs, pages, memory, devices and what is missing."""
    assert details(_answer(FITS, REFUSED), Terminal()).splitlines() == [
        "xeon-1: refused (ZonePagesShort)",
        "  a zone lacks its even share of guest memory",
        "  KubeVirt splits guest memory evenly over the touched zones; QEMU would fail to start.",
        "  nearest: zone 0 lacks 5 CPUs",
        "  ZONE  CPUS FREE  PAGES FREE  MEMORY FREE  DEVICES FREE  MISSING",
        "     0    4 of 40  6x1Gi             1.5Gi  2 vf          5 CPUs",
        "     8   38 of 40  0x1Gi             300Gi                16 x 1Gi pages",
    ]


def test_wide_details_show_facts_and_steps_of_every_node() -> None:
    """Each fact names its source."""
    text = details(_answer(FITS), Terminal(), wide=True)
    assert "  - cpu 33: zones {0,4}" in text
    assert "cpuManagerPolicy  static  annotation fastfit.dev/kubelet" in text


def test_no_details_where_everything_fits() -> None:
    """Nothing to explain, nothing printed."""
    assert details(_answer(FITS), Terminal()) == ""


def test_a_cluster_without_nodes_is_said() -> None:
    """An empty picture does not look like a table without rows."""
    assert summary(_answer(), Terminal()).splitlines()[-1] == "  no nodes are known"


def test_an_ordinary_vm_has_no_rows() -> None:
    """What asks nothing of zones is told so, and counts as placeable."""
    answer = PodAnswer("vms", "a", "virtual machine, first boot", (), ("an ordinary VM",), (), 1)
    assert summary(answer, Terminal()).splitlines()[1:] == ["  note: an ordinary VM"]
    assert any_node_left(answer)


def test_whether_a_node_is_left() -> None:
    """Unknown counts as left: the node is kept and ranked last."""
    assert any_node_left(_answer(FITS, REFUSED))
    assert any_node_left(_answer(UNKNOWN))
    assert not any_node_left(_answer(REFUSED))
    assert not any_node_left(_answer())


def test_json_is_camel_case_and_complete() -> None:
    """Programs get every field; resource names stay as they are."""
    found = orjson.loads(as_json(_answer(FITS, REFUSED)))
    assert found["role"] == "virtual machine, first boot"
    assert (found["apiVersion"], found["kind"], found["generation"]) == ("fastfit.dev/v1alpha1", "FastfitAnswer", 7)
    zone = found["nodes"][0]["perZone"][0]
    assert zone["cpusGiven"] == 20
    assert zone["memoryGiven"] == {"hugepages-2Mi": 32 * GIB, "memory": 60_000_000}
    assert found["nodes"][0]["facts"][0]["source"] == "annotation fastfit.dev/kubelet"


def test_hostile_names_do_not_reach_the_terminal() -> None:
    """Names come from files: nothing in them is an escape sequence afterwards."""
    evil = NodeAnswer(
        "n\x1b[2J", "refused", "X\x1b", "t\x07", 0, "m\x1b", "p\x1b", per_zone=(ZoneAnswer(0, 1, 1, missing="\x1b[0m"),)
    )
    answer = PodAnswer("a\x1b", "b\n", "k\x1b", ("d\x1b",), ("n\x1b",), (evil,), 1)
    for wide in (False, True):
        text = summary(answer, Terminal(width=60), wide) + details(answer, Terminal(width=60), wide)
        assert "\x1b" not in text
        assert "\x07" not in text
