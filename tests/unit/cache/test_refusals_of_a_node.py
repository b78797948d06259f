"""What refusals of kubelets teach, and for how long."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from _fastfit.codes import Code
from extender.api.objects import Condition, Pod
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.placement.decide import Decider
from extender.placement.subject import subject_of
from tests.kit.objects import GI, KUBELET_A, machine, node, nrt, pod
from tests.kit.verbs import fresh_fit

NAMES = b'["a","b"]'


def _cluster(*names: str, **kubelet: Any) -> tuple[Cluster, Decider]:
    cluster = Cluster()
    for name in names or ("a", "b"):
        cluster.put(Source.NODES, node(name, {**KUBELET_A, **kubelet}, machine()))
    cluster.make_rows()
    return cluster, Decider(cluster)


def _place(cluster: Cluster, decider: Decider, record: Pod, names: bytes = NAMES) -> tuple[str, int] | None:
    subject = subject_of(cluster, record)
    return decider.assume_best(subject, fresh_fit(cluster, subject, names))


def _refuse(
    cluster: Cluster, name: str, reason: str, cpus: int = 9, *, message: str = "", decider: Decider | None = None
) -> None:
    """Its kubelet refuses a pod; `decider`: one that we have placed there."""
    if decider is not None:
        assert _place(cluster, decider, pod(name, cpus, 0), b'["a"]') is not None
    cluster.put(Source.PODS, pod(name, cpus, 0, node_name="a"))
    cluster.put(Source.PODS, pod(name, cpus, 0, node_name="a", phase="Failed", reason=reason, message=message))


def test_an_smt_refusal_proves_full_pcpus_only() -> None:
    """What no API shows, the kubelet's refusal did; until the kubelet starts anew."""
    cluster, decider = _cluster("a")
    _refuse(cluster, "vm", "SMTAlignmentError")
    subject = subject_of(cluster, pod("odd", 11, 0))
    assert fresh_fit(cluster, subject, b'["a"]').counts() == {Code.SmtAlignment: 1}
    fact = next(fact for fact in cluster.nodes["a"].facts.facts if fact.name == "cpuManagerPolicyOptions")
    assert fact.source == "proved by a refusal of the kubelet"
    again = node("a", KUBELET_A, machine())
    ready = [Condition(type="Ready", status="True", last_transition_time="2026-02-02T00:00:00Z")]
    cluster.put(
        Source.NODES, msgspec.structs.replace(again, status=msgspec.structs.replace(again.status, conditions=ready))
    )
    assert fresh_fit(cluster, subject, b'["a"]').counts() == {Code.Fits: 1}


def test_a_refused_shape_is_not_tried_again_until_a_pod_leaves() -> None:
    """The second refusal of a kind never happens; the node is free again once it holds less."""
    cluster, decider = _cluster("a")
    running = pod("running", 2, 0, node_name="a", start="2026-01-01T00:00:00Z")
    cluster.put(Source.PODS, running)
    _refuse(cluster, "vm", "TopologyAffinityError", decider=decider)
    equal, other = (subject_of(cluster, pod(name, cpus, 0)) for name, cpus in (("equal", 9), ("other", 8)))
    assert fresh_fit(cluster, equal, b'["a"]').counts() == {Code.RefusedBefore: 1}
    assert fresh_fit(cluster, other, b'["a"]').counts() == {Code.Fits: 1}
    assert fresh_fit(cluster, equal, b'["b"]').counts() == {Code.NodeNotSeen: 1}
    cluster.delete(Source.PODS, running)
    assert fresh_fit(cluster, equal, b'["a"]').counts() == {Code.Fits: 1}


def _equal(cluster: Cluster, name: str = "equal") -> Code:
    """What is said of a pod equal to the refused one."""
    (code,) = fresh_fit(cluster, subject_of(cluster, pod(name, 9, 0)), b'["a"]').counts()
    return Code(code)


