"""A failure that kube-scheduler reports late is one of an attempt before, and does not end the attempt under way.

kube-scheduler queues a pod again before it patches the condition of the attempt that failed (handleSchedulingFailure,
1.36), and a failed binding does both in a goroutine of its own: the next filter call may overtake the patch.
"""

from collections.abc import Iterable

import pytest

from extender.api.objects import Pod
from tests.kit.objects import machine, node, pod
from tests.known_defects.scene import Extender, at, kubelet_facts, must


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


def test_a_late_failure_leaves_the_second_attempt_its_place(extender: Extender) -> None:
    """It belongs to attempt 1."""
    extender.see(vm(["volume"]))
    assert extender.assumed(vm())


def test_a_late_failure_gives_the_zone_to_nobody_else(extender: Extender) -> None:
    """One zone, and one VM on its way to it."""
    extender.see(vm(["volume"]))
    assert other(extender) == []


def test_two_late_failures_leave_the_third_attempt_its_place(extender: Extender) -> None:
    """Of attempts 1 and 2; only its own ends it."""
    extender.now(3.0)
    must(extender.filter(vm(), "n").kept == ["n"], "a third attempt that fits")
    extender.see(vm(["volume"]))
    extender.see(vm(["volume", "webhook"]))
    assert extender.assumed(vm())
    extender.see(vm(["volume", "webhook", "quota"]))
    assert not extender.assumed(vm())


def test_scoring_is_no_attempt_of_its_own(extender: Extender) -> None:
    """prioritize asks about the attempt that filter began, also where it decides anew."""
    extender.see(vm(["volume"]))
    for second in (2.2, 2.4):
        extender.now(second)
        extender.see(node("other", kubelet_facts(), label=str(second)))
        extender.winners(vm(["volume"]), ["n"])
    extender.see(vm(["volume", "webhook"]))
    assert not extender.assumed(vm())


def test_a_failure_that_the_call_shows_is_not_waited_for() -> None:
    """kube-scheduler has written it before attempt 2 begins; our watch is late."""
    extender = Extender()
    extender.see(node("n", kubelet_facts(reservedSystemCPUs="0,8"), machine(zones=1, pages=0)))
    extender.now(1.0)
    extender.filter(vm(), "n")
    extender.now(2.0)
    extender.filter(vm(["volume"]), "n")
    extender.see(vm(["volume"]))
    assert extender.assumed(vm())
    extender.see(vm(["volume", "webhook"]))
    assert not extender.assumed(vm())
