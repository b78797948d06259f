"""Live migrations on mixed nodes, some of them to grow the VM: nothing fails that could be known to fail, and what was said
of each target is what came of it (bench/moves is the same for more nodes and 200 migrations).
"""

import pytest

from extender.placement.outcomes import Outcome
from tests.kit.moves.plan import Plan
from tests.kit.moves.run import Result, misses, run

PLAN = Plan(seed=2, moves=20, nodes=12, vms=120)


@pytest.fixture(scope="module")
def ours(cluster_binary: object) -> Result:
    """Twelve nodes more than half full."""
    return run(PLAN)


def test_every_outcome_is_foreseen_and_none_is_a_certain_failure(ours: Result) -> None:
    """Outcome, zones and vCPUs of each zone, from the CPUs that the kubelet gave; and nobody waits in vain."""
    assert list(misses(ours)) == []
    assert len(ours.moved) == PLAN.moves


def test_the_run_shows_something(ours: Result) -> None:
    """VMs with cells arrive, some that grow on the way among them."""
    arrived = [each for each in ours.moved if each.node and each.passthrough]
    assert len(arrived) >= PLAN.moves // 3
    assert any(each.grows for each in arrived)


def test_default_scheduler_binds_targets_that_fail(ours: Result) -> None:
    """The same VMs on the same CPUs, and the same list."""
    theirs = run(Plan(PLAN.seed, "default", PLAN.moves, PLAN.nodes, PLAN.vms))
    assert theirs.running == ours.running
    assert any(each.certain_failure for each in theirs.moved)
    assert arrivals(theirs) < arrivals(ours)


def arrivals(result: Result) -> int:
    """Migrations after which the VM runs on its target."""
    return sum(
        bool(each.node) and not each.certain_failure and each.outcome != Outcome.KUBELET_REFUSES
        for each in result.moved
    )
