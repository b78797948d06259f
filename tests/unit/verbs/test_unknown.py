"""`onUnknown` in the configuration, through both verbs: every kind of doubt has its own action, whoever has found it."""

import json
from typing import Any

import msgspec
import pytest

from extender.api.objects import Pod
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.config import Settings
from extender.verbs.service import Verbs
from tests.kit.bodies import args
from tests.kit.migrations import target
from tests.kit.objects import KUBELET_A, machine, node, nrt, pod, vmi
from tests.kit.verbs import make_verbs

NOT_KNOWN = "the virtual machine that migrates is not known"
NOT_SEEN = "node not seen yet by the extender"
NO_PAGES = "huge pages per NUMA zone not known"


def verbs_of(**settings: Any) -> Verbs:
    """Nodes a and b, b in a pool of its own, under this configuration."""
    cluster = Cluster()
    cluster.put(Source.NODES, node("a", KUBELET_A, machine()))
    cluster.put(Source.NODES, node("b", KUBELET_A, machine(), pool="b"))
    verbs = make_verbs(cluster)
    verbs.configure(msgspec.convert(settings, Settings))
    return verbs


def body(record: Pod, *names: str) -> bytes:
    """The call about this pod."""
    return args(list(names), json.loads(msgspec.json.encode(record)))


def answers(verbs: Verbs, record: Pod, *names: str) -> tuple[Any, Any, Any]:
    """Names that filter keeps, what it says of the others, and names in the answer of prioritize."""
    call = body(record, *names)
    reply = json.loads(verbs.filter(call, 0.0).body)
    scores = json.loads(verbs.prioritize(call, 0.0).body)
    return reply["NodeNames"], reply.get("FailedAndUnresolvableNodes") or {}, [each["Host"] for each in scores]


def pool_b(**more: Any) -> list[dict[str, Any]]:
    """The pool of node b."""
    return [{"name": "b", "selector": {"matchLabels": {"pool": "b"}}, **more}]


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({}, ["a", "b"]),
        ({"onUnknown": {"node": "refuse", "pages": "refuse", "zones": "refuse"}}, ["a", "b"]),
        ({"onUnknown": {"pod": "refuse"}}, []),
        ({"onUnknown": {"pod": "refuse"}, "pools": pool_b(onUnknown={"pod": "keep"})}, ["b"]),
        ({"pools": pool_b(onUnknown={"pod": "refuse"})}, ["a"]),
        ({"onUnknown": {"pod": "refuse"}, "pools": pool_b(mode="score")}, ["b"]),
        ({"onUnknown": {"pod": "refuse"}, "mode": "observe"}, ["a", "b"]),
    ],
)
def test_a_pod_that_is_not_known(settings: dict[str, Any], kept: list[str]) -> None:
    """A migration target whose VM was never seen: the action on doubts about the pod counts on every node of the pool."""
    names, failed, ranked = answers(verbs_of(**settings), target("vm"), "a", "b")
    assert names == kept
    assert failed == ({} if kept else {"a": NOT_KNOWN, "b": NOT_KNOWN})
    assert set(ranked) <= set(kept)


def test_a_pod_that_is_not_known_on_a_node_that_is_not() -> None:
    """What is said of the pod holds there too; for a pod that is known, the doubt is about the node."""
    verbs = verbs_of(onUnknown={"pod": "refuse"})
    assert answers(verbs, target("vm"), "x") == ([], {"x": NOT_KNOWN}, [])
    assert answers(verbs, pod("vm"), "x")[0] == ["x"]
    assert answers(verbs_of(onUnknown={"node": "refuse"}), pod("vm"), "x") == ([], {"x": NOT_SEEN}, [])


def test_a_pod_that_is_not_known_may_fail_the_call() -> None:
    """With `error` the answer names a node, and no pod is charged."""
    reply = json.loads(verbs_of(onUnknown={"pod": "error"}).filter(body(target("vm"), "a", "b"), 0.0).body)
    assert reply["Error"] == "node a cannot be judged, and its pool says onUnknown: error"


def test_what_the_zones_leave_open() -> None:
    """Pages of a zone that nobody reports are a doubt found in the zones, not in the node's facts."""
    for action, kept in (("keep", ["r"]), ("refuse", [])):
        verbs = verbs_of(onUnknown={"pages": action, "pod": "refuse", "node": "refuse"})
        cluster = verbs.context.decider.cluster
        cluster.put(Source.VMIS, vmi("vm"))
        cluster.put(Source.NODES, node("r"))
        cluster.put(Source.NRTS, nrt("r", [{"cpu": 14}, {"cpu": 16}]))
        names, failed, _ = answers(verbs, pod("vm"), "r")
        assert (names, failed) == (kept, {} if kept else {"r": NO_PAGES})
