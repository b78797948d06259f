"""A report that says what no machine has: its node is unknown, the report is named, and nothing looks like the machine."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from extender.api.objects import NodeResourceTopology
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.placement.answers import NodeAnswer
from tests.kit.objects import KUBELET_A, machine, node, nrt, pod
from tests.kit.verbs import explained

Edit = Callable[[dict[str, Any]], object]


def _zone(name: str, **amounts: str) -> dict[str, Any]:
    resources = [
        {"name": key, "capacity": value, "allocatable": value, "available": value} for key, value in amounts.items()
    ]
    return {"name": name, "type": "Node", "resources": resources}


def _report(edit: Edit, name: str = "n") -> NodeResourceTopology:
    raw = json.loads(msgspec.json.encode(nrt(name, [{"cpu": 14}, {"cpu": 16}])))
    edit(raw)
    return msgspec.convert(raw, NodeResourceTopology)


def _answer(edit: Edit, *, stated: bool = False) -> NodeAnswer:
    cluster = Cluster()
    cluster.put(Source.NODES, node("n", KUBELET_A, machine()) if stated else node("n"))
    cluster.put(Source.NRTS, _report(edit))
    return explained(cluster, pod("vm", 4, 0)).nodes[0]


EDITS = pytest.mark.parametrize(
    "edit",
    [
        lambda raw: raw["zones"].append(_zone("node-0", cpu="2")),
        lambda raw: raw["zones"].append(_zone("node--1", cpu="2")),
        lambda raw: raw["zones"].append(_zone("node-2", cpu="1e9")),
        lambda raw: raw["zones"].append(_zone("node-2", cpu="2", memory="9000000000000000000")),
        lambda raw: raw["zones"].append(_zone("node-2", **{"cpu": "2", "hugepages-odd": "4Gi"})),
        lambda raw: raw["zones"].extend(_zone(f"node-{number}", cpu="2") for number in range(2, 66)),
        lambda raw: raw["zones"][0]["costs"][1].update(value=-1),
    ],
    ids=["twice", "negative id", "many CPUs", "much memory", "page size", "many zones", "distance"],
)


@EDITS
def test_the_report_is_named(edit: Edit) -> None:
    """Not the annotations, which nobody wrote; and no zone is shown."""
    answer = _answer(edit)
    assert (answer.verdict, answer.code) == ("unknown", "ReportUnreadable")
    assert "NodeResourceTopology n: " in answer.text
    assert "annotation" not in answer.text
    assert answer.per_zone == ()


@EDITS
def test_a_stated_machine_is_judged(edit: Edit) -> None:
    """The remedy that needs no exporter."""
    assert _answer(edit, stated=True).code in ("Fits", "FactsContradict")


def test_reports_are_told_apart_by_the_exact_name() -> None:
    """Names of nodes have no capitals; a report under one is of no node."""
    cluster = Cluster()
    cluster.put(Source.NODES, node("n", KUBELET_A, machine()))
    cluster.put(Source.NRTS, _report(lambda raw: None))
    cluster.put(Source.NRTS, _report(lambda raw: raw["zones"].append(_zone("node-0", cpu="2")), "N"))
    assert [(each.node, each.code) for each in explained(cluster, pod("vm", 4, 0)).nodes] == [("n", "Fits")]


def test_a_policy_that_is_not_known_is_named() -> None:
    """It is there, so nobody is told that it is missing."""
    answer = _answer(lambda raw: raw["attributes"][0].update(value="cluster-wide"))
    assert answer.code == "PolicyNotKnown"
    assert "the report names 'cluster-wide', which is not known" in answer.text


def test_a_report_without_zones_is_there() -> None:
    """The words do not say that there is none."""
    answer = _answer(lambda raw: raw.update(zones=[]))
    assert answer.code == "ZonesNotReported"
    assert "its NodeResourceTopology has no zones" in answer.text
