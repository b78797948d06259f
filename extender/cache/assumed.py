"""Assumed placements: pods that we ranked to a node and that are not bound yet.

As in kube-scheduler's cache, a pod is assumed on its node until its binding is seen, and forgotten when the attempt
fails or time runs out. A pod with status.nominatedNodeName is assumed without a time limit: it was decided by
another replica or before our start, and is not bound yet, perhaps because its volumes are not.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from _fastfit.codes import Code
from extender.api.objects import Pod
from extender.bounded import BoundedSet
from extender.cache.nodes.dirty import DirtyNodes
from extender.cache.nodes.node import NodeState
from extender.cache.nodes.placement import PodGuest
from extender.cache.pods.attempt import Attempt, attempt_failed, attempt_of
from extender.cache.pods.pod import PodEntry, entry_of, splits_cores
from extender.kubelet.results import Admitted, Refused

__all__ = ["AssumedPlacement", "AssumedPods"]

_OPTIONS = "cpuManagerPolicyOptions"
#: Attempts whose failures are waited for: one that repeats the failure before it is not written at all.
_LATE = 3
#: Offered pods that are remembered; far more than wait at any time.
_OFFERED = 10_000


@dataclass(frozen=True, slots=True)
class AssumedPlacement:
    """A placement that waits for its binding. `until` is None while the pod is nominated: no time limit."""

    node: str
    attempt: Attempt
    until: float | None
    verdict: str
    #: it follows from a call that we answered, not from a nomination that somebody else made
    decided: bool = True
    #: failures of earlier attempts that may still be reported
    late: int = 0


@dataclass(frozen=True, slots=True)
class _Nomination:
    """A pod that status.nominatedNodeName sends to a node, and that is not assumed yet."""

    node: str
    pod: PodEntry
    attempt: Attempt


class AssumedPods(Mapping[str, AssumedPlacement]):
    """Assumed placements by UID of the pod. Each is played in the ledger of its node, behind the bound pods."""

    def __init__(self, nodes: Mapping[str, NodeState], dirty: DirtyNodes, *, seconds: float) -> None:
        self._nodes = nodes
        self._dirty = dirty
        #: how long a placement waits for its binding
        self.seconds = seconds
        self._placements: dict[str, AssumedPlacement] = {}
        #: pods nominated for a node that has no row yet, by UID
        self._nominations: dict[str, _Nomination] = {}
        #: UIDs of pods that were left to kube-scheduler's own scores, among the nodes that we let it have
        self._offered: BoundedSet[str] = BoundedSet(_OFFERED)

    def __getitem__(self, uid: str) -> AssumedPlacement:
        """The placement of a pod. Raises KeyError where it has none."""
        return self._placements[uid]

    def __iter__(self) -> Iterator[str]:
        """UIDs of all assumed pods."""
        return iter(self._placements)

    def __len__(self) -> int:
        """How many pods are assumed."""
        return len(self._placements)

    def assume(
        self,
        pod: PodEntry,
        state: NodeState,
        attempt: Attempt,
        verdict: str,
        *,
        until: float | None,
        guest_in: Callable[[PodEntry], PodGuest],
        late: int = 0,
    ) -> Refused | Code | None:
        """Assumes an unbound pod on a node; an earlier placement of it has to be forgotten before.

        Returns the kubelet twin's refusal, or why the pod must wait for others on their way there; then nothing is
        assumed.
        """
        state.play_pending()
        entry = replace(pod, node=state.name)
        if verdict == "fits" and _probe_under_way(state, entry):
            return Code.ProbeUnderWay
        answer = state.ledger.assume(entry)
        if isinstance(answer, Refused):
            return answer
        if answer is not None and state.ledger.order_matters(entry, guest_in):
            state.ledger.forget(pod.uid)
            return Code.OrderUndecided
        self._placements[pod.uid] = AssumedPlacement(state.name, attempt, until, verdict, late=late)
        if isinstance(answer, Admitted):
            self._dirty.mark(state.name)
        return None

    def assume_nominated(self, state: NodeState) -> None:
        """Assumes the pods that are nominated for this node, which has its facts now."""
        for uid in [uid for uid, one in self._nominations.items() if one.node == state.name]:
            one = self._nominations.pop(uid)
            if isinstance(state.ledger.assume(replace(one.pod, node=state.name)), Admitted):
                self._placements[uid] = AssumedPlacement(state.name, one.attempt, None, "none", decided=False)

    def offer(self, uid: str) -> None:
        """The pod goes where kube-scheduler's own scores send it, among nodes that we let it have. No node is charged."""
        self._offered.add(uid)

    def take_offer(self, uid: str) -> bool:
        """Whether the pod, which was bound, was offered; not any more."""
        offered = uid in self._offered
        self._offered.discard(uid)
        return offered

    def renew(self, uid: str, now: float) -> None:
        """The pod is still on its way: its placement, if it has one, waits as long as a new one."""
        assumed = self._placements.get(uid)
        if assumed is not None and assumed.until is not None:
            self._placements[uid] = replace(assumed, until=now + self.seconds)

    def late_failures(self, uid: str, attempt: Attempt | None) -> int:
        """How many failures of a pod's earlier attempts may still be reported, now that a call about it comes.

        kube-scheduler queues a pod again before it writes why the attempt failed, so the next attempt may overtake that.
        `attempt`: what a new attempt starts from; None: the call belongs to the attempt under way.
        """
        assumed = self._placements.get(uid)
        if assumed is None:
            return 0
        if attempt is None or attempt != assumed.attempt:
            return assumed.late
        return min(assumed.late + 1, _LATE)

    def forget(self, uid: str) -> None:
        """Ends the pod's placement, if it has one."""
        self._nominations.pop(uid, None)
        self._offered.discard(uid)
        assumed = self._placements.pop(uid, None)
        if assumed is not None and assumed.node in self._nodes and self._nodes[assumed.node].ledger.forget(uid):
            self._dirty.mark(assumed.node)

    def bind(self, uid: str, node: str) -> AssumedPlacement | None:
        """The pod was bound to this node. Returns its placement if it was assumed there; any other one is forgotten."""
        assumed = self._placements.get(uid)
        if assumed is not None and assumed.node == node:
            return self._placements.pop(uid)
        self.forget(uid)
        return None

    def expire(self, before: float) -> None:
        """Forgets placements whose time ran out before then."""
        for uid in [uid for uid, one in self._placements.items() if one.until is not None and one.until < before]:
            self.forget(uid)

    def drop_node(self, node: str) -> None:
        """The node is gone."""
        for uid in [uid for uid, assumed in self._placements.items() if assumed.node == node]:
            self.forget(uid)

    def update(self, record: Pod, now: float) -> None:
        """An unbound pod was added or changed: follows its nomination, and the failure of its attempt."""
        uid = record.metadata.uid
        nominated = record.status.nominated_node_name or ""
        assumed = self._placements.get(uid)
        if assumed is None:
            self._nominations.pop(uid, None)
            entry = entry_of(record) if nominated else None
            if entry is not None and entry.launcher:
                self._nominations[uid] = _Nomination(nominated, entry, attempt_of(record))
                self._dirty.mark(nominated)
        elif nominated == assumed.node:
            if assumed.until is not None:
                self._placements[uid] = replace(assumed, until=None)
        elif attempt_failed(record, assumed.attempt):
            if not assumed.late:
                self.forget(uid)
                return
            until = assumed.until if assumed.until is not None else now + self.seconds
            self._placements[uid] = replace(assumed, attempt=attempt_of(record), until=until, late=assumed.late - 1)
        elif assumed.until is None:
            self._placements[uid] = replace(assumed, until=now + self.seconds)


def _probe_under_way(state: NodeState, pod: PodEntry) -> bool:
    """Whether another pod that full-pcpus-only would refuse is on its way to the node, whose options are not known.

    Its admission or refusal will show whether the option is on. Asked only of nodes that fit but for this option: where
    more is not known, many pods would wait for little news.
    """
    threads = state.threads_per_core
    if not splits_cores(pod.demand, threads):
        return False
    under_way = any(
        other.uid != pod.uid and not other.admitted and splits_cores(other.demand, threads)
        for other in state.ledger.pods()
    )
    return under_way and _may_want_whole_cores(state)


def _may_want_whole_cores(state: NodeState) -> bool:
    """Whether it is neither stated nor shown by a pod if full-pcpus-only is on."""
    if state.refusals.admits_split_cores or state.facts.config.cpu_manager_policy != "static":
        return False
    return all(fact.name != _OPTIONS for fact in state.facts.facts)
