"""prioritize after filter: what filter found is used again exactly as long as it is still true."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.verbs.service import Verbs
from tests.kit.bodies import pod_json
from tests.kit.objects import KUBELET_A, machine, node, pod
from tests.kit.verbs import make_verbs

NODES = [f"n{number}" for number in range(6)]


def _verbs(shortlist: int = 0) -> Verbs:
    cluster = Cluster(promise_seconds=30.0)
    for name in NODES:
        cluster.put(Source.NODES, node(name, KUBELET_A, machine()))
    verbs = make_verbs(cluster)
    verbs.context.shortlist = shortlist
    return verbs


def _body(names: Any = NODES, uid: str = "") -> bytes:
    record = pod_json()
    record["metadata"]["uid"] = uid or record["metadata"]["uid"]
    return json.dumps({"Pod": record, "Nodes": None, "NodeNames": names}, separators=(",", ":")).encode()


def _fresh(verbs: Verbs, body: bytes) -> bytes:
    """The answer of a prioritize that remembers no filter."""
    verbs.context.filtered = None
    return verbs.prioritize(body, 1.0).body


@pytest.mark.parametrize("shortlist", [0, 3])
@pytest.mark.parametrize("asked", ["all", "left"])
def test_the_answer_is_that_of_a_fresh_call(shortlist: int, asked: str) -> None:
    """Whether all nodes are asked about or the survivors, with a shortlist or without."""
    verbs = _verbs(shortlist)
    left = json.loads(verbs.filter(_body(), 1.0).body)["NodeNames"]
    body = _body(NODES if asked == "all" else left)
    repeated = verbs.prioritize(body, 1.0).body
    assert json.loads(repeated)[0]["Score"] == 10
    assert repeated == _fresh(verbs, body)
    offered = [summary.offered for summary in make_verbs.summaries[-2:]]
    assert offered == [len(NODES if asked == "all" else left)] * 2


def test_the_pod_is_judged_once() -> None:
    """Nothing changed in between: the table is not asked a second time."""
    verbs = _verbs()
    cluster = verbs.context.decider.cluster
    reply = verbs.filter(_body(), 1.0)
    generation = cluster.generation
    assert verbs.prioritize(_body(json.loads(reply.body)["NodeNames"]), 1.0).status == 200
    assert cluster.generation == generation


def test_the_promise_lasts_from_the_later_call() -> None:
    """prioritize comes 20 s after filter: at 40 s the charge still stands, at 60 s it is gone."""
    verbs = _verbs()
    cluster = verbs.context.decider.cluster
    verbs.filter(_body(), 0.0)
    verbs.prioritize(_body(), 20.0)
    cluster.tick(40.0)
    assert len(cluster.assumed) == 1
    cluster.tick(60.0)
    assert not cluster.assumed


def _another_pod_is_bound(cluster: Cluster) -> None:
    (assumed,) = cluster.assumed.values()
    cluster.put(Source.PODS, pod("other", cpus=12, node_name=assumed.node))


def _the_node_goes(cluster: Cluster) -> None:
    (assumed,) = cluster.assumed.values()
    cluster.delete(Source.NODES, node(assumed.node, KUBELET_A, machine()))


def _the_promise_runs_out(cluster: Cluster) -> None:
    cluster.tick(100.0)


@pytest.mark.parametrize("event", [_another_pod_is_bound, _the_node_goes, _the_promise_runs_out])
def test_an_event_in_between_makes_it_new(event: Callable[[Cluster], None]) -> None:
    """What changed the picture changes the answer: it is that of a fresh call, and the pod is charged once."""
    verbs = _verbs()
    cluster = verbs.context.decider.cluster
    verbs.filter(_body(), 1.0)
    event(cluster)
    answer = verbs.prioritize(_body(), 1.0).body
    assert answer == _fresh(verbs, _body())
    assert len(cluster.assumed) == 1
    (assumed,) = cluster.assumed.values()
    assert json.loads(answer)[0] == {"Host": assumed.node, "Score": 10}


def test_another_pod_is_another_question() -> None:
    """The same nodes but another UID: both pods are charged."""
    verbs = _verbs()
    verbs.filter(_body(uid="one"), 1.0)
    verbs.prioritize(_body(uid="two"), 1.0)
    assert sorted(verbs.context.decider.cluster.assumed) == ["one", "two"]


def test_fewer_nodes_are_another_question() -> None:
    """Another extender struck the node that we had charged: the charge moves."""
    verbs = _verbs()
    cluster = verbs.context.decider.cluster
    verbs.filter(_body(), 1.0)
    (assumed,) = cluster.assumed.values()
    others = [name for name in NODES if name != assumed.node]
    best = json.loads(verbs.prioritize(_body(others), 1.0).body)[0]["Host"]
    (assumed,) = cluster.assumed.values()
    assert assumed.node == best in others
