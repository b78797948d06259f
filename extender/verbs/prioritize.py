"""prioritize: which of the survivors is best.

Exactly one node gets 10, and the shipped weight makes one point decide: kube-scheduler takes the node that we charge.
Absent hosts count 0 there, so zeros are left out. kube-scheduler does not call this verb for a sole survivor, and
swallows every error of it: an unreadable call gets an error status and an empty body.
"""

from _fastfit import ScanError
from extender.errors import BadRequest
from extender.verbs.call import Context, Filtered, Summary, call_of, read
from extender.verbs.record import record_later
from extender.verbs.reply import Reply
from extender.wire.replies import NO_SCORES

__all__ = ["prioritize_nodes"]


def prioritize_nodes(context: Context, body: bytes) -> Reply:
    """Answers one prioritize call. Never raises for what a caller sends."""
    missing = context.not_ready()
    try:
        found = context.filtered
        args = read(context, body, found.names_in(body) if found is not None else b"")
        if found is not None and not missing and found.answers(args, context.decider.cluster.changes):
            return _again(context, found, left_only=args.names is found.left)
        call = call_of(context, args, complete=not missing)
        if call.passes:
            context.recorder.decided(Summary("prioritize", call.args.pod, "passed"))
            return Reply(200, NO_SCORES, "passed")
        if missing:
            return Reply(503, b"", "not_ready")
        fit = context.decider.fit(call.subject, call.args.names)
        best = context.decider.assume_best(call.subject, fit)
        reply = fit.score_reply(context.score_top)
        record_later(context, "prioritize", call.subject, fit, best)
        return Reply(200, reply, "ok")
    except (BadRequest, ScanError):
        return Reply(400, b"", "bad_request")


def _again(context: Context, found: Filtered, *, left_only: bool) -> Reply:
    """What filter found and charged stands: only the scores are new."""
    context.decider.cluster.renew(found.args.pod.metadata.uid)
    reply = found.fit.score_reply(context.score_top)
    record_later(context, "prioritize", found.subject, found.fit, found.best, left_only=left_only)
    return Reply(200, reply, "ok")
