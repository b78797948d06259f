"""The rows that one call makes: those of the nodes it names, and never all of them in one step.

A change of settings, or of every report, makes all rows older than their sources. kube-scheduler waits for the call, and
nothing else is answered meanwhile. What is counted is rows.
"""

from collections.abc import Callable

import pytest

from extender.api.objects import Pod
from extender.cache.events import Source
from extender.cache.nodes.node import NodeState
from extender.config import Settings
from tests.kit.objects import machine, node, nrt, pod
from tests.known_defects.scene import FLOW, Extender, kubelet_facts

NODES = 64
NAMES = [f"n{number:02}" for number in range(NODES)]

Count = Callable[[], int]
Change = Callable[[Extender], None]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Count:
    """How many rows were made since it was asked last."""
    rows: list[str] = []
    refresh: Callable[..., object] = NodeState.refresh

    def counted(state: NodeState, *sources: object) -> object:
        rows.append(state.name)
        return refresh(state, *sources)

    def since() -> int:
        count = len(rows)
        rows.clear()
        return count

    monkeypatch.setattr(NodeState, "refresh", counted)
    return since


@pytest.fixture
def extender() -> Extender:
    """A fleet whose rows are made."""
    extender = Extender()
    extender.see(*(node(name, kubelet_facts(), machine(pages=0)) for name in NAMES))
    extender.see(*(nrt(name, [{"cpu": 14}, {"cpu": 16}]) for name in NAMES))
    return extender


def vm(name: str) -> Pod:
    return pod(name, 8, 0)


def reload(extender: Extender) -> None:
    """The configuration file was written again."""
    extender.verbs.configure(Settings())


def relist(extender: Extender) -> None:
    """A new list of the reports, in which each has changed."""
    extender.cluster.replace(Source.NRTS, [nrt(name, [{"cpu": 13}, {"cpu": 16}]) for name in NAMES])


CHANGES = pytest.mark.parametrize("change", [reload, relist])


def test_every_row_is_made_once(made: Count, extender: Extender) -> None:
    """And none without need."""
    assert made() >= NODES
    extender.cluster.make_rows()
    assert made() == 0


def test_a_call_makes_the_row_of_what_was_assumed_before(made: Count, extender: Extender) -> None:
    """No other is older than its sources."""
    extender.filter(vm("first"), *NAMES)
    made()
    extender.filter(vm("second"), *NAMES)
    assert made() <= 1


@CHANGES
def test_all_rows_are_made_in_the_end(made: Count, extender: Extender, change: Change) -> None:
    """In the background, in steps."""
    made()
    change(extender)
    while extender.cluster.make_rows(1):
        pass
    assert made() == NODES


@FLOW
@CHANGES
def test_a_call_makes_rows_of_the_nodes_that_it_names_alone(made: Count, extender: Extender, change: Change) -> None:
    """One node is named: its row, and again once the VM is assumed there."""
    made()
    change(extender)
    extender.filter(vm("first"), NAMES[0])
    assert made() <= 2


@FLOW
@CHANGES
def test_a_call_that_names_all_nodes_does_not_make_all_rows(made: Count, extender: Extender, change: Change) -> None:
    """The old ones are served until the background has made the new ones; a quarter is far too many already."""
    made()
    change(extender)
    extender.filter(vm("first"), *NAMES)
    assert made() <= NODES // 4
