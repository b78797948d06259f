"""Sums of a whole cluster, for people: whose requests count, and what cannot be read."""

from typing import Any

import pytest
from msgspec import convert

from extender.api.objects import Node, Pod
from extender.placement.node_totals import NodeTotals, nearness_in_total, text_in_total

GI = 1 << 30


def node(name: str = "n", **allocatable: str) -> Node:
    whole = {"cpu": "8", "memory": "8Gi", "ephemeral-storage": "10Gi", "pods": "3", **allocatable}
    return convert({"metadata": {"name": name}, "status": {"allocatable": whole}}, Node)


def pod(name: str, on: str = "", phase: str = "Running", **requests: str) -> Pod:
    spec = {"nodeName": on, "containers": [{"name": "c", "resources": {"requests": requests}}]}
    return convert({"metadata": {"name": name, "uid": name}, "spec": spec, "status": {"phase": phase}}, Pod)


def reasons(asked: Pod, *pods: Pod, on: Node | None = None) -> list[str]:
    return [short.reason for short in NodeTotals([on or node()], pods).short(asked).get("n", ())]


def test_pods_of_the_node_count() -> None:
    """Not those of other nodes, nor those that wait for one."""
    asked = pod("a", cpu="4")
    assert reasons(asked, pod("b", "n", cpu="4")) == []
    assert reasons(asked, pod("b", "n", cpu="5")) == ["OutOfcpu"]
    assert reasons(asked, pod("b", "other", cpu="5"), pod("c", cpu="5")) == []


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_pods_that_are_over_do_not(phase: str) -> None:
    """Neither their requests nor their number."""
    assert reasons(pod("a", cpu="4"), *(pod(f"b{i}", "n", phase, cpu="5") for i in range(5))) == []


def test_the_pod_itself_does_not() -> None:
    """A running pod is judged as if it came."""
    running = pod("a", "n", cpu="5")
    assert reasons(running, running) == []


@pytest.mark.parametrize("bad", ["-1", "many"])
def test_what_cannot_be_read_refuses_nothing(bad: str) -> None:
    """Of the pod, of another pod, of the node."""
    assert reasons(pod("a", cpu=bad), on=node(cpu="0")) == []
    assert reasons(pod("a", cpu="4"), pod("b", "n", cpu=bad)) == []
    assert reasons(pod("a", cpu="4"), on=node(memory="much", cpu="0")) == []


@pytest.mark.parametrize("status", [{}, {"allocatable": None}, {"allocatable": {}}])
def test_a_node_that_reports_nothing_refuses_nothing(status: dict[str, Any]) -> None:
    """Unknown is not no."""
    bare = convert({"metadata": {"name": "n"}, "status": status}, Node)
    assert reasons(pod("a", **{"cpu": "4", "hugepages-1Gi": "1Gi"}), on=bare) == []


def test_how_near_a_node_is() -> None:
    """By the largest share that lacks; never, where even the empty node is too small."""
    now = NodeTotals([node()], [pod("b", "n", cpu="6", memory="6Gi")]).short(pod("a", cpu="4", memory="4Gi"))["n"]
    near = nearness_in_total(now)
    assert (near.could, near.share, near.missing) == (True, 0.5, "the node lacks 2 CPUs, 2Gi memory")
    never = NodeTotals([node()], []).short(pod("a", cpu="9"))["n"]
    assert nearness_in_total(never).beyond == "9 CPUs are asked, the node has 8 CPUs"
    text = text_in_total("full", never)
    assert text.startswith("full: OutOfcpu: Node didn't have enough resource: cpu, ")
    assert text.endswith("; never fits: 9 CPUs are asked, the node has 8 CPUs")
