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


def _named(name: str, cpus: str = "8", **more: object) -> dict[str, object]:
    """A zone with CPUs alone."""
    return {**_zone(name, _cpu(capacity=cpus, allocatable=cpus, available=cpus)), **more}


@pytest.mark.parametrize(
    "name",
    [
        "node--1",
        "node-1024",
        "node-99999999999999999999",
        "node-1x",
        "node-٣",
        "Node-1",
        "numa-node-1",
        "NUMA 1",
        "node1",
    ],
)
def test_a_zone_that_is_meant_and_cannot_be_read_is_a_problem(name: str) -> None:
    """Beside a zone that can: without the other one the machine would look smaller than it is."""
    problem = read_nrt(_record(zones=[_named("node-0"), _named(name)])).problem
    assert problem.startswith(f"zones[1] ({name[:60]}): expected node-<number")


@pytest.mark.parametrize("again", ["node-0", "node-00", "node-0000"])
@pytest.mark.parametrize("cpus", ["8", "64"])
def test_of_a_zone_that_is_named_twice_nothing_is_believed(again: str, cpus: str) -> None:
    """Neither of the two, also where they say the same."""
    found = read_nrt(_record(zones=[_named("node-0"), _named("node-1"), _named(again, cpus)]))
    assert found.problem == f"zones[2] ({again}) is zone 0 again, which zones[0] (node-0) is already"
    assert [zone.id for zone in found.zones] == [1]


def test_zeros_before_a_number_change_nothing() -> None:
    """node-02 is zone 2, where no other zone is."""
    found = read_nrt(_record(zones=[_named("node-0"), _named("node-02")]))
    assert ([zone.id for zone in found.zones], found.problem) == ([0, 2], "")


def test_of_a_resource_that_is_named_twice_nothing_is_believed() -> None:
    """The other resources of the zone stay."""
    memory = {"name": "memory", "capacity": "2Gi", "allocatable": "1Gi", "available": "1Gi"}
    found = read_nrt(_record(zones=[_zone("node-0", _cpu(), memory, _cpu(allocatable="2"))]))
    assert "zones[0].resources[2] (cpu of node-0) names the resource again" in found.problem
    assert [found.zones[0].capacity, found.zones[0].allocatable, found.zones[0].available] == [
        {"memory": 2 * GI},
        {"memory": GI},
        {"memory": GI},
    ]


@pytest.mark.parametrize("kind", ["Core", "Socket", "Cache", "l3"])
def test_zones_of_other_types_may_have_any_name(kind: str) -> None:
    """They are no NUMA nodes, even under the name of one."""
    found = read_nrt(_record(zones=[_named("node-0"), _named("node-0", "2", type=kind), _named("node-x", type=kind)]))
    assert (len(found.zones), found.problem) == (1, "")


@pytest.mark.parametrize("kind", ["Node", "node", ""])
def test_the_type_of_a_numa_node(kind: str) -> None:
    """Its spelling does not matter, and it may be left out."""
    assert [zone.id for zone in read_nrt(_record(zones=[_named("node-3", type=kind)])).zones] == [3]


def test_parents() -> None:
    """A NUMA node lies in a socket; one that lies in another NUMA node is counted there as well, or not."""
    inside = [_named("node-0", parent="socket-0"), _named("socket-0", type="Socket")]
    assert read_nrt(_record(zones=inside)).problem == ""
    nested = read_nrt(_record(zones=[_named("node-0"), _named("node-1", parent="node-0")])).problem
    assert nested.startswith("zone node-1 lies inside zone node-0")


@pytest.mark.parametrize(
    ("costs", "problem"),
    [
        ([("node-0", 10), ("node-1", 21), ("l3-0", -5)], ""),
        ([("node-1", 21), ("node-1", 21)], ""),
        ([("node-1", 21), ("node-01", 32)], "zones[0].costs[1] (node-01 of node-0) names the zone again"),
        ([("node-1", -1)], "zones[0].costs[0] (node-1 of node-0): -1 is not a distance"),
        ([("node-1", 2**40)], "zones[0].costs[0] (node-1 of node-0): 1099511627776 is not a distance"),
    ],
)
def test_distances_are_told_at_their_place(costs: list[tuple[str, int]], problem: str) -> None:
    """What is no distance is a mistake of the report, and of nothing else."""
    zone = _named("node-0", costs=[{"name": name, "value": value} for name, value in costs])
    assert read_nrt(_record(zones=[zone])).problem.startswith(problem)
    assert bool(read_nrt(_record(zones=[zone])).problem) is bool(problem)


def test_more_cpus_than_a_machine_has() -> None:
    """No machine is made of them, which would take long."""
    assert "more than 8192 CPUs" in read_nrt(_record(zones=[_named("node-0", "9000"), _named("node-1")])).problem


def test_a_policy_that_is_not_known_is_kept_for_words() -> None:
    """It is not the same as none."""
    attributes = [{"name": "topologyManagerPolicy", "value": "cluster-wide"}]
    found = read_nrt(_record(attributes=attributes, zones=[_named("node-0")]))
    assert (found.policy, found.other_policy) == ("", "cluster-wide")
