"""A report that names one zone twice says two things of it; neither is believed, and it is told."""

import json
from typing import Any

import msgspec
import pytest

from extender.api.objects import NodeResourceTopology
from extender.cache.nodes.nrt import read_nrt
from tests.kit.objects import node, nrt
from tests.known_defects.scene import Extender


def report(*more: dict[str, Any]) -> NodeResourceTopology:
    """Zones node-0 and node-1, and then these."""
    raw = json.loads(msgspec.json.encode(nrt("n", [{"cpu": 14}, {"cpu": 16}])))
    raw["zones"] += more
    return msgspec.convert(raw, NodeResourceTopology)


def zone(name: str, cpus: str) -> dict[str, Any]:
    """A zone with so many CPUs."""
    cpu = {"name": "cpu", "capacity": "16", "allocatable": cpus, "available": cpus}
    return {"name": name, "type": "Node", "costs": [], "resources": [cpu]}


#: The last one would win.
TWICE = pytest.mark.parametrize(
    "again", [zone("node-0", "2"), zone("node-1", "64"), zone("node-01", "64")], ids=["same", "larger", "spelling"]
)


def seen(record: NodeResourceTopology) -> Extender:
    """A node of which nothing else is known."""
    extender = Extender()
    extender.see(node("n"), record)
    return extender


def test_each_zone_named_once_is_believed() -> None:
    """The node is judged by its zones."""
    assert read_nrt(report()).problem == ""
    assert seen(report()).verdict("n") == "fits"
    assert seen(report()).free("n") == [14, 16]


def test_a_zone_that_cannot_be_read_is_told() -> None:
    """Its amounts are no quantities."""
    record = report(zone("node-2", "many"))
    assert "node-2" in read_nrt(record).problem
    assert seen(record).verdict("n") == "unknown"


def test_a_zone_of_another_kind_says_nothing_of_ours() -> None:
    """Exporters may list caches and devices beside NUMA zones."""
    record = report({**zone("node-0", "2"), "type": "Cache"}, zone("l3-0", "8"))
    assert read_nrt(record).problem == ""
    assert seen(record).free("n") == [14, 16]


@TWICE
def test_a_zone_named_twice_is_told(again: dict[str, Any]) -> None:
    """In words that name the zone."""
    assert again["name"] in read_nrt(report(again)).problem


@TWICE
def test_a_node_with_a_zone_named_twice_is_unknown(again: dict[str, Any]) -> None:
    """Which of the two is right nobody knows."""
    assert seen(report(again)).verdict("n") == "unknown"
