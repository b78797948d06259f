"""The ledger of one node: order, promises, withdrawals."""

import msgspec

from extender.api.objects import Container
from extender.cache.nodes.facts import facts_of, statement_of
from extender.cache.nodes.ledger import NodeLedger
from extender.cache.nodes.pools import Pool
from extender.cache.pods.pod import PodEntry, entry_of
from extender.kubelet.results import Admitted
from tests.kit.objects import KUBELET_A, machine, node, pod


def _ledger() -> NodeLedger:
    return NodeLedger(facts_of(statement_of(node("n", KUBELET_A, machine())), None, Pool()))


def _entry(name: str, cpus: int = 8, pages: int = 4, *, admitted: bool = False) -> PodEntry:
    entry = entry_of(pod(name, cpus, pages, node_name="n", start="2026-01-01T00:00:00Z" if admitted else None))
    assert entry is not None
    return entry


def _zone_of(ledger: NodeLedger, name: str) -> int:
    answer = ledger.answer(f"uid-{name}")
    assert isinstance(answer, Admitted)
    return 0 if min(answer.containers["compute"].cpus) in {*range(8), *range(16, 24)} else 1


def test_the_same_pod_counts_once() -> None:
    """Promised twice, then bound: one placement."""
    ledger = _ledger()
    ledger.assume(_entry("a"))
    ledger.assume(_entry("a"))
    ledger.hold(_entry("a"))
    assert len(list(ledger.pods())) == 1
    assert sum(zone.cpu_free for zone in ledger.held_zones()) == 30 - 8


def test_a_bound_promise_holds_what_was_played_for_it() -> None:
    """A binding as promised leaves what a node has on which the pod was never promised; a pod that changed is played."""
    assumed, bound, other = _ledger(), _ledger(), _entry("b", 8)
    for ledger in (assumed, bound):
        ledger.hold(_entry("a", 12))
    assumed.assume(other)
    assumed.hold(other)
    bound.hold(other)
    assert assumed.held_zones() == bound.held_zones()
    assert assumed.answer("uid-b") == bound.answer("uid-b")
    assumed.assume(_entry("c", 4))
    assert assumed.held_zones() == bound.held_zones()
    grown = _entry("c", 6)
    assumed.hold(grown)
    assert sum(zone.cpu_free for zone in assumed.held_zones()) == 30 - 12 - 8 - 6
    assert assumed.kubelet is not None
    assert sum(zone.cpu_free for zone in assumed.kubelet.counts().zones) == 30 - 12 - 8 - 6


def test_a_withdrawn_promise_moves_those_behind_it() -> None:
    """What a later pod gets depends on what the kubelet will really have seen."""
    ledger = _ledger()
    ledger.assume(_entry("a", 12))
    ledger.assume(_entry("b", 12))
    assert _zone_of(ledger, "b") == 1
    ledger.forget("uid-a")
    assert _zone_of(ledger, "b") == 0


def test_a_binding_that_overtakes_is_played_first() -> None:
    """The kubelet sees pods in the order of their bindings."""
    ledger = _ledger()
    ledger.assume(_entry("a", 12))
    ledger.assume(_entry("b", 12))
    ledger.hold(_entry("b", 12))
    assert _zone_of(ledger, "b") == 0
    assert _zone_of(ledger, "a") == 1


def test_ending_gives_everything_back() -> None:
    """A pod that ended holds nothing."""
    ledger = _ledger()
    before = ledger.held_zones()
    ledger.hold(_entry("a"))
    assert ledger.held_zones() != before
    assert ledger.end("uid-a")
    assert ledger.held_zones() == before
    assert not ledger.end("uid-a")


def test_a_refused_promise_is_not_kept() -> None:
    """What the kubelet model refuses is charged nowhere."""
    ledger = _ledger()
    assert not isinstance(ledger.assume(_entry("a", 17)), Admitted)
    assert list(ledger.pods()) == []


def test_an_admitted_pod_that_the_model_refuses_is_unplaced() -> None:
    """A running pod proves that what we know is wrong; nobody is told that the node fits."""
    ledger = _ledger()
    ledger.hold(_entry("a", 17, admitted=True))
    assert [entry.name for entry in ledger.unplaced()] == ["a"]


def test_replay_finds_the_kubelets_order() -> None:
    """Seen in another order than the kubelet's, an admitted pod is played again in its place."""
    ledger = _ledger()
    ledger.hold(_entry("late", 14))
    ledger.hold(_entry("small", 2))
    ledger.hold(_entry("big", 16))
    assert not isinstance(ledger.answer("uid-big"), Admitted)
    ledger.hold(_entry("big", 16, admitted=True))
    assert ledger.unplaced() == ()


def test_a_started_pod_gives_back_its_init_containers_memory() -> None:
    """Memory Manager keeps an init container's block only until the containers after it start."""
    ledger = _ledger()
    record = pod("a", 2, 4, node_name="n", start="2026-01-01T00:00:00Z")
    digest = Container(name="digest", resources=record.spec.containers[0].resources if record.spec.containers else None)
    record = msgspec.structs.replace(record, spec=msgspec.structs.replace(record.spec, init_containers=[digest]))
    entry = entry_of(record)
    running = entry_of(msgspec.structs.replace(record, status=msgspec.structs.replace(record.status, phase="Running")))
    assert entry is not None and running is not None
    ledger.hold(entry)
    before = ledger.held_zones()[0].blocks
    ledger.hold(running)
    assert ledger.held_zones()[0].blocks < before
