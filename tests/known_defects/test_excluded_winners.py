"""A call in which the kubelet model excludes winner after winner: the last one is no exception.

Every node has a VM on its way there that would be refused if the next one overtook it, so each winner is excluded when it
is looked at. After a number of them looking ends; what is then left was not looked at, and is called a fit.
"""

from dataclasses import dataclass

import pytest

from _fastfit.codes import Code
from extender.api.objects import Pod
from extender.reasons import REASONS
from tests.kit.objects import machine, node, pod
from tests.kit.verbs import make_verbs
from tests.known_defects.scene import Answer, Extender, kubelet_facts, running

BURST = ("v1", "v2", "v3")
SIZES = [20, 40]


def names(count: int) -> list[str]:
    return [f"n{number:02}" for number in range(count)]


def fleet(count: int) -> Extender:
    """Nodes with 4 and 6 CPUs in use that ended pods have left in an order of their own, and a VM nominated to each."""
    extender = Extender()
    extender.now(1.0)
    for name in names(count):
        extender.see(node(name, kubelet_facts(), machine(pages=0)))
        first = running(f"a-{name}", 14, name, second=0)
        extender.see(first, running(f"b-{name}", 10, name, second=1))
        extender.gone(first)
        extender.see(running(f"x-{name}", 4, name, second=2))
    for name in names(count):
        extender.filter(coming(name), name)
    return extender


def coming(name: str) -> Pod:
    """A VM that waits for its volume on that node."""
    return pod(f"w-{name}", 8, 0, nominatedNodeName=name)


@dataclass(frozen=True, slots=True)
class Sent:
    """One VM of the burst: what filter left, who got 10 points, and where the VM is assumed."""

    answer: Answer
    winners: list[str]
    assumed: str


def burst(count: int) -> list[Sent]:
    extender = fleet(count)
    sent = []
    for name in BURST:
        record = pod(name, 6, 0)
        answer = extender.filter(record, *names(count))
        winners = extender.winners(record, answer.kept) if answer.kept else []
        placement = extender.cluster.assumed.get(record.metadata.uid)
        sent.append(Sent(answer, winners, placement.node if placement is not None else ""))
    return sent


def test_every_node_has_a_vm_on_its_way() -> None:
    """Each is assumed where it is nominated."""
    extender = fleet(20)
    assert {placement.node for placement in extender.cluster.assumed.values()} == set(names(20))


def test_each_node_alone_is_refused() -> None:
    """The VM on its way there would be refused behind this one."""
    extender = fleet(20)
    for name in names(20):
        answer = extender.filter(pod("v1", 6, 0), name)
        assert answer.kept == []
        assert answer.refused == {name: REASONS[Code.OrderUndecided].text}


def test_a_small_fleet_is_looked_at_to_its_end() -> None:
    """No node of sixteen is left."""
    for sent in burst(16):
        assert sent.answer.kept == []
        assert len(sent.answer.refused) == 16


@pytest.mark.parametrize("count", SIZES)
def test_no_node_is_called_a_fit_that_alone_is_refused(count: int) -> None:
    """What was not looked at is unknown at most."""
    fleet(count).filter(pod("v1", 6, 0), *names(count))
    counts = make_verbs.summaries[-1].counts
    assert counts.get(Code.Fits, 0) == 0


def test_the_node_that_gets_the_points_is_charged() -> None:
    """kube-scheduler takes it; each VM of the burst."""
    for sent in burst(40):
        assert sent.winners == ([sent.assumed] if sent.assumed else [])


def test_the_vms_of_a_burst_are_not_all_sent_to_one_node() -> None:
    """It has room for one of them."""
    winners = [name for sent in burst(40) for name in sent.winners]
    assert len(winners) == len(set(winners))
