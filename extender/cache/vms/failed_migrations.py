"""What failures taught us about nodes: pods that kubelets refused, and migrations that failed on their target.

A failed migration proves that an equal target of a guest with equal cells will fail again while the node holds the same
pods. Its pod leaves the node because of the failure, in no fixed order with the news of it; so what the node held is
noted when the pod is bound.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from _fastfit.codes import Code
from extender.api.objects import Migration
from extender.cache.nodes.node import NodeState
from extender.cache.nodes.refusals import Shape
from extender.cache.pods.pod import PodEntry
from extender.kubelet.pod import PodDemand
from extender.kubevirt.migration.failure import failed_on_target
from extender.kubevirt.migration.policy import BootCells, MigrationPolicy, Move

__all__ = ["NodeFailures"]

#: Targets that are kept until their migration is over; the oldest goes first.
_KEPT = 256


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A migration's target as it was bound; `others`: UIDs of what the node held."""

    node: str
    uid: str
    shape: Shape
    vmi: str
    others: frozenset[str]


class NodeFailures:
    """Of all nodes."""

    def __init__(self, nodes: Mapping[str, NodeState]) -> None:
        self._nodes = nodes
        #: names of nodes that were taught something; a superset of those that still remember it
        self.with_history: dict[str, None] = {}
        self._arrivals: dict[tuple[str, str], _Arrival] = {}

    def refusers(self, demand: PodDemand, move: Move | None) -> list[tuple[str, Code]]:
        """Nodes on which an equal pod failed and that hold the same since, with what failed there."""
        found = []
        for name in list(self.with_history):
            state = self._nodes.get(name)
            if state is None or not state.refusals:
                del self.with_history[name]
            elif state.refusals.refuses(demand):
                found.append((name, Code.RefusedBefore))
            elif move is not None and move.policy is not MigrationPolicy.OFF:
                others = state.refusals.failed_among(demand.shape, move.boot)
                if others is not None and others[0] == frozenset(state.bound()) - {others[1], demand.uid}:
                    found.append((name, Code.MigrationFailedBefore))
        return found

    def kubelet_refused(self, entry: PodEntry, reason: str) -> None:
        """The kubelet of the pod's node refused it."""
        state = self._nodes.get(entry.node)
        if state is not None and state.refusals.refused(entry.demand, reason):
            state.facts_changed = True
        self.with_history[entry.node] = None

    def arrives(self, entry: PodEntry, state: NodeState) -> None:
        """A migration's target is about to be held by its node."""
        others = frozenset(state.bound()) - {entry.uid}
        self._arrivals[entry.namespace, entry.name] = _Arrival(
            entry.node, entry.uid, entry.demand.shape, entry.vmi, others
        )
        if len(self._arrivals) > _KEPT:
            del self._arrivals[next(iter(self._arrivals))]

    def migration_changed(self, job: Migration, cells_of: Callable[[str], BootCells]) -> str:
        """The node that this migration has just taught something; empty: none. `cells_of` a VMI, by UID."""
        failed = failed_on_target(job)
        arrival = self._arrivals.pop((failed.namespace, failed.pod), None) if failed is not None else None
        if failed is None or arrival is None or arrival.node != failed.node or failed.node not in self._nodes:
            return ""
        refusals = self._nodes[failed.node].refusals
        refusals.move_failed(arrival.shape, cells_of(arrival.vmi), arrival.others, arrival.uid)
        self.with_history[failed.node] = None
        return failed.node
