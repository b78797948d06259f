"""Whole lists on their way into the picture: in steps, by differences, and true at every one of them."""

import random
from collections.abc import Iterable

import msgspec
import pytest

from _fastfit.codes import Code
from extender.api.objects import KubeVirt, Migration, Pod
from extender.cache.cluster import Cluster
from extender.cache.effects import PodRefused
from extender.cache.events import Record, Source
from extender.cache.pods.pod import entry_of
from extender.kubelet.pod import pod_demand
from extender.placement.decide import Decider
from extender.placement.subject import subject_of
from tests.kit.objects import KUBELET_A, machine, node, nrt, pod, vmi
from tests.kit.verbs import fresh_fit

NODES = ("a", "b", "c")
START = "2026-01-01T00:00:00Z"


def cluster_with(pods: Iterable[Pod] = ()) -> Cluster:
    cluster = Cluster()
    for name in NODES:
        cluster.put(Source.NODES, node(name, KUBELET_A, machine()))
    for record in pods:
        cluster.put(Source.PODS, record)
    cluster.make_rows()
    return cluster


def fleet(numbers: Iterable[int]) -> list[Pod]:
    """VM `n` on node `n % 3`: small ones, so that all fit."""
    return [pod(f"vm{n:02}", 1 + n % 3, 1, node_name=NODES[n % 3], start=START) for n in numbers]


def migration(version: str) -> Migration:
    meta = {"name": "job", "namespace": "vms", "uid": "job", "resourceVersion": version}
    return msgspec.convert({"metadata": meta}, Migration)


def installation(gates: list[str]) -> KubeVirt:
    configuration = {"developerConfiguration": {"featureGates": gates}}
    meta = {"name": "kubevirt", "namespace": "kubevirt", "uid": "kubevirt"}
    return msgspec.convert({"metadata": meta, "spec": {"configuration": configuration}}, KubeVirt)


def rows(cluster: Cluster) -> dict[str, object]:
    cluster.make_rows()
    return {name: cluster.nodes[name].row for name in NODES}


def test_nothing_changes_while_a_list_arrives() -> None:
    """Staging touches neither pods, rows nor the generation; a list that is never complete leaves no trace."""
    cluster = cluster_with(fleet(range(6)))
    before, generation = rows(cluster), cluster.generation
    relist = cluster.begin_relist(Source.PODS)
    for record in fleet(range(3, 12)):
        relist.put(record)
    assert rows(cluster) == before
    assert cluster.generation == generation
    assert len(cluster.pods) == 6


def held(cluster: Cluster, name: str) -> set[str]:
    """UIDs that the node holds; its row has exactly their CPUs taken."""
    state = cluster.nodes[name]
    pods = state.ledger.held_pods()
    taken = sum(container.exclusive_cpus for entry in pods for container in entry.demand.containers)
    assert state.row is not None
    assert sum(zone.cpu_free for zone in state.row.zones) == 30 - taken
    return {entry.uid for entry in pods}


@pytest.mark.parametrize("seed", range(12))
def test_every_step_shows_each_node_old_or_new(seed: int) -> None:
    """Between two steps a node holds all its pods of before or all those of after, each once; in the end, of after."""
    chance = random.Random(seed)
    before, after = (fleet(chance.sample(range(30), 15)) for _ in range(2))
    old, new = (
        {name: {record.metadata.uid for record in pods if record.spec.node_name == name} for name in NODES}
        for pods in (before, after)
    )
    cluster = cluster_with(before)
    relist = cluster.begin_relist(Source.PODS)
    for record in after:
        relist.put(record)
    for _ in relist.swap():
        if chance.random() < 0.7:
            cluster.make_rows()
            for name in NODES:
                assert held(cluster, name) in (old[name], new[name])
    cluster.make_rows()
    assert {name: held(cluster, name) for name in NODES} == new
    assert set(cluster.pods) == set().union(*new.values())


