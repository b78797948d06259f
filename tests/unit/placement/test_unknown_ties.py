"""Where no node fits: who is charged, what is learned, and what people read."""

import json
from typing import Any

import msgspec

from _fastfit.codes import Code
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from tests.kit.bodies import args
from tests.kit.objects import KUBELET_A, machine, node, pod
from tests.kit.verbs import explained, make_verbs

NODES = ["a", "b", "c"]


def asked() -> dict[str, Any]:
    """The pod of a call."""
    return json.loads(msgspec.json.encode(pod("vm")))  # type: ignore[no-any-return]


def untold() -> Cluster:
    """Three nodes with static CPU Manager and no word of zones."""
    cluster = Cluster()
    for name in NODES:
        cluster.put(Source.NODES, node(name))
    return cluster


def test_none_is_charged_and_a_refusal_still_teaches() -> None:
    """The pod went where we let it go: what its kubelet says of it counts for its equals."""
    cluster = untold()
    verbs = make_verbs(cluster)
    body = args(NODES, asked())
    assert json.loads(verbs.filter(body, 0.0).body)["NodeNames"] == NODES
    assert json.loads(verbs.prioritize(body, 0.0).body) == []
    assert make_verbs.summaries[-1].best == ""
    assert not cluster.assumed
    cluster.put(Source.PODS, pod("vm", node_name="b"))
    assert next(iter(cluster.pods.values())).placed_by_us


def test_a_pod_that_we_never_saw_teaches_nothing() -> None:
    """Somebody else bound it."""
    cluster = untold()
    cluster.put(Source.PODS, pod("vm", node_name="b"))
    assert not next(iter(cluster.pods.values())).placed_by_us


def test_one_unknown_node_is_charged() -> None:
    """There is nothing to decide."""
    cluster = untold()
    verbs = make_verbs(cluster)
    body = args(["a"], asked())
    verbs.filter(body, 0.0)
    assert [each["Score"] for each in json.loads(verbs.prioritize(body, 0.0).body)] == [10]
    assert [one.node for one in cluster.assumed.values()] == ["a"]


def test_a_node_that_fits_leaves_no_question() -> None:
    """It gets the 10, and unknown ones nothing."""
    cluster = untold()
    cluster.put(Source.NODES, node("d", KUBELET_A, machine()))
    answer = explained(cluster, pod("vm"))
    assert {each.node: each.score for each in answer.nodes if each.score} == {"d": 10}
    assert not [note for note in answer.notes if "kube-scheduler's own scores" in note]
    assert {each.code for each in explained(untold(), pod("vm")).nodes} == {Code.ZonesNotReported.name}
