"""What filter and prioritize share: reading a call, and the record of what was decided."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from _fastfit.codes import Code
from extender.api.objects import Pod
from extender.kubelet.pod import PodDemand
from extender.kubevirt.launcher_pod import PodRole
from extender.placement.decide import Decider, Subject, subject_of
from extender.wire.args import Args, read_args

__all__ = ["Call", "Context", "Recorder", "Summary", "demand_words", "read_call"]


class Recorder(Protocol):
    """Takes the record of a decided call (metrics, decision log)."""

    def decided(self, summary: "Summary") -> None:
        """Called once per answered call, after the reply was made."""


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


def read_call(context: Context, body: bytes, *, complete: bool) -> Call:
    """Reads a body; `complete`: the picture is. Raises BadRequest."""
    args = read_args(body, context.max_names, context.max_depth)
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
