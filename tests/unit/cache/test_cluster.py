"""The picture as a whole: events in, rows and charges out."""

import json
from typing import Any

import msgspec

from _fastfit.codes import Code
from extender.api.objects import Attribute, Pod
from extender.cache.cluster import Cluster
from extender.cache.effects import PodBound, PodRefused
from extender.cache.events import Source
from extender.cache.nodes.fingerprint import fingerprint
from extender.placement.decide import Decider
from extender.placement.subject import subject_of
from tests.kit.objects import GI, KUBELET_A, machine, node, nrt, pod, vmi
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


def test_a_burst_is_charged_before_any_binding() -> None:
    """Four VMs of 12 CPUs fill two nodes of two zones; the fifth finds no room, though no binding was seen."""
    cluster, decider = _cluster()
    for number in range(4):
        best = _place(cluster, decider, pod(f"vm{number}", 12, 4))
        assert best is not None and best[1] == Code.Fits
    subject = subject_of(cluster, pod("vm4", 12, 4))
    fit = fresh_fit(cluster, subject, NAMES)
    assert fit.counts() == {Code.NodeCpuShort: 2}
    assert cluster.tracked_pods() == 4


def test_the_same_pod_asked_twice_counts_once() -> None:
    """filter, prioritize and a retry of one pod leave one charge."""
    cluster, decider = _cluster()
    for _ in range(3):
        _place(cluster, decider, pod("vm", 12, 4))
    assert cluster.tracked_pods() == 1


def test_binding_turns_the_promise_into_a_holding() -> None:
    """The charge outlives its time limit once the pod is bound, and ends with the pod."""
    cluster, decider = _cluster()
    best = _place(cluster, decider, pod("vm", 12, 4))
    assert best is not None
    cluster.put(Source.PODS, pod("vm", 12, 4, node_name=best[0]))
    cluster.tick(1000.0)
    assert cluster.tracked_pods() == 1
    assert not cluster.assumed
    cluster.delete(Source.PODS, pod("vm", 12, 4, node_name=best[0]))
    assert cluster.tracked_pods() == 0


def test_a_binding_elsewhere_moves_the_charge() -> None:
    """kube-scheduler may decide otherwise; what is observed counts."""
    cluster, decider = _cluster()
    best = _place(cluster, decider, pod("vm", 12, 4))
    assert best is not None
    other = "b" if best[0] == "a" else "a"
    cluster.put(Source.PODS, pod("vm", 12, 4, node_name=other))
    cluster.make_rows()
    assert not list(cluster.nodes[best[0]].ledger.pods())
    assert [entry.name for entry in cluster.nodes[other].ledger.pods()] == ["vm"]


def test_a_promise_runs_out() -> None:
    """Without a binding, and without a nomination, the charge ends after promise_seconds."""
    cluster, decider = _cluster()
    _place(cluster, decider, pod("vm", 12, 4))
    cluster.tick(29.0)
    assert cluster.tracked_pods() == 1
    cluster.tick(31.0)
    assert cluster.tracked_pods() == 0


def test_a_pod_that_is_gone_is_not_charged() -> None:
    """A call about it was on its way when it was deleted; a pod of the same name is another one."""
    cluster, decider = _cluster()
    record = pod("vm", 12, 4)
    cluster.delete(Source.PODS, record)
    assert _place(cluster, decider, record) is not None
    assert cluster.tracked_pods() == 0
    record = msgspec.structs.replace(record, metadata=msgspec.structs.replace(record.metadata, uid="uid-other"))
    _place(cluster, decider, record)
    assert cluster.tracked_pods() == 1


def test_a_nominated_pod_has_no_time_limit() -> None:
    """status.nominatedNodeName says that kube-scheduler is still at it (volume binding may take minutes)."""
    cluster, decider = _cluster()
    record = pod("vm", 12, 4)
    best = _place(cluster, decider, record)
    assert best is not None
    cluster.put(Source.PODS, pod("vm", 12, 4, nominatedNodeName=best[0]))
    cluster.tick(10000.0)
    assert cluster.tracked_pods() == 1
    cluster.put(Source.PODS, record)
    cluster.tick(10031.0)
    assert cluster.tracked_pods() == 0


