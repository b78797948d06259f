"""prioritize: which of the survivors is best.

Exactly one node gets 10, and the shipped weight makes one point decide: kube-scheduler takes the node on which we assume
the pod. Where no node fits and several are equally good, these get the same, and its own scores decide. Absent hosts count 0 there, so zeros are left out. kube-scheduler does not call this verb for a sole survivor, and
swallows every error of it: an unreadable call gets an error status and an empty body.
"""

from _fastfit import Fit, ScanError
from extender.placement.decide import fit_of
from extender.placement.subject import subject_of
from extender.verbs.call import Call, Context, Filtered, Summary
from extender.verbs.record import record_later
from extender.verbs.reply import Reply
from extender.wire.replies import NO_SCORES

__all__ = ["prioritize_nodes"]


def prioritize_nodes(context: Context, call: Call, now: float) -> Reply:
    """Answers one prioritize call. Never raises for what a caller sends."""
    missing = context.not_ready()
    cluster, found = context.decider.cluster, context.filtered
    if found is not None and not missing and found.answers(call, cluster.changes):
        cluster.advance(now)
        return _again(context, found, left_only=call.names is found.left)
    if not missing:
        context.decider.begin(call.pod.metadata.uid, now)
    subject = subject_of(cluster, call.pod, complete=not missing)
    if subject.passes:
        context.recorder.decided(Summary("prioritize", call.pod, "passed"))
        return Reply(200, NO_SCORES, "passed")
    if missing:
        return Reply(503, b"", "not_ready")
    try:
        fit = fit_of(cluster, subject, call.names)
    except ScanError:
        return Reply(400, b"", "bad_request")
    best = context.decider.assume_best(subject, fit)
    reply = _scores(context, fit, best)
    record_later(context, "prioritize", subject, fit, best)
    return Reply(200, reply, "ok")


def _again(context: Context, found: Filtered, *, left_only: bool) -> Reply:
    """What filter found and assumed holds: only the scores are new."""
    context.decider.cluster.renew(found.call.pod.metadata.uid)
    reply = _scores(context, found.fit, found.best)
    record_later(context, "prioritize", found.subject, found.fit, found.best, left_only=left_only)
    return Reply(200, reply, "ok")


def _scores(context: Context, fit: Fit, best: tuple[str, int] | None) -> bytes:
    """Without a winner only equally good nodes are told from worse ones; kube-scheduler's own scores decide."""
    return fit.score_reply(context.score_top) if best is not None or fit.tied else NO_SCORES
