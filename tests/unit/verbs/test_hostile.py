"""Bad input: every body gets an error that names the cause, and nothing is lost or charged."""

import json
from typing import Any, get_args, get_type_hints

import pytest

from _fastfit._wire_py import MAX_DEPTH
from _fastfit.codes import Code
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.config import Limits
from extender.errors import BadRequest
from extender.verbs.service import Verbs
from extender.wire.args import read_args
from tests.kit.bodies import args, hostile_bodies, pod_json
from tests.kit.objects import KUBELET_A, machine, node
from tests.kit.verbs import make_verbs

BODIES = list(hostile_bodies())


@pytest.fixture(name="verbs", scope="module")
def _verbs() -> tuple[Verbs, Cluster]:
    cluster = Cluster()
    for name in ("a", "b"):
        cluster.put(Source.NODES, node(name, KUBELET_A, machine()))
    return make_verbs(cluster), cluster


def test_there_are_enough_bodies() -> None:
    """At least two hundred, each different."""
    assert len({body for _, body in BODIES}) >= 200


@pytest.mark.parametrize(("name", "body"), BODIES, ids=[name for name, _ in BODIES])
def test_filter_answers_with_an_error(verbs: tuple[Verbs, Cluster], name: str, body: bytes) -> None:
    """200 with `Error` and no survivor; the picture stays as it was."""
    service, cluster = verbs
    reply = service.filter(body, 1.0)
    assert reply.status == 200
    answer = json.loads(reply.body)
    assert answer["Error"], name
    assert answer["NodeNames"] == []
    assert cluster.tracked_pods() == 0


@pytest.mark.parametrize(("name", "body"), BODIES, ids=[name for name, _ in BODIES])
def test_prioritize_answers_with_a_status(verbs: tuple[Verbs, Cluster], name: str, body: bytes) -> None:
    """400 and an empty body: kube-scheduler swallows it and scores without us."""
    service, cluster = verbs
    reply = service.prioritize(body, 1.0)
    assert (reply.status, reply.body) == (400, b""), name
    assert cluster.tracked_pods() == 0


def _with_cpu(quantity: Any) -> bytes:
    record = pod_json()
    for kind in ("requests", "limits"):
        record["spec"]["containers"][0]["resources"][kind]["cpu"] = quantity
    return args(record=record)


@pytest.mark.parametrize(
    "quantity", ["1e400", "9" * 65, "-9", "9x", "", "0x9", "1e99", "9223372036854775808", "NaN", " 9"]
)
def test_absurd_quantities_are_unknown_not_a_pass(verbs: tuple[Verbs, Cluster], quantity: Any) -> None:
    """The nodes stay (unknown, kept), they are counted and nobody is charged."""
    service, cluster = verbs
    reply = service.filter(_with_cpu(quantity), 1.0)
    answer = json.loads(reply.body)
    assert answer["Error"] == ""
    assert answer["NodeNames"] == ["a", "b"]
    assert make_verbs.summaries[-1].counts == {Code.DemandUnreadable: 2}
    assert cluster.tracked_pods() == 0


def test_unknown_nodes_are_unknown(verbs: tuple[Verbs, Cluster]) -> None:
    """A node that the watch has not shown yet is kept and ranked last; it never passes as fitting."""
    service, cluster = verbs
    answer = json.loads(service.filter(args(["ghost", "a"]), 1.0).body)
    assert answer["NodeNames"] == ["ghost", "a"]
    assert make_verbs.summaries[-1].counts == {Code.Fits: 1, Code.NodeNotSeen: 1}
    scores = json.loads(service.prioritize(args(["ghost", "a"]), 1.0).body)
    assert scores == [{"Host": "a", "Score": 10}]
    cluster.tick(100.0)


def test_a_pod_that_is_not_a_vm_passes_unchanged(verbs: tuple[Verbs, Cluster]) -> None:
    """Names come back as they were sent, even of nodes that we do not know."""
    service, cluster = verbs
    record = pod_json()
    record["metadata"]["labels"] = {"app": "web"}
    answer = json.loads(service.filter(args(["ghost", "a"], record), 1.0).body)
    assert answer == {"NodeNames": ["ghost", "a"], "FailedNodes": {}, "FailedAndUnresolvableNodes": {}, "Error": ""}
    assert service.prioritize(args(["ghost", "a"], record), 1.0).body == b"[]"
    assert cluster.tracked_pods() == 0


@pytest.mark.parametrize("depth", [32, MAX_DEPTH])
def test_every_nesting_that_the_settings_accept_works(depth: int) -> None:
    """At both bounds of limits.nesting a body that nests as deep is read, and one level more is refused in words."""
    (bounds,) = (found for found in get_args(get_type_hints(Limits, include_extras=True)["nesting"])[1:])
    assert (bounds.ge, bounds.le) == (32, MAX_DEPTH)
    for levels, good in ((depth - 3, True), (depth, False)):
        pod = {**pod_json("vm"), "extra": json.loads("[" * levels + "]" * levels)}
        body = args(["a"], pod)
        if good:
            assert read_args(body, 10, depth).pod.metadata.name == "vm"
        else:
            with pytest.raises(BadRequest, match=f"nested deeper than {depth}"):
                read_args(body, 10, depth)
