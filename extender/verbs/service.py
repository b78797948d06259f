"""Both verbs over one cluster, as the HTTP server calls them."""

from _fastfit import ScanError
from extender.cache.nodes.pools import pools_of
from extender.config import Settings
from extender.errors import BadRequest
from extender.kubevirt.migration.policy import MigrationPolicy
from extender.verbs.call import Context, read
from extender.verbs.filter import filter_nodes
from extender.verbs.missing_objects import MissingObjects, missing_for
from extender.verbs.prioritize import prioritize_nodes
from extender.verbs.reply import Reply

__all__ = ["Verbs"]

#: Pods that are remembered as waited for; far more than wait at any time.
_REMEMBERED = 10_000


class Verbs:
    """Synchronous on purpose: no await between reading the table and recording the promise."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def filter(self, body: bytes, now: float) -> Reply:
        """One filter call; `now` in seconds on the clock of the cluster's ticks."""
        self.context.decider.cluster.now = now
        return filter_nodes(self.context, body)

    def prioritize(self, body: bytes, now: float) -> Reply:
        """One prioritize call."""
        self.context.decider.cluster.now = now
        return prioritize_nodes(self.context, body)

    def missing(self, body: bytes) -> MissingObjects | None:
        """What the picture has not seen yet of what this call names; None: nothing, or it was asked before.

        To be asked before the call is answered, and once per pod: whoever waits for ever is told the same.
        """
        context = self.context
        if context.not_ready():
            return None
        try:
            found = context.filtered
            args = read(context, body, found.names_in(body) if found is not None else b"")
        except (BadRequest, ScanError):
            return None
        context.parsed = body, args
        uid = args.pod.metadata.uid
        if uid in context.waited:
            return None
        missing = missing_for(context.decider.cluster, args.pod)
        if missing is not None:
            context.waited[uid] = None
            if len(context.waited) > _REMEMBERED:
                context.waited.popitem(last=False)
        return missing

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
            report_stale_after=float(settings.report_stale_after_seconds),
            migration=MigrationPolicy(settings.migration),
        )