def test_a_list_that_tells_nothing_new_changes_nothing() -> None:
    """No row is made again, and kubelet answers stay the same objects."""
    cluster = cluster_with(fleet(range(9)))
    generation = cluster.generation
    entries = dict(cluster.pods)
    cluster.replace(Source.PODS, fleet(range(9)))
    cluster.replace(Source.NODES, [node(name, KUBELET_A, machine()) for name in NODES])
    assert cluster.make_rows() == 0
    assert cluster.generation == generation
    assert all(cluster.pods[uid] is entry for uid, entry in entries.items())


def test_pods_of_a_list_are_played_in_the_order_of_their_kubelet() -> None:
    """Whatever the order of the list and however small the steps, the first to start got the first zone."""
    records = [
        pod(f"vm{n:02}", 2, 1, node_name="a", start=f"2026-01-01T00:{n:02}:00Z", sidecar=False) for n in range(12)
    ]
    played = []
    for order in (records, records[::-1], random.Random(3).sample(records, len(records))):
        cluster = cluster_with()
        relist = cluster.begin_relist(Source.PODS)
        for record in order:
            relist.put(record)
        for _ in relist.swap():
            cluster.make_rows(1)
        while cluster.make_rows(1):
            pass
        played.append([(entry.uid, cluster.nodes["a"].zones_of(entry.uid)) for entry in cluster.pods.values()])
    assert sorted(played[0]) == sorted(played[1]) == sorted(played[2])
    held = [entry.name for entry in cluster.nodes["a"].ledger.held_pods()]
    assert held == [f"vm{n:02}" for n in range(12)]


def test_small_steps_make_the_rows_that_one_large_step_makes() -> None:
    """A node with many waiting pods takes several steps of `work`, and has no new row before the last."""
    at_once, stepped = cluster_with(), cluster_with()
    for cluster in (at_once, stepped):
        cluster.replace(Source.PODS, fleet(range(0, 60, 3)))
    generation = stepped.generation
    assert stepped.make_rows(1) > 0
    assert stepped.generation == generation
    steps = 1
    while stepped.make_rows(1):
        steps += 1
    assert steps > 1
    assert rows(stepped) == rows(at_once)


def test_one_node_can_be_made_current_alone() -> None:
    """Its row is made, the others wait."""
    cluster = cluster_with()
    cluster.replace(Source.PODS, fleet(range(9)))
    cluster.make_row("b")
    assert held(cluster, "b") == {"uid-vm01", "uid-vm04", "uid-vm07"}
    generation = cluster.generation
    cluster.make_row("b")
    cluster.make_row("nowhere")
    assert cluster.generation == generation
    assert cluster.make_rows(1) > 0


def test_promises_are_compared_with_lists_that_were_begun_after_them() -> None:
    """A promise older than the list ends when its pod is not in it; a younger one stays, its pod may be younger too."""
    cluster = cluster_with()
    decider = Decider(cluster)

    def assume(name: str) -> None:
        subject = subject_of(cluster, pod(name, 2, 1))
        assert decider.assume_best(subject, fresh_fit(cluster, subject, b'["a"]')) is not None

    assume("gone")
    assume("waiting")
    relist = cluster.begin_relist(Source.PODS)
    assume("young")
    relist.put(pod("waiting", 2, 1))
    steps = relist.swap()
    next(steps)
    assume("younger")
    for _ in steps:
        pass
    assert set(cluster.assumed) == {"uid-waiting", "uid-young", "uid-younger"}
    assert cluster.tracked_pods() == 3


def test_a_bound_pod_that_holds_nothing_ends_its_promise() -> None:
    """A list that shows a promised pod bound, and with nothing to hold, leaves no charge behind."""
    cluster = cluster_with()
    decider = Decider(cluster)
    subject = subject_of(cluster, pod("vm", 2, 1))
    decider.assume_best(subject, fresh_fit(cluster, subject, b'["a"]'))
    empty = pod("vm", 2, 0, node_name="a", qosClass="Burstable")
    assert entry_of(empty) is None
    cluster.replace(Source.PODS, [empty])
    assert cluster.tracked_pods() == 0


