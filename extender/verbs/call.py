"""What filter and prioritize share: reading a call, and the record of what was decided."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from _fastfit import Fit
from _fastfit.codes import Code
from extender.api.objects import Pod
from extender.kubelet.pod import PodDemand
from extender.kubevirt.launcher_pod import PodRole
from extender.placement.decide import Decider, Subject, subject_of
from extender.wire.args import Args, read_args
from extender.wire.replies import names_left

__all__ = ["Call", "Context", "Filtered", "Recorder", "Summary", "call_of", "demand_words", "read"]


class Recorder(Protocol):
    """Takes the record of a decided call (metrics, decision log), and work that the reply need not wait for."""

    def decided(self, summary: "Summary") -> None:
        """Called once per answered call, after the reply was made."""

    def later(self, work: Callable[[], None]) -> None:
        """Do `work` soon, in the order given: once the reply is on its way, where there is a connection."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One decided call. `counts` has nodes per code."""

    verb: str
    pod: Pod
    outcome: str
    demand: str = ""
    generation: int = 0
    offered: int = 0
    counts: Mapping[int, int] = field(default_factory=dict)
    best: str = ""
    best_code: int = Code.Fits
    zones: tuple[int, ...] = ()
    mode: str = ""


@dataclass(slots=True)
class Context:
    """What the verbs work with. `not_ready` names what is missing, or is empty."""

    decider: Decider
    recorder: Recorder
    not_ready: Callable[[], str]
    max_names: int = 20000
    max_depth: int = 64
    always_send_failures: bool = False
    score_top: int = 100
    shortlist: int = 0
    #: the filter call that was judged last
    filtered: "Filtered | None" = None
    #: a body that was read ahead of its call, and what it says
    parsed: "tuple[bytes, Args] | None" = None
    #: UIDs of pods for whose missing objects somebody has waited
    waited: "OrderedDict[str, None]" = field(default_factory=OrderedDict)
    #: UIDs of pods that got a shortlist lately: asked again, they get every node
    shortlisted: "OrderedDict[str, None]" = field(default_factory=OrderedDict)


@dataclass(frozen=True, slots=True)
class Call:
    """A readable call: its arguments, and the pod against the picture."""

    args: Args
    subject: Subject

    @property
    def passes(self) -> bool:
        """Nothing for us to judge: not a VM, or an ordinary one."""
        return self.subject.role is PodRole.OTHER or self.subject.question.ordinary


@dataclass(slots=True)
class Filtered:
    """What filter found. kube-scheduler mostly asks prioritize about the same pod next, and about the survivors."""

    args: Args
    subject: Subject
    fit: Fit
    best: tuple[str, int] | None
    reply: bytes
    #: whether a shortlist left fitting nodes out
    cut: bool
    #: Cluster.changes after the pod was charged
    changes: int
    #: the survivors as the reply lists them, once somebody wants to know
    left: bytes = b""

    def names_in(self, body: bytes) -> bytes:
        """The names that this body may repeat: all that filter was asked about, or those that it left."""
        if body.endswith(self.args.names, 0, -1):
            return self.args.names
        self.left = self.left or names_left(self.reply)
        return self.left

    def answers(self, args: Args, changes: int) -> bool:
        """Whether the same pod, the same nodes (all of them, or those left) and the same picture are asked about."""
        if args.text is not self.args.text or changes != self.changes:
            return False
        return args.names is self.left or (args.names is self.args.names and not self.cut)


def read(context: Context, body: bytes, known: bytes = b"") -> Args:
    """Reads a body, unless that was done ahead; `known` names are those of a call before. Raises BadRequest."""
    parsed, context.parsed = context.parsed, None
    if parsed is not None and parsed[0] is body:
        return parsed[1]
    last = context.filtered.args if context.filtered is not None else None
    return read_args(body, context.max_names, context.max_depth, last, known)


def call_of(context: Context, args: Args, *, complete: bool) -> Call:
    """The pod against the picture; `complete`: the picture is."""
    return Call(args, subject_of(context.decider.cluster, args.pod, complete=complete))


def demand_words(demand: PodDemand) -> str:
    """What a pod asks of zones, in a few words: `9 CPUs, 16Gi hugepages-1Gi`."""
    cpus = sum(container.exclusive_cpus for container in demand.containers)
    words = [f"{cpus} CPUs"] if cpus else []
    pages: dict[str, int] = {}
    devices: dict[str, int] = {}
    for container in demand.containers:
        for name, amount in container.memory:
            if name != "memory":
                pages[name] = pages.get(name, 0) + amount
        for name, count in container.devices:
            if not name.startswith("devices.kubevirt.io/"):
                devices[name] = devices.get(name, 0) + count
    words += [f"{amount / 2**30:g}Gi {name}" for name, amount in pages.items()]
    words += [f"{count} {name}" for name, count in devices.items()]
    return ", ".join(words)
