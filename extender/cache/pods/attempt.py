"""Scheduling attempts as the API shows them: what one starts from, and whether it failed."""

from dataclasses import dataclass

from extender.api.objects import Condition, Pod

__all__ = ["Attempt", "attempt_failed", "attempt_of"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """The PodScheduled condition that a scheduling attempt started from: a later failure differs from it."""

    reason: str = ""
    message: str = ""
    since: str = ""


def scheduled_condition(record: Pod) -> Condition | None:
    """The pod's PodScheduled condition."""
    for condition in record.status.conditions or ():
        if condition.type == "PodScheduled":
            return condition
    return None


def attempt_of(record: Pod) -> Attempt:
    """What the pod's scheduling attempt starts from."""
    condition = scheduled_condition(record)
    if condition is None or condition.status != "False":
        return Attempt()
    return Attempt(condition.reason or "", condition.message or "", condition.last_transition_time or "")


def attempt_failed(record: Pod, started: Attempt) -> bool:
    """Whether kube-scheduler has written a failure since: it writes one only when the condition changes."""
    now = attempt_of(record)
    return now != Attempt() and now != started