def test_what_ends_or_moves_on_while_the_list_arrives() -> None:
    """The last form of an object counts: deleted ones are not taken in, bound and failed ones as what they became."""
    cluster = cluster_with()
    relist = cluster.begin_relist(Source.PODS)
    for name in ("ends", "binds", "fails", "stays"):
        relist.put(pod(name, 1, 1, node_name="" if name == "binds" else "a"))
    relist.delete(pod("ends", 1, 1, node_name="a"))
    relist.delete(pod("never there", 1, 1, node_name="a"))
    relist.put(pod("binds", 1, 1, node_name="b"))
    relist.put(pod("fails", 1, 1, node_name="a", phase="Failed", reason="TopologyAffinityError"))
    for _ in relist.swap():
        pass
    assert {uid: entry.node for uid, entry in cluster.pods.items()} == {"uid-binds": "b", "uid-stays": "a"}


def test_a_refusal_in_a_list_is_told_of_a_pod_that_was_held() -> None:
    """The kubelet refused a pod while we were not looking: counted once, its charge gone, the refusal remembered."""
    cluster = cluster_with(fleet(range(3)))
    cluster.pods["uid-vm00"].placed_by_us = True
    failed = pod("vm00", 1, 1, node_name="a", phase="Failed", start=START, reason="TopologyAffinityError")
    (refused,) = cluster.replace(Source.PODS, [failed, *fleet((1, 2))])
    assert isinstance(refused, PodRefused)
    assert (refused.pod.name, refused.reason) == ("vm00", "TopologyAffinityError")
    assert not cluster.replace(Source.PODS, [failed, *fleet((1, 2))])
    assert set(cluster.pods) == {"uid-vm01", "uid-vm02"}
    cluster.make_rows()
    demand = pod_demand(pod("vm00", 1, 1))
    assert cluster.excluded_nodes(demand, None) == [("a", Code.RefusedBefore)]


def test_a_pod_of_a_list_that_sits_elsewhere_is_held_once() -> None:
    """The same UID on another node moves, in whatever order the nodes come."""
    for here, there in (("a", "b"), ("b", "a")):
        cluster = cluster_with([pod("vm", 3, 1, node_name=here, start=START)])
        cluster.replace(Source.PODS, [pod("vm", 3, 1, node_name=there, start=START)])
        cluster.make_rows()
        assert cluster.pods["uid-vm"].node == there
        assert [len(cluster.nodes[name].ledger.held_pods()) for name in (here, there)] == [0, 1]


KINDS: list[tuple[Source, Record, Record]] = [
    (Source.NODES, node("a", KUBELET_A, machine()), node("a", KUBELET_A, machine(), zone="2")),
    (Source.NRTS, nrt("a", [{"cpu": 14}, {"cpu": 16}]), nrt("a", [{"cpu": 5}, {"cpu": 16}])),
    (Source.VMIS, vmi("vm"), vmi("vm", 4)),
    (Source.MIGRATIONS, migration("1"), migration("2")),
    (Source.KUBEVIRTS, installation([]), installation(["CPUManager"])),
]


@pytest.mark.parametrize(("source", "record", "other"), KINDS)
def test_what_a_list_repeats_is_not_kept_twice(source: Source, record: Record, other: Record) -> None:
    """A relist of 50,000 VMs that are as they were takes no memory for them; what differs is kept."""
    cluster = Cluster()
    cluster.put(source, record)
    relist = cluster.begin_relist(source)
    relist.put(record)
    assert len(list(relist.discard())) == 0
    relist = cluster.begin_relist(source)
    relist.put(other)
    assert len(list(relist.discard())) == 1


