"""Which nodes a pod is kept from because an equal pod failed there and nothing changed since.

Kubelet admission depends on the pod's demand and on what the node holds. So a refused pod's equals will be refused
again until something changes there, or for a while (extender/cache/pods/refusal.py). Only pods that we sent to a node
teach that: anybody else may have bound a pod where it could not fit. A failed migration will fail again for an equal target of a guest with equal cells, while
exactly the same other pods are on the node.
"""

from collections.abc import Callable, Mapping

from _fastfit.codes import Code
from extender.api.objects import Migration
from extender.cache.nodes.node import NodeState
from extender.cache.pods.pod import PodEntry
from extender.cache.pods.refusal import RefusalCause
from extender.cache.vms.failed_migrations import MigrationTargets
from extender.kubelet.pod import PodDemand
from extender.kubevirt.migration.policy import BootCells, MigrationPolicy, Move

__all__ = ["NodeFailures"]


class NodeFailures:
    """The refusal histories of all nodes. They are kept in NodeState.refusals; here is where to look."""

    def __init__(self, nodes: Mapping[str, NodeState]) -> None:
        self._nodes = nodes
        #: names of nodes with a refusal history; a superset of those whose history is not empty
        self._with_history: dict[str, None] = {}
        self._targets = MigrationTargets()

    def excluded_nodes(self, demand: PodDemand, move: Move | None, now: float) -> list[tuple[str, Code]]:
        """Nodes on which an equal pod failed and where it is not tried again yet, each with the reason.

        `move`: of a migration's target, its migration.
        """
        found = []
        for name in list(self._with_history):
            state = self._nodes.get(name)
            if state is None or not state.refusals:
                continue
            refused = state.refusals.refuses(demand, now, tried=state.awaits_equal(demand))
            if refused is not None:
                found.append((name, refused))
            elif move is not None and move.policy is not MigrationPolicy.OFF:
                others = state.refusals.failed_among(demand.shape, move.boot)
                if others is not None and others[0] == frozenset(state.bound()) - {others[1], demand.uid}:
                    found.append((name, Code.MigrationFailedBefore))
        return found

    def kubelet_refused(self, entry: PodEntry, cause: RefusalCause, now: float) -> None:
        """The kubelet of the pod's node refused it."""
        self.drop_empty()
        state = self._nodes.get(entry.node)
        if state is None:
            return
        if state.refusals.prove(cause):
            state.facts_changed = True
        if entry.launcher and entry.placed_by_us:
            state.refusals.refused(entry.demand, cause, now)
            self._with_history[entry.node] = None

    def target_bound(self, entry: PodEntry, state: NodeState) -> None:
        """A migration's target was bound; its node is about to hold it."""
        self._targets.bind(entry, state.bound())

    def migration_changed(self, migration: Migration, cells_of: Callable[[str], BootCells]) -> str:
        """The node on which this migration has just failed; empty: none. `cells_of` a VMI, by UID."""
        target = self._targets.failed(migration)
        if target is None or target.node not in self._nodes:
            return ""
        self.drop_empty()
        refusals = self._nodes[target.node].refusals
        refusals.migration_failed(target.shape, cells_of(target.vmi), target.others, target.uid)
        self._with_history[target.node] = None
        return target.node

    def drop_empty(self) -> None:
        """Forgets nodes that are gone, or whose history was cleared."""
        for name in list(self._with_history):
            state = self._nodes.get(name)
            if state is None or not state.refusals:
                del self._with_history[name]