def test_nominations_from_before_our_time_are_charged() -> None:
    """A restarted extender finds pods nominated and not bound yet, in a list that comes before the nodes."""
    cluster = Cluster()
    waiting = [pod(f"vm{number}", 12, 4, nominatedNodeName="a") for number in range(3)]
    cluster.replace(Source.PODS, waiting)
    cluster.make_rows()
    assert not cluster.assumed
    cluster.put(Source.NODES, node("a", KUBELET_A, machine()))
    decider = Decider(cluster)
    assert _place(cluster, decider, pod("next", 12, 4), b'["a"]') is None
    assert len(cluster.assumed) == 2  # the third has no room there
    cluster.tick(10_000.0)
    first, second = (uid.removeprefix("uid-") for uid in cluster.assumed)
    cluster.put(Source.PODS, pod(first, 12, 4))
    cluster.delete(Source.PODS, pod(second, 12, 4, nominatedNodeName="a"))
    assert list(cluster.assumed) == [f"uid-{first}"]
    cluster.tick(20_000.0)
    assert not cluster.assumed


def test_a_nomination_is_forgotten_with_its_pod() -> None:
    """Nothing is charged for a pod that is gone, or no longer nominated, before its node is known."""
    cluster = Cluster()
    cluster.replace(Source.PODS, [pod(name, 12, 4, nominatedNodeName="a") for name in ("gone", "free")])
    cluster.delete(Source.PODS, pod("gone", 12, 4, nominatedNodeName="a"))
    cluster.put(Source.PODS, pod("free", 12, 4))
    cluster.put(Source.NODES, node("a", KUBELET_A, machine()))
    cluster.make_rows()
    assert not cluster.assumed


def test_a_failed_attempt_ends_the_promise() -> None:
    """A PodScheduled condition that changed since the attempt began means that it failed."""
    cluster, decider = _cluster()
    old = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "x"}]
    _place(cluster, decider, pod("vm", 12, 4, conditions=old))
    cluster.put(Source.PODS, pod("vm", 12, 4, conditions=old))
    assert cluster.tracked_pods() == 1
    cluster.put(Source.PODS, pod("vm", 12, 4, conditions=[{**old[0], "message": "y"}]))
    assert cluster.tracked_pods() == 0


def test_other_schedulers_pods_count() -> None:
    """A Guaranteed pod that never asked us holds its CPUs."""
    cluster, decider = _cluster("a", topologyManagerPolicy="restricted")
    for number in range(2):
        foreign = pod(f"foreign{number}", 14, 0, node_name="a", start="2026-01-01T00:00:00Z")
        cluster.put(Source.PODS, foreign)
    subject = subject_of(cluster, pod("vm", 9, 4))
    assert fresh_fit(cluster, subject, b'["a"]').counts() == {Code.NodeCpuShort: 1}


def test_kubelet_refusals_are_told_once_with_our_verdict() -> None:
    """The metric behind observe mode: what the kubelet did to what we had said."""
    cluster, decider = _cluster()
    best = _place(cluster, decider, pod("vm", 12, 4))
    assert best is not None
    assert cluster.put(Source.PODS, pod("vm", 12, 4, node_name=best[0])) == []
    failed = pod("vm", 12, 4, node_name=best[0], phase="Failed", reason="TopologyAffinityError")
    (refused,) = cluster.put(Source.PODS, failed)
    assert isinstance(refused, PodRefused)
    assert (refused.reason, refused.pod.our_verdict, refused.pod.name) == ("TopologyAffinityError", "fits", "vm")
    assert not cluster.put(Source.PODS, failed)
    assert cluster.tracked_pods() == 0


