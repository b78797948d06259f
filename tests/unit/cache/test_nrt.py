"""Reading NodeResourceTopology objects."""

import msgspec
import pytest

from extender.api.objects import NodeResourceTopology
from extender.cache.nodes.nrt import read_nrt
from tests.kit.objects import GI, nrt


def _record(**fields: object) -> NodeResourceTopology:
    return msgspec.convert({"metadata": {"name": "n"}, **fields}, NodeResourceTopology)


def test_zones_stand_in_ascending_id_whatever_the_order() -> None:
    """Sparse ids and the order of the list do not matter."""
    zones = [{"name": f"node-{zone}", "type": "Node", "resources": []} for zone in (8, 0, 252)]
    assert [zone.id for zone in read_nrt(_record(zones=zones)).zones] == [0, 8, 252]


def test_zones_of_other_types_and_names_are_left_out() -> None:
    """Only zones named node-<id> of type Node are host NUMA nodes."""
    zones = [
        {"name": "node-0", "type": "Node"},
        {"name": "node-1", "type": "Core"},
        {"name": "socket-0", "type": "Node"},
    ]
    assert [zone.id for zone in read_nrt(_record(zones=zones)).zones] == [0]


@pytest.mark.parametrize(
    ("old", "expected"),
    [
        ("SingleNUMANodePodLevel", ("single-numa-node", "pod")),
        ("SingleNUMANodeContainerLevel", ("single-numa-node", "container")),
        ("BestEffort", ("best-effort", "container")),
        ("Restricted", ("restricted", "container")),
        ("None", ("none", "container")),
        ("Whatever", ("", "")),
    ],
)
def test_old_topology_policies(old: str, expected: tuple[str, str]) -> None:
    """topologyPolicies names policy and scope where attributes are absent."""
    found = read_nrt(_record(topologyPolicies=[old], zones=[]))
    assert (found.policy, found.scope) == expected


def test_attributes_win_over_the_old_field() -> None:
    """The attribute is the newer statement."""
    record = _record(
        topologyPolicies=["Restricted"],
        attributes=[{"name": "topologyManagerPolicy", "value": "best-effort"}],
        zones=[],
    )
    assert read_nrt(record).policy == "best-effort"


def test_amounts_and_costs() -> None:
    """Capacity, allocatable, available and distances by zone id."""
    found = read_nrt(nrt("n", [{"cpu": 6, "hugepages-1Gi": 4 * GI}, {"cpu": 16}]))
    assert found.zones[0].available == {"cpu": 6, "hugepages-1Gi": 4 * GI}
    assert found.zones[0].allocatable["cpu"] == 14
    assert found.zones[0].capacity["cpu"] == 16
    assert found.zones[1].costs == {0: 21, 1: 10}


def test_a_malformed_quantity_is_a_problem_that_names_the_zone() -> None:
    """Nothing is raised: the node becomes unknown with the text."""
    zones = [{"name": "node-0", "type": "Node", "resources": [{"name": "cpu", "available": "1x"}]}]
    assert "node-0" in read_nrt(_record(zones=zones)).problem
