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


def _zone(name: str, *resources: dict[str, object]) -> dict[str, object]:
    return {"name": name, "type": "Node", "resources": list(resources)}


def _cpu(**amounts: object) -> dict[str, object]:
    return {"name": "cpu", "capacity": "16", "allocatable": "14", "available": "6", **amounts}


@pytest.mark.parametrize("field", ["capacity", "allocatable", "available"])
def test_what_cannot_be_read_is_named_with_its_path(field: str) -> None:
    """The zone stays, and so do its other resources."""
    memory = {"name": "memory", "capacity": "2Gi", "allocatable": "1Gi", "available": "1Gi"}
    found = read_nrt(_record(zones=[_zone("node-0"), _zone("node-1", memory, _cpu(**{field: "many"}))]))
    assert found.problem.startswith(f"zones[1].resources[1] (cpu of node-1).{field}: quantity 'many'")
    assert [zone.id for zone in found.zones] == [0, 1]
    assert found.zones[1].allocatable == {"memory": GI}


def test_offers_are_rounded_down() -> None:
    """Half a CPU is none."""
    found = read_nrt(_record(zones=[_zone("node-0", _cpu(capacity="16", allocatable="15750m", available="1999m"))]))
    assert (found.zones[0].allocatable["cpu"], found.zones[0].available["cpu"]) == (15, 1)


def test_no_available_is_not_zero() -> None:
    """It is absent, and a capacity that is absent is what is allocatable."""
    resource = {"name": "cpu", "allocatable": 38}
    found = read_nrt(_record(zones=[_zone("node-0", resource)]))
    assert found.misses_available
    assert found.zones[0].available == {}
    assert found.zones[0].capacity == {"cpu": 38}
    assert not read_nrt(_record(zones=[_zone("node-0", _cpu())])).misses_available


def test_a_resource_without_allocatable_or_named_twice_is_a_problem() -> None:
    """What the kubelet gives is not known."""
    assert "has no allocatable" in read_nrt(_record(zones=[_zone("node-0", {"name": "cpu", "capacity": 4})])).problem
    assert "names the resource again" in read_nrt(_record(zones=[_zone("node-0", _cpu(), _cpu())])).problem


@pytest.mark.parametrize("name", ["numa-node-0", "node0", "0", "NUMA-0", "node-x", "socket-0"])
def test_zones_under_other_names_are_named(name: str) -> None:
    """With the form that is expected."""
    problem = read_nrt(_record(zones=[_zone(name, _cpu())])).problem
    assert name in problem
    assert "expected node-<number>" in problem


def test_a_field_that_could_not_be_decoded_is_the_problem() -> None:
    """Whoever decodes the object notes it in the record."""
    assert (
        read_nrt(_record(zones=[_zone("node-0", _cpu())], unreadable="$.zones[0].costs")).problem == "$.zones[0].costs"
    )


@pytest.mark.parametrize(
    ("capacity", "more", "shown"),
    [
        ("33Gi", {}, True),
        ("32Gi", {}, False),
        ("33Gi", {"metadata": {"name": "n", "annotations": {"node.koordinator.sh/cpu-topology": "{}"}}}, False),
        ("33Gi", {"metadata": {"name": "n", "labels": {"koordinator.sh/a": "b"}}}, False),
    ],
)
def test_memory_proves_a_manager_only_with_a_reservation(
    capacity: str, more: dict[str, object], *, shown: bool
) -> None:
    """And where no other program left its mark."""
    memory = {"name": "memory", "capacity": capacity, "allocatable": "32Gi", "available": "32Gi"}
    assert read_nrt(_record(zones=[_zone("node-0", memory)], **more)).shows_memory_reservation() is shown