DEVICES = (
    "Allocate failed due to no healthy devices present; cannot allocate unhealthy devices x/y, which is unexpected"
)
MEMORY = "Allocate failed due to [memorymanager] preferred hint violates NUMA node allocation, which is unexpected"


def test_only_pods_that_we_placed_teach() -> None:
    """Somebody else binds pods where they cannot fit."""
    cluster, _ = _cluster("a")
    _refuse(cluster, "vm", "TopologyAffinityError")
    assert _equal(cluster) is Code.Fits


@pytest.mark.parametrize(("reason", "message"), [("UnexpectedAdmissionError", DEVICES), ("OutOfcpu", "")])
def test_devices_and_sums_are_tried_again_after_a_while(reason: str, message: str) -> None:
    """After 1, 2, 5 and 10 minutes, by one pod at a time; a pod that is taken ends it."""
    cluster, decider = _cluster("a")
    now = 0.0
    for place, wait in enumerate((60.0, 120.0, 300.0, 600.0, 600.0)):
        _refuse(cluster, f"vm{place}", reason, message=message, decider=decider)
        cluster.tick(now + wait - 1)
        assert _equal(cluster) is Code.RefusedBefore
        now += wait
        cluster.tick(now)
        assert _equal(cluster) is Code.Fits
    assert _place(cluster, decider, pod("trial", 9, 0), b'["a"]') is not None
    assert _equal(cluster) is Code.ProbeUnderWay
    cluster.put(Source.PODS, pod("trial", 9, 0, node_name="a"))
    assert _equal(cluster) is Code.ProbeUnderWay
    cluster.put(Source.PODS, pod("trial", 9, 0, node_name="a", start="2026-01-01T00:00:00Z"))
    assert _equal(cluster) is Code.Fits


def _new_report(cluster: Cluster) -> None:
    cluster.put(Source.NRTS, nrt("a", [{"cpu": 13, "memory": 30 * GI}, {"cpu": 16, "memory": 30 * GI}]))


def _new_allocatable(cluster: Cluster) -> None:
    a = node("a", KUBELET_A, machine())
    status = msgspec.structs.replace(a.status, allocatable={**(a.status.allocatable or {}), "pods": "250"})
    cluster.put(Source.NODES, msgspec.structs.replace(a, status=status))


def _new_uid(cluster: Cluster) -> None:
    a = node("a", KUBELET_A, machine())
    cluster.put(Source.NODES, msgspec.structs.replace(a, metadata=msgspec.structs.replace(a.metadata, uid="another")))


@pytest.mark.parametrize("change", [_new_report, _new_allocatable, _new_uid])
@pytest.mark.parametrize(
    ("reason", "message"),
    [("TopologyAffinityError", ""), ("UnexpectedAdmissionError", MEMORY)],
    ids=["topology", "memory"],
)
def test_what_managers_refuse_stays_until_the_node_changes(
    reason: str, message: str, change: Callable[[Cluster], None]
) -> None:
    """However long that takes."""
    cluster, decider = _cluster("a")
    _refuse(cluster, "vm", reason, message=message, decider=decider)
    cluster.tick(7 * 86400.0)
    assert _equal(cluster) is Code.RefusedBefore
    change(cluster)
    cluster.make_rows()
    assert _equal(cluster) is Code.Fits


def test_a_node_that_returns_as_another_one_starts_with_nothing_proved() -> None:
    """Deleted and created anew, while a pod keeps its name in the cache."""
    cluster, _ = _cluster("a")
    cluster.put(Source.PODS, pod("running", 2, 0, node_name="a", start="2026-01-01T00:00:00Z"))
    _refuse(cluster, "vm", "SMTAlignmentError")
    odd = subject_of(cluster, pod("odd", 11, 0))
    assert fresh_fit(cluster, odd, b'["a"]').counts() == {Code.SmtAlignment: 1}
    cluster.delete(Source.NODES, node("a"))
    _new_uid(cluster)
    assert fresh_fit(cluster, odd, b'["a"]').counts() == {Code.Fits: 1}
