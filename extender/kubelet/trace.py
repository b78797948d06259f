"""The steps of an admission, for `fastfit admit`.

`Kubelet.admit` passes each step to its callback. Zones are named by their ids.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from extender.kubelet.cpuset import bits, format_cpus
from extender.kubelet.managers import HintLists, Managers
from extender.kubelet.pod import ContainerDemand, PodDemand
from extender.kubelet.refusal_text import amount_text, why_width
from extender.kubelet.results import Block, ContainerPlacement, Failure
from extender.kubelet.topology_manager import Affinity, ResourceHints

__all__ = ["Answer", "Asked", "Decided", "Failed", "ManagerName", "Step", "Took", "Trace", "asked", "decided", "took"]

ManagerName = Literal["device", "cpu", "memory"]
MANAGERS: tuple[ManagerName, ...] = ("device", "cpu", "memory")


@dataclass(frozen=True, slots=True)
class Answer:
    """One manager's answer for one resource.

    `hints` are (zones, preferred), narrow sets first; None: no preference; empty: impossible. `width`: the fewest zones
    whose capacity holds the request; 0: no number of zones. `resource` is empty if the manager gives no hints. `why`
    explains the width, or why there is no preference.
    """

    manager: ManagerName
    resource: str
    request: int
    width: int
    hints: tuple[tuple[tuple[int, ...], bool], ...] | None
    why: str


@dataclass(frozen=True, slots=True)
class Asked:
    """The Topology Manager has asked all managers for `who`, a container or the pod as a whole."""

    who: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """The hints are merged: `zones` are passed to the managers as guidance (None: no guidance)."""

    who: str
    zones: tuple[int, ...] | None
    preferred: bool
    admitted: bool
    why: str


@dataclass(frozen=True, slots=True)
class Took:
    """A manager has allocated for a container. `why`: how it differs from the guidance; empty if it does not."""

    container: str
    manager: ManagerName
    cpus: frozenset[int] = frozenset()
    memory: tuple[Block, ...] = ()
    devices: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """A manager cannot allocate for a container; the pod is refused."""

    container: str
    manager: ManagerName
    failure: Failure


Step = Asked | Decided | Took | Failed
#: Receives each step as it happens, e.g. `list.append`.
Trace = Callable[[Step], None]


def asked(
    who: str,
    managers: Managers,
    pod: PodDemand,
    container: ContainerDemand | None,
    lists: HintLists,
    ids: Sequence[int],
) -> Asked:
    """Return the step of these hints."""
    answers = [_answer("device", managers, answer, ids) for answer in lists.devices]
    if lists.cpu is not None:
        answers.append(_answer("cpu", managers, lists.cpu, ids))
    else:
        answers.append(_no_hints("cpu", _why_no_cpus(managers, pod, container)))
    answers += [_answer("memory", managers, answer, ids) for answer in lists.memory]
    if not lists.memory:
        answers.append(_no_hints("memory", _why_no_memory(managers, pod)))
    return Asked(who, tuple(answers))


def _answer(manager: ManagerName, managers: Managers, answer: ResourceHints, ids: Sequence[int]) -> Answer:
    hints, width, why = None, 0, "its devices have no zones"
    if answer.hints is not None:
        width = answer.width
        preferred = answer.hints.preferred
        masks = sorted(answer.hints.masks, key=lambda mask: (mask.bit_count(), mask))
        hints = tuple((tuple(ids[p] for p in bits(mask)), mask in preferred) for mask in masks)
        why = why_width(answer, managers.capacity(answer.resource)) if width else "given from outside"
    return Answer(manager, answer.resource, answer.request, width, hints, why)


def _no_hints(manager: ManagerName, why: str) -> Answer:
    return Answer(manager, "", 0, 0, None, why)


def _why_no_cpus(managers: Managers, pod: PodDemand, container: ContainerDemand | None) -> str:
    if not managers.cpu.static:
        return "cpuManagerPolicy is none"
    return _why_unpinned(pod) or f"{'the container asks' if container else 'its containers ask'} for no whole CPUs"


def _why_no_memory(managers: Managers, pod: PodDemand) -> str:
    if not managers.memory.static:
        return "memoryManagerPolicy is None"
    return _why_unpinned(pod) or (
        "no set of zones can give the memory now; the Topology Manager reads that as no preference, "
        "and the refusal comes when memory is allocated"
    )


def _why_unpinned(pod: PodDemand) -> str:
    if pod.pod_level:
        return "the pod has resources of its own (spec.resources), so nothing is pinned"
    return "" if pod.guaranteed else "the pod is not Guaranteed, so nothing is pinned"


def decided(who: str, lists: HintLists, affinity: Affinity, ids: Sequence[int], failure: Failure | None) -> Decided:
    """Return the step of the merged affinity, with the refusal if there is one."""
    zones = None if affinity.mask is None else tuple(ids[position] for position in bits(affinity.mask))
    if failure is not None:
        return Decided(who, zones, affinity.preferred, admitted=False, why=failure.rule)
    if all(answer.hints is None for answer in lists.all()):
        why = "no resource has a preference"
    elif affinity.preferred:
        why = "these zones are preferred for every resource that has a preference"
    else:
        why = "no zones are preferred for every resource; the policy admits all the same"
    return Decided(who, zones, affinity.preferred, admitted=True, why=why)


def took(
    manager: ManagerName,
    managers: Managers,
    container: str,
    placement: ContainerPlacement,
    affinity: Affinity,
    ids: Sequence[int],
) -> Took | None:
    """Return the step of what `manager` allocated for a container; None if it allocated nothing."""
    mask = affinity.mask
    if manager == "cpu" and placement.cpus:
        near = managers.cpu.topology.all if mask is None else managers.cpu.topology.cpus_in(mask)
        far = sum(1 << cpu for cpu in placement.cpus) & ~near
        why = f"{amount_text('cpu', far.bit_count())} ({format_cpus(far)}) from other zones" if far else ""
        return Took(container, manager, cpus=placement.cpus, why=why)
    if manager == "memory" and placement.memory:
        zones = placement.memory[0].zones
        wider = mask is not None and zones != tuple(ids[position] for position in bits(mask))
        why = "other zones than the guidance: it does not hold all of the memory" if wider else ""
        return Took(container, manager, memory=placement.memory, why=why)
    if manager == "device" and placement.devices:
        return Took(container, manager, devices=placement.devices)
    return None
