"""filter: which nodes stay.

The reply always lists the survivors. Refusals travel as FailedAndUnresolvableNodes with constant texts: all of them
when no node survives (a node that is absent from the reply loses its text in the pod's event), none otherwise unless
another filter extender stands behind ours. What is not a VM passes unchanged.
"""

from _fastfit import Fit, ScanError
from extender.cache.pods.attempt import attempt_of
from extender.placement.decide import fit_of
from extender.placement.subject import Subject, subject_of
from extender.verbs.call import Call, Context, Filtered, Summary
from extender.verbs.record import record_later
from extender.verbs.reply import Reply
from extender.wire.replies import echo, filter_error

__all__ = ["filter_nodes"]


def filter_nodes(context: Context, call: Call, now: float) -> Reply:
    """Answers one filter call. Never raises for what a caller sends."""
    missing = context.not_ready()
    cluster = context.decider.cluster
    if not missing:
        context.decider.begin(call.pod.metadata.uid, now, attempt_of(call.pod))
    subject = subject_of(cluster, call.pod, complete=not missing)
    if subject.passes:
        context.recorder.decided(Summary("filter", call.pod, "passed"))
        return Reply(200, echo(call.names), "passed")
    if missing and not cluster.pools.enforcing:
        return Reply(200, echo(call.names), "not_ready")
    if missing:
        return Reply(200, filter_error(f"fastfit is not ready: {missing}"), "not_ready")
    try:
        fit = fit_of(cluster, subject, call.names)
    except ScanError as error:
        return Reply(200, filter_error(str(error)), "bad_request")
    return _judge(context, call, subject, fit)


def _judge(context: Context, call: Call, subject: Subject, fit: Fit) -> Reply:
    if fit.error_name is not None:
        text = f"node {fit.error_name} cannot be judged, and its pool says onUnknown: error"
        record_later(context, "filter", subject, fit, None, outcome="error")
        return Reply(200, filter_error(text), "error")
    best = context.decider.assume_best(subject, fit)
    cut = _shorten(context, subject, fit)
    reply = fit.filter_reply(context.always_send_failures)
    context.filtered = Filtered(call, subject, fit, best, reply, cut, context.decider.cluster.changes)
    record_later(context, "filter", subject, fit, best)
    return Reply(200, reply, "ok")


def _shorten(context: Context, subject: Subject, fit: Fit) -> bool:
    """Leaves only the best nodes, so that in-tree scoring runs on few.

    In-tree preferences (soft spreading, preferred affinity, PreferNoSchedule) are then weighed among these only, and a
    filter that comes after extenders (volumes are reserved after scoring) may fail on all of them; so a pod that was
    given a shortlist and comes back gets every node. Returns whether any was left out.
    """
    uid = subject.pod.metadata.uid
    if context.always_send_failures or uid in context.shortlisted:
        return False
    cut = fit.shortlist(context.shortlist)
    if cut:
        context.shortlisted.add(uid)
    return cut
