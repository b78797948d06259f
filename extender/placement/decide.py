"""From a pod and the table to an answer: ask the kernel, check its winner with the kubelet model, charge it."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from _fastfit import Fit
from _fastfit.codes import Code
from extender import names
from extender.api.objects import Pod
from extender.cache.cluster import Cluster
from extender.cache.pods.attempt import attempt_of
from extender.cache.pods.pod import PodEntry, entry_of
from extender.kubelet.results import Refused
from extender.kubevirt.demand import Question, devices_of, question_for, question_of
from extender.kubevirt.launcher_pod import Guest, PodRole, controlling_vmi, role_of
from extender.kubevirt.migration.cells_annotation import cells_in
from extender.kubevirt.migration.policy import Move, policy_of
from extender.placement.winner import move_refusal
from extender.reasons import verdict_of

__all__ = ["Decider", "Subject", "move_of", "subject_of"]

#: How often the kubelet model may exclude the kernel's winner in one call.
_OVERRULINGS = 16

#: What a refusal by the kubelet model means in our codes.
_MODEL_CODES = {
    "TopologyAffinityError": Code.ZonesDisagree,
    "SMTAlignmentError": Code.SmtAlignment,
    "UnexpectedAdmissionError": Code.ZoneMemoryShort,
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A pod under judgement: what it is, what it asks, and its guest, None while the VMI is not known."""

    pod: Pod
    role: PodRole
    guest: Guest | None
    question: Question
    #: of a live-migration target: what is known of the VM that moves
    move: Move | None = None


def subject_of(cluster: Cluster, pod: Pod, *, complete: bool = True) -> Subject:
    """Reads the pod against the picture, which is brought up to date for it.

    While the picture is not `complete` nothing is made of it, and every device may turn out to have zones.
    """
    if complete:
        cluster.work()
        zoned = cluster.zoned_devices
    else:
        zoned = devices_of(pod)
    role = role_of(pod)
    vmi = controlling_vmi(pod)
    guest = cluster.vms.guest(vmi)
    installation = cluster.vms.kubevirt
    if role is not PodRole.MIGRATION_TARGET:
        former = cluster.vms.layouts.former(vmi)
        question = question_of(pod, role, guest, zoned, former=former, installation=installation)
        return Subject(pod, role, guest, question)
    move = move_of(cluster, vmi, pod.metadata.annotations or {})
    return Subject(pod, role, guest, question_of(pod, role, guest, zoned, move, installation=installation), move)


def move_of(cluster: Cluster, vmi: str, annotations: Mapping[str, str]) -> Move:
    """What is known of a VM that moves. KubeVirt copies its annotations to the pod, so the call itself carries them."""
    guest, layouts = cluster.vms.guest(vmi), cluster.vms.layouts
    policy, problem = policy_of(annotations, cluster.migration)
    carried, doubt = cells_in(annotations.get(names.CELLS_ANNOTATION), guest.size) if guest is not None else ((), "")
    cells, origin = layouts.belief(vmi, carried)
    if doubt:
        problem = "; ".join(filter(None, (problem, f"annotation {names.CELLS_ANNOTATION} is not believed: {doubt}")))
    elif carried and carried != cells:
        told = "+".join(str(count) for count, _ in carried)
        known = f"annotation {names.CELLS_ANNOTATION} ({told} vCPUs) contradicts what is known otherwise"
        problem = "; ".join(filter(None, (problem, known)))
    return Move(cells, layouts.life(vmi).sockets, policy, problem, origin.value)


class Decider:
    """Answers for pods from one cluster. Synchronous: between reading the table and the answer nothing else runs."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        cluster.judge = self.judge

    def fit(self, subject: Subject, names: bytes) -> Fit:
        """The kernel's answer for these nodes, with the pod's own charge lifted. Raises ScanError for bad names."""
        self.cluster.withdraw(subject.pod.metadata.uid)
        return self.peek(self.cluster, subject, names)

    @staticmethod
    def peek(cluster: Cluster, subject: Subject, names: bytes) -> Fit:
        """The kernel's answer as the picture stands, the pod's own charge included; nothing is changed."""
        cluster.work()
        fit = cluster.table.fit(cluster.table.prepare(subject.question.ask), names)
        for name, code in cluster.lessons.refusers(subject.question.demand, subject.move):
            with contextlib.suppress(KeyError):  # not among the names of this call
                fit.exclude(name, code)
        return fit

    def charge(self, subject: Subject, fit: Fit) -> tuple[str, int] | None:
        """Charges the pod to the best node; a winner that the kubelet model refuses is struck and the next one taken.

        Returns the winner and its code, None where no node may be charged.
        """
        for _ in range(_OVERRULINGS):
            best = fit.best()
            if best is None or verdict_of(best[1]) == "refused":
                return best
            refusal = self._promise(subject, *best)
            if refusal is None:
                return best
            fit.exclude(best[0], refusal)
        return fit.best()

    def judge(self, pod: PodEntry) -> str:
        """What we say of a pod on the node where somebody has bound it: fits, unknown, refused, or none.

        A live migration's target is judged as one while its VM runs elsewhere; `none` where that can no longer be told.
        """
        if not pod.launcher or self.cluster.node(pod.node) is None:
            return "none"
        role, move = PodRole.FIRST_BOOT, None
        if not pod.boots:
            home = self.cluster.vms.layouts.life(pod.vmi).node
            if home in ("", pod.node):
                # The VM runs nowhere (the pod may be no target at all), or in this pod already: what moved is history.
                return "none"
            role, move = PodRole.MIGRATION_TARGET, move_of(self.cluster, pod.vmi, dict(pod.told))
        self.cluster.freshen(pod.node)
        guest = self.cluster.vms.guest(pod.vmi)
        dedicated = guest is not None and guest.dedicated
        zoned, installation = self.cluster.zoned_devices, self.cluster.vms.kubevirt
        ask = question_for(pod.demand, role, guest, zoned, dedicated, move, installation=installation).ask
        return verdict_of(self.cluster.table.code_on(self.cluster.table.prepare(ask), pod.node))

    def _promise(self, subject: Subject, node: str, code: int) -> Code | None:
        """Charges; returns why the node cannot take the pod, though counts say so: the kubelet model refuses it, or the
        CPUs that it would get do not carry the moving guest.
        """
        entry = entry_of(subject.pod, subject.question.demand)
        if entry is None:
            return None
        nominated = subject.pod.status.nominated_node_name == node
        attempt = attempt_of(subject.pod)
        refused = self.cluster.promise(entry, node, attempt, verdict_of(code), nominated=nominated)
        if isinstance(refused, Refused):
            return _MODEL_CODES.get(refused.reason, Code.ZonesDisagree)
        if refused is not None:
            return refused
        state = self.cluster.node(node)
        if subject.move is None or subject.guest is None or subject.question.ask.cells is None or state is None:
            return None
        found = move_refusal(state, entry.uid, subject.guest, subject.move)
        if found is not None:
            self.cluster.withdraw(entry.uid)
        return found