def test_a_pod_bound_by_others_is_judged_at_its_binding() -> None:
    """A pod that we did not place gets our verdict too: that is what observe mode reports."""
    cluster, decider = _cluster("a")
    (bound,) = cluster.put(Source.PODS, pod("vm", 17, 4, node_name="a"))
    assert isinstance(bound, PodBound)
    cluster.record_verdict(bound.pod, decider.verdict_on_binding(bound.pod))
    (refused,) = cluster.put(
        Source.PODS, pod("vm", 17, 4, node_name="a", phase="Failed", reason="TopologyAffinityError")
    )
    assert isinstance(refused, PodRefused)
    assert (refused.reason, refused.pod.our_verdict) == ("TopologyAffinityError", "refused")


def test_the_order_of_sources_does_not_matter() -> None:
    """Pods before nodes, reports before nodes: the same picture in the end."""
    pictures = []
    for order in ("npr", "pnr", "rpn"):
        cluster = Cluster()
        for letter in order:
            if letter == "n":
                cluster.replace(Source.NODES, [node("a", KUBELET_A, machine())])
            elif letter == "p":
                cluster.replace(Source.PODS, [pod("vm", 9, 16, node_name="a", start="2026-01-01T00:00:00Z")])
            else:
                free = [
                    {"cpu": 5, "memory": 30 * GI, "hugepages-1Gi": 16 * GI},
                    {"cpu": 16, "memory": 32 * GI, "hugepages-1Gi": 32 * GI},
                ]
                cluster.replace(Source.NRTS, [nrt("a", free)])
        cluster.make_rows()
        pictures.append(cluster.nodes["a"].row)
    assert pictures[0] == pictures[1] == pictures[2]
    assert pictures[0] is not None
    assert pictures[0].zones[0].cpu_free == 5


def test_a_relist_equals_a_fresh_list() -> None:
    """What is missing from the new list is gone, and charges follow."""
    cluster, decider = _cluster()
    for number in range(3):
        cluster.put(Source.PODS, pod(f"vm{number}", 9, 4, node_name="a"))
    _place(cluster, decider, pod("pending", 9, 4))
    cluster.replace(Source.PODS, [pod("vm1", 9, 4, node_name="a")])
    cluster.make_rows()
    assert set(cluster.pods) == {"uid-vm1"}
    assert not cluster.assumed
    assert cluster.nodes["a"].row is not None
    assert sum(zone.cpu_free for zone in cluster.nodes["a"].row.zones) == 30 - 9


def test_a_report_created_late_is_seen_without_a_restart() -> None:
    """The node is unknown until its report comes, and again when it goes."""
    cluster = Cluster()
    cluster.put(Source.NODES, node("a"))
    subject = subject_of(cluster, pod("vm", 9, 4))
    assert fresh_fit(cluster, subject, b'["a"]').counts() == {Code.ZonesNotReported: 1}
    free = [
        {"cpu": 14, "memory": 31 * GI, "hugepages-1Gi": 32 * GI},
        {"cpu": 16, "memory": 32 * GI, "hugepages-1Gi": 32 * GI},
    ]
    cluster.put(Source.NRTS, nrt("a", free))
    assert fresh_fit(cluster, subject, b'["a"]').counts() == {Code.Fits: 1}
    cluster.delete(Source.NRTS, nrt("a", free))
    assert fresh_fit(cluster, subject, b'["a"]').counts() == {Code.ZonesNotReported: 1}


def test_a_lagging_report_frees_nothing() -> None:
    """NFD leaves dedicated VMs out: its higher `available` does not free what a live pod holds."""
    free = [
        {"cpu": 14, "memory": 31 * GI, "hugepages-1Gi": 32 * GI},
        {"cpu": 16, "memory": 32 * GI, "hugepages-1Gi": 32 * GI},
    ]
    cluster, _ = _cluster("a")
    cluster.put(Source.NRTS, nrt("a", free))
    cluster.put(Source.PODS, pod("vm", 9, 16, node_name="a", start="2026-01-01T00:00:00Z"))
    cluster.make_rows()
    assert cluster.nodes["a"].row is not None
    assert [zone.cpu_free for zone in cluster.nodes["a"].row.zones] == [5, 16]


