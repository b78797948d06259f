"""First boots that stay movable: a node whose layout of guest cells another node gives as well, through filter and score.

Nodes of two zones, 8 cores of two threads each, policy none; what else runs on a node decides how KubeVirt splits the
VM's 8 vCPUs: with 9 other CPUs 5+3, with 10 4+4, with 12 2+6. The more, the less stays free: the better fit.
"""

import json

import pytest

from extender.cache.cluster import Cluster
from extender.cache.events import Source
from tests.kit.bodies import args, pod_json
from tests.kit.migrations import running, target
from tests.kit.objects import machine, node, pod, vmi
from tests.kit.verbs import explained, make_verbs
from tests.unit.placement.test_restart import NONE


def cluster_of(**busy: int) -> Cluster:
    """Nodes by the CPUs of the pod that runs there, and a VM that waits for its first boot."""
    cluster = Cluster()
    for name, cpus in busy.items():
        cluster.put(Source.NODES, node(name, NONE, machine()))
        if cpus:
            cluster.put(Source.PODS, running(f"other-{name}", name, cpus, 0))
    cluster.put(Source.VMIS, vmi("vm"))
    return cluster


def layouts(cluster: Cluster) -> dict[str, str]:
    """What explain says of every node's layout."""
    return {
        answer.node: next((step for step in answer.steps if step.startswith("layout:")), "")
        for answer in explained(cluster, pod("vm")).nodes
    }


@pytest.mark.parametrize(
    ("busy", "best"),
    [
        # 2+6 fills its zones more, but a VM with these cells could move nowhere as it is
        ({"lone": 12, "some": 9, "more": 9}, "some or more"),
        # 2+6 twice: now the fit decides
        ({"lone": 12, "like": 12, "some": 9, "more": 9}, "like"),
        # even cells and one cell stand first, company or not
        ({"even": 10, "some": 9, "more": 9}, "even"),
        ({"one": 0, "some": 9, "more": 9}, "one"),
        # with nobody else in the call nothing changes
        ({"lone": 12}, "lone"),
    ],
)
def test_score_prefers_layouts_that_another_node_gives(busy: dict[str, int], best: str) -> None:
    """The node that gets the 10, and the charge, in filter and prioritize."""
    verbs = make_verbs(cluster_of(**busy))
    body = args(list(busy), pod_json("vm"))
    assert json.loads(verbs.filter(body, 0.0).body)["NodeNames"] == list(busy)
    scores = {each["Host"]: each["Score"] for each in json.loads(verbs.prioritize(body, 0.0).body)}
    [winner] = [name for name, score in scores.items() if score == 10]
    assert winner in best.split()


def test_explain_counts_the_company() -> None:
    """Every node's layout with the number of others that give it; the lone one is told what it costs."""
    cluster = cluster_of(lone=12, some=9, more=9, third=9, even=10, full=30)
    assert layouts(cluster) == {
        "lone": "layout: 2 cells of 2+6 vCPUs, as on no other node that would do now: "
        "ranks behind uneven layouts that others give",
        "some": "layout: 2 cells of 5+3 vCPUs, as on 2 other nodes that would do now",
        "more": "layout: 2 cells of 5+3 vCPUs, as on 2 other nodes that would do now",
        "third": "layout: 2 cells of 5+3 vCPUs, as on 2 other nodes that would do now",
        "even": "layout: 2 cells of 4+4 vCPUs, as on no other node that would do now",
        "full": "",
    }


def test_only_boots_have_a_layout_to_choose() -> None:
    """A migration's target keeps the cells of its boot, and a guest without passthrough has none: no word of layouts."""
    cluster = cluster_of(some=9, more=9)
    assert not any(
        step.startswith("layout:") for answer in explained(cluster, target("vm")).nodes for step in answer.steps
    )
    cluster.delete(Source.VMIS, vmi("vm"))
    assert set(layouts(cluster).values()) == {""}
