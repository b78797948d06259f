"""The decision table of kubelet admission: 54 rows, by number, each observed on the real managers."""

from collections.abc import Mapping
from typing import Any

import pytest

from extender.kubelet.admission import Kubelet
from extender.kubelet.cpuset import format_cpus, from_ids
from extender.kubelet.model import CannotStart
from extender.kubelet.pod import PodDemand
from extender.kubelet.results import Admitted
from tests.kit.decision_rows import NINE, ROWS, WIDE, Row, Step, a
from tests.kit.kubelet_nodes import config, kubelet


def test_every_row_is_here() -> None:
    """No number of the table is left out."""
    assert {row.number for row in ROWS} == set(range(1, 55))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_decision_table(row: Row) -> None:
    """The node answers each step of the row, and ends in its state."""
    node = row.node
    for step in row.steps:
        if isinstance(step, str):
            node.remove(step)
        elif isinstance(step, PodDemand):
            assert isinstance(node.admit(step), Admitted), step.uid
        else:
            _check(node, step)
    state = node.state()
    for key, wanted in row.state.items():
        found: Any = state[key] if key in state else state["memory"][key]  # type: ignore[index]
        assert (wanted if isinstance(wanted, str) else {**found, **wanted}) == found


def _check(node: Kubelet, step: Step) -> None:
    answer = node.admit(step.pod)
    if step.reason:
        assert not isinstance(answer, Admitted)
        assert answer.reason == step.reason
        assert step.says in answer.message
        assert answer.rule
    else:
        assert isinstance(answer, Admitted), answer
    main = answer.containers["c0"]
    if step.hint is not None:
        assert main.hint == tuple(step.hint)
    if step.preferred is not None:
        assert main.preferred is step.preferred
    if step.cpus is not None:
        wanted = {"c0": step.cpus} if isinstance(step.cpus, str) else step.cpus
        assert {name: format_cpus(from_ids(answer.containers[name].cpus)) for name in wanted} == wanted
    if step.memory is not None:
        zones = step.memory if isinstance(step.memory, Mapping) else {"c0": step.memory}
        for name, expected in zones.items():
            blocks = answer.containers[name].memory
            assert bool(blocks) == bool(expected), name
            assert all(block.zones == tuple(expected) for block in blocks), name


def test_row54_without_the_option() -> None:
    """Nine zones without max-allowable-numa-nodes: the kubelet does not start."""
    with pytest.raises(CannotStart, match="unsupported on a machine of 9 zones"):
        kubelet(NINE, config("BE", "0", memory=False))


def test_row11_pages_are_booked_lowest_zone_first() -> None:
    """40Gi on {0,1}: 32 from zone 0, 8 from zone 1."""
    node = a("R")
    node.admit(WIDE)
    free = [zone.memory["hugepages-1Gi"].free >> 30 for zone in node.counts().zones]
    assert free == [0, 24]
