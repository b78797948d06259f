"""Both verbs over one cluster, as the HTTP server calls them."""

from extender.config import Settings
from extender.kubevirt.moving import MigrationPolicy
from extender.state.pools import pools_of
from extender.verbs.call import Context
from extender.verbs.filter import filter_nodes
from extender.verbs.prioritize import prioritize_nodes
from extender.verbs.reply import Reply

__all__ = ["Verbs"]


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
