"""From a pod and the cache to an answer: ask the kernel, check its winner with the kubelet twin, assume it there."""

import contextlib

from _fastfit import Fit
from _fastfit.codes import Code
from extender.cache.cluster import Cluster
from extender.cache.pods.attempt import Attempt, attempt_of
from extender.cache.pods.pod import PodEntry, entry_of
from extender.kubelet.results import Admitted, Refused
from extender.kubevirt.demand import question_for
from extender.kubevirt.launcher_pod import PodRole
from extender.placement.subject import Subject, move_of
from extender.placement.ties import ids_decide
from extender.placement.winner import BY_IDS, guest_code, move_refusal, refusal_code
from extender.reasons import verdict_of

__all__ = ["Decider", "fit_of"]

#: Winners that the kubelet twin may exclude in one call.
_EXCLUSIONS = 16


def fit_of(cluster: Cluster, subject: Subject, names: bytes) -> Fit:
    """The kernel's answer for these nodes (a JSON array), as the cache is. Changes nothing.

    Raises ScanError for bad names.
    """
    fit = cluster.table.fit(cluster.table.prepare(subject.question.ask), names, subject.pod.metadata.uid)
    for name, code in cluster.excluded_nodes(subject.question.demand, subject.move):
        with contextlib.suppress(KeyError):  # not among the names of this call
            fit.exclude(name, code)
    return fit


class Decider:
    """Answers for pods from one cluster. Synchronous: between reading the table and the answer nothing else runs."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        #: failures of earlier attempts of the call's pod that may still be reported
        self._late = 0

    def begin(self, uid: str, now: float, attempt: Attempt | None = None) -> None:
        """Brings the cache up to date for a call about this pod, whose own assumed placement is ended.

        `attempt`: what its scheduling attempt starts from, of the first call of one.
        """
        self._late = self.cluster.begin_attempt(uid, attempt)
        self.cluster.sync(now)

    def assume_best(self, subject: Subject, fit: Fit) -> tuple[str, int] | None:
        """Assumes the pod on the best node; a winner that the kubelet twin refuses is excluded and the next one taken.

        Returns the winner and its code, None where the pod is assumed on no node: none can take it, none fits and
        several are equally good (then kube-scheduler's own scores decide), or so many winners were excluded that the
        rest is not checked. Unchecked nodes are unknown, and none of them is the winner.
        """
        for _ in range(_EXCLUSIONS):
            best = fit.best()
            if best is None:
                return best
            if fit.tied and not ids_decide(self.cluster, *best):
                self.cluster.assumed.offer(subject.pod.metadata.uid)
                return None
            if verdict_of(best[1]) == "refused":
                return best
            refusal = self._assume(subject, *best)
            if refusal is None:
                fit.choose()
                return best
            fit.exclude(best[0], refusal)
        best = fit.best()
        if best is None or verdict_of(best[1]) == "refused":
            return best
        fit.doubt(Code.NotChecked)
        return None

    def verdict_on_binding(self, pod: PodEntry) -> str:
        """What we say of a pod on the node where somebody else has bound it: fits, unknown, refused, or none.

        To be asked while the node's row is still that before the binding (PodBound). A live migration's target is judged
        as one while its VM runs elsewhere; `none` where it is too late to tell.
        """
        cluster = self.cluster
        if not pod.launcher or cluster.node(pod.node) is None:
            return "none"
        role, move = PodRole.FIRST_BOOT, None
        if not pod.boots:
            source = cluster.vms.run_of(pod.vmi).node
            if source in ("", pod.node):
                # The VM runs nowhere (the pod may be no target at all), or in this pod already.
                return "none"
            role, move = PodRole.MIGRATION_TARGET, move_of(cluster, pod.vmi, dict(pod.annotations))
        guest = cluster.vms.guest(pod.vmi)
        dedicated = guest is not None and guest.dedicated
        zoned, installation = cluster.zoned_devices, cluster.vms.kubevirt
        ask = question_for(pod.demand, role, guest, zoned, dedicated, move, installation=installation).ask
        return verdict_of(cluster.table.code_on(cluster.table.prepare(ask), pod.node))

    def _assume(self, subject: Subject, node: str, code: int) -> Code | None:
        """Assumes the pod; returns why the node cannot take it, though counts say so: the kubelet twin refuses it, or the
        CPUs that it would get cannot take over the guest.
        """
        entry = entry_of(subject.pod, subject.question.demand)
        if entry is None:
            return None
        nominated = subject.pod.status.nominated_node_name == node
        attempt = attempt_of(subject.pod)
        refused = self.cluster.assume(entry, node, attempt, verdict_of(code), nominated=nominated, late=self._late)
        if isinstance(refused, Refused):
            return refusal_code(refused)
        if refused is not None:
            return refused
        state = self.cluster.node(node)
        if subject.guest is None or subject.question.ask.cells is None or state is None:
            return None
        found = None
        placed = state.ledger.answer(entry.uid)
        if code in BY_IDS and state.facts.stated and isinstance(placed, Admitted):
            exact = guest_code(state, subject, placed)
            found = exact if verdict_of(exact) == "refused" else None
        elif subject.move is not None:
            found = move_refusal(state, entry.uid, subject.guest, subject.move)
        if found is not None:
            self.cluster.forget(entry.uid)
        return found
