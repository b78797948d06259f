"""Both verbs over one cluster, as the HTTP server calls them: `read`, then `filter` or `prioritize`."""

from extender.cache.nodes.pools import pools_of
from extender.config import Settings
from extender.kubevirt.migration.policy import MigrationPolicy
from extender.verbs.call import Call, Context, Unreadable, read_call
from extender.verbs.filter import filter_nodes
from extender.verbs.missing_objects import MissingObjects, missing_for
from extender.verbs.prioritize import prioritize_nodes
from extender.verbs.reply import Reply
from extender.wire.replies import filter_error

__all__ = ["Verbs"]


class Verbs:
    """Synchronous on purpose: no await between reading the table and assuming the pod."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def read(self, body: bytes) -> Call | Unreadable:
        """What a body says. A call that cannot be read is a value as well, and each verb has its answer to it."""
        return read_call(self.context, body)

    def missing(self, call: Call | Unreadable) -> MissingObjects | None:
        """What the cache has not seen yet of what this call names; None: nothing, or it was asked before.

        To be asked before the call is answered, and once per pod: a pod that waits for ever would be held up each time.
        """
        context = self.context
        if isinstance(call, Unreadable) or call.pod.metadata.uid in context.waited or context.not_ready():
            return None
        missing = missing_for(context.decider.cluster, call.pod)
        if missing is not None:
            context.waited.add(call.pod.metadata.uid)
        return missing

    def filter(self, call: Call | Unreadable, now: float) -> Reply:
        """Answers one filter call; `now` in seconds on the clock of the cluster's ticks."""
        if isinstance(call, Unreadable):
            return Reply(200, filter_error(call.text), "bad_request")
        return filter_nodes(self.context, call, now)

    def prioritize(self, call: Call | Unreadable, now: float) -> Reply:
        """Answers one prioritize call."""
        if isinstance(call, Unreadable):
            return Reply(400, b"", "bad_request")
        return prioritize_nodes(self.context, call, now)

    def configure(self, settings: Settings) -> None:
        """Takes over settings: pools, modes and doubts at once for every node."""
        self.context.filtered = None
        self.context.max_names = settings.limits.node_names
        self.context.max_depth = settings.limits.nesting
        self.context.always_send_failures = settings.reply.always_send_failures
        self.context.score_top = settings.reply.score_top
        self.context.shortlist = settings.reply.shortlist
        self.context.decider.cluster.configure(
            pools_of(settings),
            promise_seconds=float(settings.charges.promise_seconds),
            nrt_stale_after=float(settings.report_stale_after_seconds),
            migration=MigrationPolicy(settings.migration),
            owners_decide=settings.migration_from_owners,
        )
