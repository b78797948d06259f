"""A failure that kube-scheduler reports late is one of an attempt before, and does not end the attempt under way.

kube-scheduler queues a pod again before it patches the condition of the attempt that failed (handleSchedulingFailure,
1.36), and a failed binding does both in a goroutine of its own: the next filter call may overtake the patch.
"""

from collections.abc import Iterable

import pytest

from extender.api.objects import Pod
from tests.kit.objects import machine, node, pod
from tests.known_defects.scene import RIGHT_ANSWERS, Extender, at, kubelet_facts, must


def vm(failures: Iterable[str] = ()) -> Pod:
    """The VM that is scheduled; its condition shows the last of the failures."""
    conditions = [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "SchedulerError",
            "message": f"binding rejected: {why}",
            "lastTransitionTime": at(1),
        }
        for why in failures
    ]
    return pod("a", 12, 0, conditions=conditions[-1:])


@pytest.fixture
def extender() -> Extender:
    """One zone of 14 CPUs; attempt 1 has failed, of which nothing was heard, and attempt 2 is being bound."""
    extender = Extender()
    extender.see(node("n", kubelet_facts(reservedSystemCPUs="0,8"), machine(zones=1, pages=0)))
    extender.see(vm())
    for attempt in (1.0, 2.0):
        extender.now(attempt)
        must(extender.filter(vm(), "n").kept == ["n"], "an attempt that fits")
    return extender


def other(extender: Extender) -> list[str]:
    """Where another VM of this size is sent, while the first one is being bound."""
    extender.now(2.1)
    return extender.filter(pod("b", 12, 0), "n").kept


def test_the_second_attempt_holds_the_zone(extender: Extender) -> None:
    """Nobody else gets it."""
    assert extender.assumed(vm())
    assert other(extender) == []


def test_a_failure_that_is_reported_in_time_ends_its_attempt() -> None:
    """The patch comes before the next filter call."""
    extender = Extender()
    extender.see(node("n", kubelet_facts(reservedSystemCPUs="0,8"), machine(zones=1, pages=0)))
    extender.now(1.0)
    extender.filter(vm(), "n")
    extender.see(vm(["volume"]))
    assert not extender.assumed(vm())
    assert other(extender) == ["n"]


def test_the_failure_of_the_second_attempt_ends_it(extender: Extender) -> None:
    """After that of the first, which was late, comes its own."""
    extender.see(vm(["volume"]))
    extender.see(vm(["volume", "webhook"]))
    assert not extender.assumed(vm())
    assert other(extender) == ["n"]


@RIGHT_ANSWERS
def test_a_late_failure_leaves_the_second_attempt_its_place(extender: Extender) -> None:
    """It belongs to attempt 1."""
    extender.see(vm(["volume"]))
    assert extender.assumed(vm())


@RIGHT_ANSWERS
def test_a_late_failure_gives_the_zone_to_nobody_else(extender: Extender) -> None:
    """One zone, and one VM on its way to it."""
    extender.see(vm(["volume"]))
    assert other(extender) == []