def test_a_lower_report_corrects_downward() -> None:
    """Something unseen holds CPUs: the report's word counts."""
    cluster, _ = _cluster("a")
    cluster.put(Source.NRTS, nrt("a", [{"cpu": 10}, {"cpu": 16}]))
    cluster.make_rows()
    assert cluster.nodes["a"].row is not None
    assert [zone.cpu_free for zone in cluster.nodes["a"].row.zones] == [10, 16]


def test_a_report_whose_sums_match_settles_the_zones() -> None:
    """The exporter saw the pod in the other zone: with equal sums its split replaces our prediction."""
    cluster, _ = _cluster("a")
    cluster.put(Source.PODS, pod("vm", 9, 0, node_name="a", start="2026-01-01T00:00:00Z"))
    cluster.put(Source.NRTS, nrt("a", [{"cpu": 14}, {"cpu": 7}]))
    cluster.make_rows()
    assert cluster.nodes["a"].row is not None
    assert [zone.cpu_free for zone in cluster.nodes["a"].row.zones] == [14, 7]


def test_an_ended_pod_is_free_before_the_report_follows() -> None:
    """The report still shows the ended pod; its CPUs are credited, not taken twice."""
    cluster, _ = _cluster("a")
    running = pod("vm", 9, 0, node_name="a", start="2026-01-01T00:00:00Z")
    cluster.put(Source.PODS, running)
    cluster.put(Source.NRTS, nrt("a", [{"cpu": 5}, {"cpu": 16}]))
    cluster.make_rows()
    cluster.delete(Source.PODS, running)
    cluster.make_rows()
    assert cluster.nodes["a"].row is not None
    assert [zone.cpu_free for zone in cluster.nodes["a"].row.zones] == [14, 16]


def test_guest_pages_are_held_evenly_without_memory_manager() -> None:
    """KubeVirt binds an even share of pages to each cell; a later VM sees what is physically left."""
    cluster = Cluster()
    facts = {**KUBELET_A, "topologyManagerPolicy": "none", "memoryManagerPolicy": "None", "reservedMemory": []}
    cluster.put(Source.NODES, node("a", facts, machine()))
    cluster.put(Source.VMIS, vmi("wide", 20, 40))
    cluster.put(Source.PODS, pod("wide", 21, 40, node_name="a", start="2026-01-01T00:00:00Z"))
    cluster.make_rows()
    row = cluster.nodes["a"].row
    assert row is not None
    assert [zone.pages_free for zone in row.zones] == [{"hugepages-1Gi": 12 * GI}] * 2


def test_node_heartbeats_change_nothing() -> None:
    """A Node update without weight leaves the generation alone."""
    cluster, _ = _cluster("a")
    before = cluster.generation
    cluster.put(Source.NODES, node("a", KUBELET_A, machine()))
    cluster.make_rows()
    assert cluster.generation == before


def test_hostile_annotations_leave_a_node_unknown() -> None:
    """Users can write annotations; nothing of that stops the service."""
    for text in ("", "{", "[]", "1", '{"topologyManagerPolicy": 7}', json.dumps({"reservedSystemCPUs": "9" * 400})):
        record = node("a", KUBELET_A, machine())
        assert record.metadata.annotations is not None
        record.metadata.annotations["fastfit.dev/kubelet"] = text
        cluster = Cluster()
        cluster.put(Source.NODES, record)
        cluster.make_rows()
        assert cluster.nodes["a"].row is not None


def test_a_fingerprint_settles_what_sums_cannot() -> None:
    """The exporter says by its fingerprint that it saw our pod: then its split counts, foreign holders included."""
    cluster, _ = _cluster("a")
    cluster.put(Source.PODS, pod("vm", 9, 0, node_name="a", start="2026-01-01T00:00:00Z"))
    record = nrt("a", [{"cpu": 14}, {"cpu": 5}])
    assert record.attributes is not None
    record.attributes.append(Attribute(name="nodeTopologyPodsFingerprint", value=fingerprint([("vms", "vm")])))
    cluster.put(Source.NRTS, record)
    cluster.make_rows()
    assert cluster.nodes["a"].row is not None
    assert [zone.cpu_free for zone in cluster.nodes["a"].row.zones] == [14, 5]


