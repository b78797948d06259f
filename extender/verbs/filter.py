"""filter: which nodes stay.

The reply always lists the survivors. Refusals travel as FailedAndUnresolvableNodes with constant texts: all of them
when no node survives (a node that is absent from the reply loses its text in the pod's event), none otherwise unless
another filter extender stands behind ours. What is not a VM passes unchanged.
"""

from _fastfit import Fit, ScanError
from extender.errors import BadRequest
from extender.verbs.call import Call, Context, Filtered, Summary, call_of, read
from extender.verbs.record import record_later
from extender.verbs.reply import Reply
from extender.wire.replies import echo, filter_error

__all__ = ["filter_nodes"]

#: Pods whose shortlist is remembered; far more than wait at any time.
_REMEMBERED = 10_000


def filter_nodes(context: Context, body: bytes) -> Reply:
    """Answers one filter call. Never raises for what a caller sends."""
    missing = context.not_ready()
    try:
        last = context.filtered
        args = read(context, body, last.args.names if last is not None else b"")
        call = call_of(context, args, complete=not missing)
        if call.passes:
            context.recorder.decided(Summary("filter", call.args.pod, "passed"))
            return Reply(200, echo(call.args.names), "passed")
        if missing and not context.decider.cluster.pools.enforcing:
            return Reply(200, echo(call.args.names), "not_ready")
        if missing:
            return Reply(200, filter_error(f"fastfit is not ready: {missing}"), "not_ready")
        return _judge(context, call)
    except (BadRequest, ScanError) as error:
        return Reply(200, filter_error(str(error)), "bad_request")


def _judge(context: Context, call: Call) -> Reply:
    fit = context.decider.fit(call.subject, call.args.names)
    if fit.error_name is not None:
        text = f"node {fit.error_name} cannot be judged, and its pool says onUnknown: error"
        record_later(context, "filter", call.subject, fit, None, outcome="error")
        return Reply(200, filter_error(text), "error")
    best = context.decider.assume_best(call.subject, fit)
    cut = _shorten(context, call, fit)
    reply = fit.filter_reply(context.always_send_failures)
    context.filtered = Filtered(call.args, call.subject, fit, best, reply, cut, context.decider.cluster.changes)
    record_later(context, "filter", call.subject, fit, best)
    return Reply(200, reply, "ok")


def _shorten(context: Context, call: Call, fit: Fit) -> bool:
    """Leaves only the best nodes, so that in-tree scoring runs on few.

    In-tree preferences (soft spreading, preferred affinity, PreferNoSchedule) are then weighed among these only, and a
    filter that comes after extenders (volumes are reserved after scoring) may fail on all of them; so a pod that was
    given a shortlist and comes back gets every node. Returns whether any was left out.
    """
    uid = call.subject.pod.metadata.uid
    if context.always_send_failures or uid in context.shortlisted:
        return False
    cut = fit.shortlist(context.shortlist)
    if cut:
        context.shortlisted[uid] = None
        if len(context.shortlisted) > _REMEMBERED:
            context.shortlisted.popitem(last=False)
    return cut
