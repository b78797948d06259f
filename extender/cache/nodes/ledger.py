"""The ledger of one node: which pods hold what, in the order in which the kubelet handles them.

Held pods are bound to the node; assumed ones were ranked here and wait for their binding. The kubelet twin plays held
pods first, then assumed ones. When a pod is forgotten, or a binding overtakes another, later pods get something else; so
the view is played again from the held state, never patched.
"""

from collections.abc import Callable, Iterable, Iterator

from _fastfit.model import ZoneRow
from extender.cache.interning import Memo
from extender.cache.nodes.facts import NodeFacts
from extender.cache.nodes.hugepages import FreePages, HugePageUse
from extender.cache.nodes.placement import CompactPlacement, Pages, PodGuest
from extender.cache.nodes.zone_rows import zone_rows
from extender.cache.pods.pod import PodEntry
from extender.kubelet.admission import Kubelet
from extender.kubelet.model import CannotStart
from extender.kubelet.pod import Kind
from extender.kubelet.results import Admitted, Refused
from extender.kubelet.versions import version_of

__all__ = ["NodeLedger"]

Answer = Admitted | Refused

#: Kubelets of empty nodes by the ids of what they are made of, which is kept with them.
_EMPTY_NODES: Memo[tuple[int, int, int, str], tuple[NodeFacts, Kubelet]] = Memo(512)


