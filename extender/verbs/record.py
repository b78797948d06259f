"""The record of one judged call."""

from _fastfit import Fit
from extender.placement.decide import Subject
from extender.verbs.call import Context, Summary, demand_words

__all__ = ["summary_of"]

_MODES = ("enforce", "score", "observe")


def summary_of(
    context: Context, verb: str, subject: Subject, fit: Fit, best: tuple[str, int] | None, outcome: str
) -> Summary:
    """Counts by code, and the winner with its predicted zones."""
    cluster = context.decider.cluster
    zones: tuple[int, ...] = ()
    mode = _MODES[cluster.pools.rest.mode]
    if best is not None:
        state = cluster.node(best[0])
        if state is not None:
            mode = _MODES[state.facts.pool.mode]
            zones = state.zones_of(subject.pod.metadata.uid)
    return Summary(
        verb=verb,
        pod=subject.pod,
        outcome=outcome,
        demand=demand_words(subject.question.demand),
        generation=cluster.generation,
        offered=fit.total,
        counts=fit.counts(),
        best=best[0] if best is not None else "",
        best_code=best[1] if best is not None else 0,
        zones=zones,
        mode=mode,
    )
