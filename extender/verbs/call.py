"""What filter and prioritize share: a call that was read, what both remember, and the record of what was decided."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from _fastfit import Fit
from _fastfit.codes import Code
from extender.api.objects import Pod
from extender.bounded import BoundedSet
from extender.errors import BadRequest
from extender.kubelet.pod import PodDemand
from extender.placement.decide import Decider
from extender.placement.subject import Subject
from extender.wire.args import Args, read_args
from extender.wire.replies import names_left

__all__ = ["Call", "Context", "Filtered", "Recorder", "Summary", "Unreadable", "demand_words", "read_call"]

#: Pods that are remembered; far more than wait at any time.
_REMEMBERED = 10_000

#: A call that was read: the pod, and the node names as they came.
Call = Args


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A call that cannot be answered; `text` is for the pod's event."""

    text: str


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
    #: UIDs of pods for whose missing objects a call has waited
    waited: BoundedSet[str] = field(default_factory=lambda: BoundedSet(_REMEMBERED))
    #: UIDs of pods that got a shortlist lately: asked again, they get every node
    shortlisted: BoundedSet[str] = field(default_factory=lambda: BoundedSet(_REMEMBERED))


@dataclass(slots=True)
class Filtered:
    """What filter found. kube-scheduler mostly asks prioritize about the same pod next, and about the survivors."""

    call: Call
    subject: Subject
    fit: Fit
    best: tuple[str, int] | None
    reply: bytes
    #: whether a shortlist left fitting nodes out
    cut: bool
    #: Cluster.changes after the pod was assumed
    changes: int
    #: the survivors as the reply lists them, once a call repeats them
    left: bytes = b""

    def names_in(self, body: bytes) -> bytes:
        """The names that this body may repeat: all that filter was asked about, or those that it left."""
        if body.endswith(self.call.names, 0, -1):
            return self.call.names
        self.left = self.left or names_left(self.reply)
        return self.left

    def answers(self, call: Call, changes: int) -> bool:
        """Whether the same pod, the same nodes (all of them, or those left) and an unchanged cache are asked about."""
        if call.text is not self.call.text or changes != self.changes:
            return False
        return call.names is self.left or (call.names is self.call.names and not self.cut)


def read_call(context: Context, body: bytes) -> Call | Unreadable:
    """Reads a body. The pod and the names of the last filter call are known again without being decoded."""
    last = context.filtered
    try:
        return read_args(
            body,
            context.max_names,
            context.max_depth,
            last.call if last is not None else None,
            last.names_in(body) if last is not None else b"",
        )
    except BadRequest as error:
        return Unreadable(str(error))


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