class NodeLedger:
    """Pods of one node and their predicted placements. `problem` says why the kubelet cannot be played."""

    __slots__ = ("_answers", "_assumed", "_base", "_held", "_hugepage_use", "_view", "facts", "problem")

    def __init__(self, facts: NodeFacts) -> None:
        self.facts = facts
        self.problem = ""
        #: all and only the live pods bound to the node, in kubelet order
        self._held: dict[str, PodEntry] = {}
        #: all and only the pods that we ranked to this node and that are not bound yet, in that order
        self._assumed: dict[str, PodEntry] = {}
        #: answers of the kubelet twin, by pod UID
        self._answers: dict[str, CompactPlacement | Refused] = {}
        self._hugepage_use = HugePageUse()
        self._base = self._new_kubelet()
        self._view = self._base

    # --- reading -------------------------------------------------------------------------------------

    @property
    def kubelet(self) -> Kubelet | None:
        """The node's kubelet with everything held and assumed; None when it cannot be played."""
        return self._view

    def held_zones(self) -> tuple[ZoneRow, ...]:
        """Counts per zone with everything held and nothing assumed; empty when the kubelet cannot be played."""
        return zone_rows(self._base.counts()) if self._base is not None else ()

    @property
    def assumed(self) -> int:
        """Number of pods assumed on this node."""
        return len(self._assumed)

    def pods(self) -> Iterator[PodEntry]:
        """Held pods, then assumed ones."""
        yield from self._held.values()
        yield from self._assumed.values()

    def held_pods(self) -> tuple[PodEntry, ...]:
        """Pods bound to the node, in kubelet order."""
        return tuple(self._held.values())

    def answer(self, uid: str) -> Answer | None:
        """What the kubelet twin answered for the pod."""
        found = self._answers.get(uid)
        return found.admitted() if isinstance(found, CompactPlacement) else found

    def placed(self, uid: str) -> CompactPlacement | None:
        """Where the kubelet twin put the pod; None where it did not."""
        found = self._answers.get(uid)
        return found if isinstance(found, CompactPlacement) else None

    def pages(self, pod: PodEntry, pod_guest: PodGuest) -> Pages:
        """Huge pages that the pod holds physically; none where the kubelet twin has not placed it."""
        found = self._answers.get(pod.uid)
        return found.pages(self.facts, pod.demand, *pod_guest) if isinstance(found, CompactPlacement) else ()

    def pages_free(self, guest_in: Callable[[PodEntry], PodGuest]) -> FreePages:
        """Huge pages that no held or assumed pod takes; the machine must be known."""
        assert self.facts.machine is not None
        pods = ((pod.uid, pod.admitted, self.pages(pod, guest_in(pod))) for pod in self.pods())
        return self._hugepage_use.free(self.facts.machine, self.facts.config, pods)

    def holds_loose_pages(self, pod: PodEntry) -> bool:
        """Whether it is not known which zone holds the pod's huge pages; asked for people, after the row was made."""
        found = self._answers.get(pod.uid)
        return isinstance(found, CompactPlacement) and self._hugepage_use.is_loose(pod.uid, found.known_pages)

    def unplaced(self) -> tuple[PodEntry, ...]:
        """Pods that the real kubelet admitted and the twin refuses: what we know of the node is wrong."""
        return tuple(
            pod for uid, pod in self._held.items() if pod.admitted and isinstance(self._answers.get(uid), Refused)
        )

    def order_matters(self, pod: PodEntry, guest_in: Callable[[PodEntry], PodGuest]) -> bool:
        """Whether an assumed pod, or one assumed before it, gets something else if the kubelet sees that pod first.

        Bindings run in parallel, so pods on their way to one node may overtake each other.
        """
        others = [other for uid, other in self._assumed.items() if uid != pod.uid]
        if self._base is None or not others:
            return False
        if all(o.demand.shape == pod.demand.shape and guest_in(o) == guest_in(pod) for o in others):
            return False  # equal pods that change places leave the same state
        reordered = self._base.clone()
        guarded = self.facts.config.memory_manager_policy == "Static"
        for each in (pod, *others):
            answer = reordered.admit(each.demand)
            if isinstance(answer, Refused):
                return True
            pod_guest = guest_in(each)
            if not guarded and CompactPlacement.of(answer).pages(self.facts, each.demand, *pod_guest) != self.pages(
                each, pod_guest
            ):
                return True
        return False

    # --- events --------------------------------------------------------------------------------------

    def hold(self, pod: PodEntry) -> None:
        """The pod is bound to this node. A repeated call updates the entry."""
        known = self._held.get(pod.uid)
        if known is not None:
            self._held[pod.uid] = pod
            self._start(pod)
            if pod.admitted and isinstance(self._answers.get(pod.uid), Refused):
                # The real kubelet took it: perhaps it saw the pods in another order than we did.
                self.replay()
            return
        in_order = not self._assumed or next(iter(self._assumed)) == pod.uid
        assumed = self._assumed.pop(pod.uid, None)
        self._held[pod.uid] = pod
        as_played = in_order and assumed is not None and assumed.demand == pod.demand
        if as_played and not self._assumed:
            # It was the only assumed pod: what was played for it is what the node holds now.
            self._base = self._view
        else:
            self._admit(self._base, pod)
        self._start(pod)
        if not as_played:
            self._play_assumed()

    def assume(self, pod: PodEntry) -> Answer | None:
        """Assumes the pod here. Returns the twin's answer; a refused pod is not kept."""
        if self._base is None or pod.uid in self._held:
            return None
        self.forget(pod.uid)
        if self._view is self._base:
            self._view = self._base.clone()
        answer = self._admit(self._view, pod)
        if isinstance(answer, Refused):
            del self._answers[pod.uid]
            self._play_assumed()
            return answer
        self._assumed[pod.uid] = pod
        return answer

    def forget(self, uid: str) -> bool:
        """Ends the pod's assumed placement. Returns whether there was one."""
        if self._assumed.pop(uid, None) is None:
            return False
        self._answers.pop(uid, None)
        self._play_assumed()
        return True

    def end(self, uid: str) -> bool:
        """The pod holds nothing any more. Returns whether it held anything here."""
        if self._held.pop(uid, None) is None:
            return self.forget(uid)
        self._answers.pop(uid, None)
        self._hugepage_use.end(uid)
        if self._base is not None:
            self._base.remove(uid)
        self._play_assumed()
        return True

    def reconfigure(self, facts: NodeFacts) -> None:
        """The node's facts changed: play everything again on the new machine."""
        self.facts = facts
        self._hugepage_use.clear()
        self.replay()

    def replay(self) -> None:
        """Play all held pods again on an empty node: those that the kubelet admitted first, in its order."""
        self._base = self._new_kubelet()
        self._answers.clear()
        ordered = sorted(self._held.values(), key=lambda pod: (not pod.admitted, pod.order))
        self._held = {pod.uid: pod for pod in ordered}
        for pod in ordered:
            self._admit(self._base, pod)
            self._start(pod)
        self._play_assumed()

    # --- inside --------------------------------------------------------------------------------------

    def _new_kubelet(self) -> Kubelet | None:
        self.problem = ""
        facts = self.facts
        if facts.machine is None:
            return None
        # Nodes of one kind share their facts, and whatever never changes of their kubelets.
        key = id(facts.machine), id(facts.config), id(facts.devices), facts.version
        known = _EMPTY_NODES.get(key)
        if known is None:
            try:
                kubelet = Kubelet(facts.machine, facts.config, version_of(facts.version), facts.devices)
            except CannotStart as error:
                self.problem = str(error)
                return None
            known = _EMPTY_NODES.keep(key, (facts, kubelet))
        return known[1].clone()

    def _start(self, pod: PodEntry) -> None:
        """Memory of a running pod's init containers is given back; their CPUs are not."""
        if self._base is None or not pod.running or not any(c.kind is Kind.INIT for c in pod.demand.containers):
            return
        app = next((c.name for c in pod.demand.containers if c.kind is Kind.APP), None)
        if app is not None:
            self._base.started(pod.uid, app)
            if self._assumed:
                self._play_assumed()

    def _play_assumed(self) -> None:
        self._view = self._base
        if self._base is None or not self._assumed:
            return
        self._view = self._base.clone()
        void = [pod.uid for pod in self._play(self._view, self._assumed.values())]
        for uid in void:
            # It no longer fits behind the others. kube-scheduler will bind it or not; it is not assumed any more.
            del self._assumed[uid]
            self._answers.pop(uid, None)

    def _play(self, kubelet: Kubelet, pods: Iterable[PodEntry]) -> list[PodEntry]:
        """Admits the pods in order; returns those refused."""
        return [pod for pod in pods if isinstance(self._admit(kubelet, pod), Refused)]

    def _admit(self, kubelet: Kubelet | None, pod: PodEntry) -> Answer | None:
        if kubelet is None:
            return None
        answer = kubelet.admit(pod.demand)
        self._answers[pod.uid] = answer if isinstance(answer, Refused) else CompactPlacement.of(answer)
        if isinstance(answer, Refused):
            # What a refused pod's first containers took is swept before the next admission.
            kubelet.remove(pod.uid)
        return answer
