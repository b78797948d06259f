"""filter: which nodes stay.

The reply always lists the survivors. Refusals travel as FailedAndUnresolvableNodes with constant texts: all of them
when no node survives (a node that is absent from the reply loses its text in the pod's event), none otherwise unless
another filter extender stands behind ours. What is not a VM passes unchanged.
"""

from _fastfit import ScanError
from extender.errors import BadRequest
from extender.verbs.call import Call, Context, Summary, read_call
from extender.verbs.record import summary_of
from extender.verbs.reply import Reply
from extender.wire.replies import echo, filter_error

__all__ = ["filter_nodes"]


def filter_nodes(context: Context, body: bytes) -> Reply:
    """Answers one filter call. Never raises for what a caller sends."""
    missing = context.not_ready()
    try:
        call = read_call(context, body)
        if call.passes:
            context.recorder.decided(Summary("filter", call.args.pod, "passed"))
            return Reply(200, echo(call.args.names), "passed")
        if missing:
            return Reply(200, filter_error(f"fastfit is not ready: {missing}"), "not_ready")
        return _judge(context, call)
    except (BadRequest, ScanError) as error:
        return Reply(200, filter_error(str(error)), "bad_request")


def _judge(context: Context, call: Call) -> Reply:
    fit = context.decider.fit(call.subject, call.args.names)
    if fit.error_name is not None:
        text = f"node {fit.error_name} cannot be judged, and its pool says onUnknown: error"
        context.recorder.decided(summary_of(context, "filter", call.subject, fit, None, "error"))
        return Reply(200, filter_error(text), "error")
    best = context.decider.charge(call.subject, fit)
    reply = fit.filter_reply(context.always_send_failures)
    context.recorder.decided(summary_of(context, "filter", call.subject, fit, best, "ok"))
    return Reply(200, reply, "ok")