@pytest.mark.parametrize(("source", "record", "other"), KINDS)
@pytest.mark.parametrize("listed", ["", "a", "b", "ab", "ba", "aba", "a-", "b-", "-a", "b-a", "a-b", "ab-"])
def test_the_last_word_of_a_list_stands(source: Source, record: Record, other: Record, listed: str) -> None:
    """Whatever the picture held and the list said first: changed, changed back, ended, or never there."""
    wanted, seen = Cluster(), Cluster()
    words = {"a": record, "b": other}
    last = listed[-1:]
    if last in words:
        wanted.put(source, words[last])
    seen.put(source, record)
    relist = seen.begin_relist(source)
    for word in listed:
        if word in words:
            relist.put(words[word])
        else:
            relist.delete(record)
    for _ in relist.swap():
        pass
    for cluster in (wanted, seen):
        cluster.make_rows()
    assert {name: (state.statement, state.nrt) for name, state in seen.nodes.items()} == {
        name: (state.statement, state.nrt) for name, state in wanted.nodes.items()
    }
    assert {uid: seen.vms.known(uid) for uid in seen.vms.seen()} == {
        uid: wanted.vms.known(uid) for uid in wanted.vms.seen()
    }
    assert seen.vms.migrations == wanted.vms.migrations
    assert seen.vms.installations == wanted.vms.installations


def test_a_list_that_is_given_up_is_let_go_step_by_step() -> None:
    """One object a step: to free them all at once would hold the loop."""
    cluster = Cluster()
    relist = cluster.begin_relist(Source.VMIS)
    for number in range(300):
        relist.put(vmi(f"vm{number}"))
    assert len(list(relist.discard())) == 300
    assert not list(relist.discard())
    relist = cluster.begin_relist(Source.PODS)
    for record in (*fleet(range(30)), pod("over", phase="Failed"), pod("waiting")):
        relist.put(record)
    assert len(list(relist.discard())) == len(NODES) + 2
    assert not list(relist.discard())
    assert not cluster.pods


def test_a_list_does_not_make_a_report_young() -> None:
    """It is as old as its last change: the list shows the object that was known."""
    cluster = Cluster(nrt_stale_after=60.0)
    record = nrt("a", [{"cpu": 14}, {"cpu": 16}])
    cluster.put(Source.NODES, node("a", KUBELET_A, machine()))
    cluster.put(Source.NRTS, record)
    cluster.tick(50.0)
    cluster.replace(Source.NRTS, [record])
    cluster.make_rows()
    assert not cluster.nodes["a"].stale
    cluster.tick(100.0)
    cluster.make_rows()
    assert cluster.nodes["a"].stale
    cluster.replace(Source.NRTS, [nrt("a", [{"cpu": 13}, {"cpu": 16}])])
    cluster.make_rows()
    assert not cluster.nodes["a"].stale


def test_a_kind_is_absent_until_its_list_is_swapped_in() -> None:
    """A list that is begun and refused proves nothing."""
    cluster = cluster_with()
    cluster.absent(Source.VMIS)
    relist = cluster.begin_relist(Source.VMIS)
    relist.put(vmi("vm"))
    assert not cluster.is_served(Source.VMIS)
    for _ in relist.swap():
        pass
    assert cluster.is_served(Source.VMIS)
    assert cluster.vms.guest("vmi-vm") is not None


@pytest.mark.parametrize(
    ("source", "record"),
    [
        (Source.NODES, node("a", KUBELET_A, machine())),
        (Source.NRTS, nrt("a", [{"cpu": 14}, {"cpu": 16}])),
        (Source.VMIS, vmi("vm")),
        (Source.PODS, pod("vm", 2, 1, node_name="a")),
    ],
)
def test_an_empty_list_leaves_nothing(source: Source, record: Record) -> None:
    """Whatever the kind: what is not in the list is gone."""
    cluster = Cluster()
    cluster.put(source, record)
    cluster.make_rows()
    cluster.replace(source, [])
    cluster.make_rows()
    assert not cluster.nodes
    assert not cluster.vms.guests
    assert not cluster.pods
    assert len(cluster.table) == 0
