"""The shortlist: few nodes for in-tree scoring, and never a dead end."""

import json

import pytest

from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.verbs.service import Verbs
from tests.kit.bodies import args, pod_json
from tests.kit.objects import KUBELET_A, machine, node
from tests.kit.verbs import make_verbs

NODES = [f"n{number}" for number in range(10)]


def _verbs(shortlist: int, *, always: bool = False) -> Verbs:
    cluster = Cluster()
    for name in NODES:
        cluster.put(Source.NODES, node(name, KUBELET_A, machine()))
    verbs = make_verbs(cluster)
    verbs.context.shortlist = shortlist
    verbs.context.always_send_failures = always
    return verbs


def _survivors(verbs: Verbs, uid: str = "") -> list[str]:
    record = pod_json()
    if uid:
        record["metadata"]["uid"] = uid
    answer = json.loads(verbs.filter(args(NODES, record), 1.0).body)
    assert answer["Error"] == ""
    return list(answer["NodeNames"])


def test_only_the_best_survive() -> None:
    """Three of ten that fit; the one that is charged is among them, and gets the 10."""
    verbs = _verbs(3)
    survivors = _survivors(verbs)
    assert len(survivors) == 3
    scores = json.loads(verbs.prioritize(args(survivors), 1.0).body)
    assert scores[0]["Score"] == 10
    assert scores[0]["Host"] in survivors


def test_a_pod_that_comes_back_gets_every_node() -> None:
    """Its shortlist led to no binding: whatever failed on those nodes may hold on others."""
    verbs = _verbs(3)
    assert len(_survivors(verbs, "first")) == 3
    assert _survivors(verbs, "first") == NODES
    assert _survivors(verbs, "first") == NODES
    assert len(_survivors(verbs, "second")) == 3


@pytest.mark.parametrize("shortlist", [0, 10, 11])
def test_no_cut_where_none_is_needed(shortlist: int) -> None:
    """Zero switches it off; as many nodes as fit are no shortlist."""
    assert _survivors(_verbs(shortlist)) == NODES


def test_off_before_another_filter_extender() -> None:
    """An extender behind ours may refuse every node of a shortlist."""
    assert _survivors(_verbs(3, always=True)) == NODES
