"""What explain says above the table of nodes: what the pod asks for, and what is to be known of its VM."""

from _fastfit import Fit
from _fastfit.codes import Code
from extender.api.objects import Pod
from extender.kubelet.pod import PodDemand
from extender.kubevirt.devices import immovable
from extender.kubevirt.guest.cpu_request import pinned_cpus
from extender.kubevirt.hotplug import hotplug_words
from extender.kubevirt.installation import Installation
from extender.kubevirt.launcher_pod import COMPUTE, Guest, PodRole
from extender.kubevirt.migration.policy import MigrationPolicy, Move
from extender.placement.answers import NodeAnswer
from extender.placement.subject import Subject
from extender.placement.words import amount_words, counted

__all__ = [
    "demand_words",
    "failure_words",
    "fixed_notes",
    "hotplug_notes",
    "left_out_words",
    "notes_of",
    "passes_words",
    "stand_in_words",
]

#: Kubelet versions named at the top that are judged by the rules of another minor.
_STAND_INS_SHOWN = 3


def failure_words(pod: Pod) -> str:
    """How an ended pod ended, in its kubelet's words."""
    status, where = pod.status, f" on {pod.spec.node_name}" if pod.spec.node_name else ""
    if status.phase != "Failed":
        return f"{pod.metadata.name} is {status.phase}{where}"
    since = f" (started {status.start_time})" if status.start_time else ""
    words = ": ".join(filter(None, (status.reason, status.message))) or "its status gives no reason"
    return f"{pod.metadata.name} failed{where}{since}: {words}"


def passes_words(subject: Subject) -> str:
    """Why every node passes a pod that no zone rule is about."""
    if subject.role is PodRole.OTHER:
        return "not a virtual machine: every node passes, no score, no charge"
    return "an ordinary VM (no exclusive CPUs, no huge pages, no device with a zone): fits wherever kube-scheduler says"


def demand_words(demand: PodDemand) -> tuple[str, ...]:
    """A line for every container: what it asks for that has a zone."""
    lines = []
    for container in demand.containers:
        parts = [f"{container.exclusive_cpus} exclusive CPUs"] if container.exclusive_cpus else []
        parts += [f"{amount_words(name, amount)} {name}" for name, amount in container.memory if amount]
        parts += [f"{amount_words(name, amount)} {name} of any zone" for name, amount in container.pages]
        parts += [f"{count} {name}" for name, count in container.devices if not name.startswith("devices.kubevirt.io/")]
        lines.append(f"{container.name} ({container.kind.value}): {', '.join(parts) or 'nothing that has a zone'}")
    return tuple(lines)


def hotplug_notes(subject: Subject, installation: Installation) -> list[str]:
    """Whether CPUs can be plugged, and up to how many."""
    if subject.guest is None:
        return []
    sockets = subject.move.sockets if subject.move is not None else 0
    return [hotplug_words(subject.guest.size, sockets, subject.pod.metadata.annotations, installation)]


def fixed_notes(subject: Subject, installation: Installation) -> list[str]:
    """Why the VM cannot migrate live, if it cannot."""
    why = immovable(subject.guest, installation) if subject.guest is not None else ""
    return [f"it cannot migrate live at all, which is not NUMA's business: {why}"] if why else []


def _strict(subject: Subject) -> list[str]:
    cells = subject.question.ask.cells
    if cells is None or not cells.strict:
        return []
    return [f"KubeVirt's gate PCINUMAAwareTopology: it boots only with {', '.join(cells.strict)} in zones with a vCPU"]


def notes_of(subject: Subject, installation: Installation) -> tuple[str, ...]:
    """What is to be known of the VM, and what cannot be read of it."""
    notes = []
    if subject.guest is None:
        kubelet_alone = subject.move is None or subject.move.policy is MigrationPolicy.OFF
        how = (
            "judged by the kubelet's rules alone" if kubelet_alone else "what moves is not known, nor where it survives"
        )
        notes.append(f"its VirtualMachineInstance is not known (yet): {how}")
    elif subject.move is not None:
        notes += _move_notes(subject.guest, subject.move)
    if subject.passes:
        notes.append(
            "nothing pins its huge pages to a zone: kube-scheduler filters by their sum and scores; no node is ranked here"
        )
    notes += [*hotplug_notes(subject, installation), *fixed_notes(subject, installation), *_strict(subject)]
    if subject.move is not None and subject.move.problem:
        notes.append(subject.move.problem)
    if subject.question.problem:
        notes.append(subject.question.problem)
    if subject.guest is not None and subject.question.ask.ask_code is Code.LauncherCpusShort:
        pinned = pinned_cpus(subject.guest.size)
        notes.append(f"virt-launcher pins {pinned} CPUs, and `{COMPUTE}` asks for fewer: the VM never starts")
    return tuple(notes)


def _move_notes(guest: Guest, move: Move) -> list[str]:
    """What is known of the VM that moves."""
    if not guest.size.passthrough:
        return ["the guest does not see the host's NUMA: a migration has no cells to keep"]
    if move.boot:
        cells = ", ".join(f"{vcpus} vCPUs with {amount_words('memory', amount)}" for vcpus, amount in move.boot)
        known = f"guest cells since its boot: {cells} ({move.origin})"
    else:
        known = (
            "the guest's cells are not known (its boot was not seen, or a later move disproves it): "
            "fewer zones rank first, none is refused for them"
        )
    return [known, f"migration policy: {move.policy.value}"]


def stand_in_words(judged: list[NodeAnswer]) -> tuple[str, ...]:
    """Says that kubelets are judged by the rules of another minor: the first ones' words; every node has its own."""
    words = list(dict.fromkeys(node.stand_in for node in judged if node.stand_in))
    if len(words) > _STAND_INS_SHOWN:
        rest = counted(len(words) - _STAND_INS_SHOWN, "more kubelet version")
        words[_STAND_INS_SHOWN:] = [f"{rest} judged by the rules of another minor"]
    return tuple(words)


def left_out_words(fit: Fit, limit: int) -> tuple[str, ...]:
    """That not every node is shown, where that is so."""
    return (f"{limit} of {fit.total} nodes are shown, the best first",) if 0 < limit < fit.total else ()
