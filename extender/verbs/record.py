"""The record of one judged call, made once its reply is on the way."""

from functools import partial

from _fastfit import Fit
from extender.placement.subject import Subject
from extender.verbs.call import Context, Summary, demand_words

__all__ = ["record_later"]


def record_later(
    context: Context,
    verb: str,
    subject: Subject,
    fit: Fit,
    best: tuple[str, int] | None,
    *,
    outcome: str = "ok",
    left_only: bool = False,
) -> None:
    """Hands over the record of a call that ends with this answer, and the making of the row of the node that takes the pod.

    `left_only`: the call was about those nodes of the fit that survive.
    """
    record = partial(_record, context, verb, subject, fit, best, outcome, left_only, context.decider.cluster.generation)
    context.recorder.later(record)


def _record(
    context: Context,
    verb: str,
    subject: Subject,
    fit: Fit,
    best: tuple[str, int] | None,
    outcome: str,
    left_only: bool,
    generation: int,
) -> None:
    """Counts by code, and the winner with its predicted zones."""
    counts = fit.counts(left_only)
    cluster = context.decider.cluster
    zones: tuple[int, ...] = ()
    mode = cluster.pools.rest.mode.name.lower()
    if best is not None:
        state = cluster.node(best[0])
        if state is not None:
            mode = state.facts.pool.mode.name.lower()
            zones = state.zones_of(subject.pod.metadata.uid)
    summary = Summary(
        verb=verb,
        pod=subject.pod,
        outcome=outcome,
        demand=demand_words(subject.question.demand),
        generation=generation,
        offered=sum(counts.values()),
        counts=counts,
        best=best[0] if best is not None else "",
        best_code=best[1] if best is not None else 0,
        zones=zones,
        mode=mode,
    )
    context.recorder.decided(summary)
    if best is not None:
        cluster.make_row(best[0])