def test_a_fingerprint_of_other_pods_moves_nothing() -> None:
    """Equal sums by chance do not settle zones where the exporter says that it saw other pods."""
    cluster, _ = _cluster("a")
    cluster.put(Source.PODS, pod("vm", 9, 0, node_name="a", start="2026-01-01T00:00:00Z"))
    record = nrt("a", [{"cpu": 14}, {"cpu": 7}])
    assert record.attributes is not None
    record.attributes.append(Attribute(name="nodeTopologyPodsFingerprint", value=fingerprint([("vms", "old")])))
    record.attributes.append(Attribute(name="nodeTopologyPodsFingerprintMethod", value="with-exclusive-resources"))
    cluster.put(Source.NRTS, record)
    cluster.make_rows()
    assert cluster.nodes["a"].row is not None
    assert [zone.cpu_free for zone in cluster.nodes["a"].row.zones] == [5, 7]


def test_pages_that_a_zone_lacks_come_from_the_next() -> None:
    """A guest whose pages nothing binds spills over; the zone that helped out has less for the next VM."""
    cluster = Cluster()
    facts = {**KUBELET_A, "topologyManagerPolicy": "none", "memoryManagerPolicy": "None", "reservedMemory": []}
    cluster.put(Source.NODES, node("a", facts, machine()))
    for name, pages in (("first", 30), ("second", 8)):
        cluster.put(Source.PODS, pod(name, 4, pages, node_name="a", start="2026-01-01T00:00:00Z"))
    cluster.make_rows()
    row = cluster.nodes["a"].row
    assert row is not None
    assert [zone.pages_free for zone in row.zones] == [{"hugepages-1Gi": 0}, {"hugepages-1Gi": 26 * GI}]


def test_pods_on_their_way_to_one_node_must_not_depend_on_their_order() -> None:
    """Bindings overtake each other: a node is taken only if both orders give the pods the same zones."""
    cluster, decider = _cluster("a", topologyManagerPolicy="none", memoryManagerPolicy="None", reservedMemory=[])
    first, second = pod("first", 12, 4), pod("second", 4, 4)
    assert _place(cluster, decider, first, b'["a"]') == ("a", Code.Fits)
    assert _place(cluster, decider, second, b'["a"]') is None
    assert cluster.tracked_pods() == 1
    cluster.put(Source.PODS, pod("first", 12, 4, node_name="a"))
    assert _place(cluster, decider, second, b'["a"]') == ("a", Code.Fits)


def test_a_node_of_unknown_options_is_tried_with_one_odd_pod() -> None:
    """The first odd pod shows whether full-pcpus-only is on; until then no second one follows."""
    cluster = Cluster()
    free = [
        {"cpu": 14, "memory": 31 * GI, "hugepages-1Gi": 32 * GI},
        {"cpu": 16, "memory": 32 * GI, "hugepages-1Gi": 32 * GI},
    ]
    cluster.put(Source.NODES, node("a"))
    cluster.put(Source.NRTS, nrt("a", free))
    decider = Decider(cluster)
    assert _place(cluster, decider, pod("probe", 3, 0), b'["a"]') == ("a", Code.Fits)
    assert _place(cluster, decider, pod("odd", 3, 0), b'["a"]') is None
    assert _place(cluster, decider, pod("even", 4, 0), b'["a"]') == ("a", Code.Fits)
    cluster.put(Source.PODS, pod("probe", 3, 0, node_name="a", start="2026-01-01T00:00:00Z"))
    assert _place(cluster, decider, pod("odd", 3, 0), b'["a"]') == ("a", Code.Fits)


def test_equal_pods_may_overtake_each_other() -> None:
    """A burst of equal VMs goes to one node: whichever comes first, the picture is the same."""
    cluster, decider = _cluster("a", topologyManagerPolicy="none", memoryManagerPolicy="None", reservedMemory=[])
    for name in ("one", "two", "three"):
        assert _place(cluster, decider, pod(name, 9, 4), b'["a"]') == ("a", Code.Fits)
    assert cluster.tracked_pods() == 3
