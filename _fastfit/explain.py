"""Why a row gets its verdict: the plain twin's steps, in numbers and in words."""

from collections.abc import Iterator
from dataclasses import dataclass

from _fastfit._demand import derive
from _fastfit._hints_py import Hints, bits
from _fastfit._judge_py import Step, judge
from _fastfit._key_py import parts_of
from _fastfit._rows import trusted
from _fastfit.codes import Code
from _fastfit.model import Ask, Row

__all__ = ["ExplainedStep", "Explanation", "KeyParts", "Offer", "ZoneNeed", "explain"]

#: The rule behind each code that the kernel itself finds, and where it stands.
RULES = {
    Code.Fits: "every manager can give what is asked",
    Code.CpuManagerNotStatic: "dedicated CPUs need the kubelet's CPU Manager policy static",
    Code.NoPagesOfSize: "the node offers no huge pages of the asked size",
    Code.NodeCpuShort: "the node has too few free CPUs (cpumanager/policy_static.go)",
    Code.ZoneCpuShort: "no set of zones of the needed width has enough free CPUs (topologymanager policy)",
    Code.NeverFitsZone: "not even empty could the node give all of it from one set of zones of the needed width",
    Code.ZonesDisagree: "each resource has zones it prefers, but no set of zones is preferred by all",
    Code.ZoneMemoryShort: "no zones have enough free memory of every kind asked (memorymanager/policy_static.go)",
    Code.MemoryGroupConflict: "a zone already used alone, or in another group of zones, cannot join this one",
    Code.SmtAlignment: "full-pcpus-only: whole cores only, and enough of them free on cores without reserved CPUs",
    Code.DeviceZoneShort: "too few free devices on zones of the needed width",
    Code.ZonePagesShort: "each guest cell touches its even share of pages in its zone, and one zone has not that many",
    Code.CoreSplit: "the CPUs lie so that a guest core would cross zones (KubeVirt: guestMappingPassthrough)",
    Code.GuestMemoryPages: "guest memory must be whole pages and at least one per guest cell (KubeVirt)",
    Code.MoreZonesThanCells: "vCPUs would lie in more zones than the guest has cells: libvirt refuses the target's domain",
    Code.NotSymmetric: "the vCPUs per guest cell differ from the boot's, and only equal ones are allowed",
    Code.DeviceOutsideCells: "a device must come from a zone without a vCPU (KubeVirt: strict PCI placement)",
    Code.DeviceZoneOpen: "the zone of a device is not known, or the kubelet may choose one without a vCPU",
    Code.OptionsUndecided: "a CPU Manager option decides by CPU ids which zones give the CPUs",
    Code.InitContainerCpus: "which zones keep an init container's CPUs depends on CPU ids",
    Code.PagesNotReported: "free pages of a touched zone are not known",
}


@dataclass(frozen=True, slots=True)
class ZoneNeed:
    """One resource in one zone, by zone id. `missing` is what the zone alone lacks."""

    zone: int
    resource: str
    free: int
    need: int
    missing: int


@dataclass(frozen=True, slots=True)
class Offer:
    """What one manager offered for one resource: masks by zone position. `width`: zones it needs at least."""

    resource: str
    masks: tuple[int, ...]
    preferred: tuple[int, ...]
    width: int


@dataclass(frozen=True, slots=True)
class ExplainedStep:
    """One container (None: the whole pod, Topology Manager's scope `pod`)."""

    container: int | None
    zones: tuple[ZoneNeed, ...]
    #: resources that no list was given for said nothing
    offers: tuple[Offer, ...]
    silent: tuple[str, ...]
    #: Topology Manager's answer; None where its policy is none or it was not asked again
    mask: int | None
    preferred: bool
    cpus: tuple[int, ...]
    exact: bool
    memory_mask: int
    code: Code
    text: str


@dataclass(frozen=True, slots=True)
class KeyParts:
    """The parts of the rank key, as far as its widths show them."""

    cells: int
    distance: int
    cpus_left: int
    pages_left: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """A verdict and how it came about. `cells` are (zone id, vCPUs, bytes)."""

    code: Code
    rule: str
    steps: tuple[ExplainedStep, ...]
    cells: tuple[tuple[int, int, int], ...]
    mask: int
    key: KeyParts | None


def explain(row: Row, ask: Ask) -> Explanation:
    """Judge the row on the plain twin and tell every step."""
    row = trusted(row)
    outcome = judge(row, derive(ask))
    placement = outcome.placement
    return Explanation(
        code=outcome.code,
        rule=RULES.get(outcome.code, "decided before zones are looked at"),
        steps=tuple(_step(row, step) for step in outcome.steps),
        cells=tuple((row.zones[cell.zone].id, cell.vcpus, cell.bytes) for cell in placement.cells) if placement else (),
        mask=outcome.mask,
        key=KeyParts(*parts_of(outcome.key)) if placement else None,
    )


def _step(row: Row, step: Step) -> ExplainedStep:
    needs = tuple(_needs(row, step))
    return ExplainedStep(
        container=step.container,
        zones=needs,
        offers=tuple(_offer(name, hints) for name, hints in step.offers.items() if hints is not None),
        silent=tuple(name for name, hints in step.offers.items() if hints is None),
        mask=step.merged.mask if step.merged else None,
        preferred=step.merged is not None and step.merged.preferred,
        cpus=step.cpus,
        exact=step.exact,
        memory_mask=step.memory_mask,
        code=step.code,
        text=_text(row, step, needs),
    )


def _needs(row: Row, step: Step) -> Iterator[ZoneNeed]:
    """Per zone what is free before the step, and what the zone alone would have to give."""
    wanted = step.request
    for position, zone in enumerate(row.zones):
        if row.cpu_static and wanted.cpus:
            free = step.free_cpus[position]
            yield ZoneNeed(zone.id, "cpu", free, wanted.cpus, max(0, wanted.cpus - free))
        for name, amount in wanted.memory if row.memory_static else ():
            free = step.free_memory[name][position]
            yield ZoneNeed(zone.id, name, free, amount, max(0, amount - free))


def _offer(name: str, hints: Hints) -> Offer:
    widths = [mask.bit_count() for mask in hints.preferred or hints.masks]
    return Offer(name, hints.masks, tuple(sorted(hints.preferred)), min(widths, default=0))


def _zones(row: Row, mask: int) -> str:
    return ",".join(str(row.zones[position].id) for position in bits(mask))


def _text(row: Row, step: Step, needs: tuple[ZoneNeed, ...]) -> str:
    """One line for people."""
    who = "the pod" if step.container is None else f"container {step.container}"
    if not needs and step.code is Code.Fits:
        return f"{who}: nothing that has a zone"
    parts = [f"{need.resource} zone {need.zone}: {need.free} free" + _lack(need) for need in needs]
    if step.merged is not None:
        parts.append(f"zones {_zones(row, step.merged.mask)}" + ("" if step.merged.preferred else " (not preferred)"))
    if step.cpus:
        given = ", ".join(f"{count} on {zone.id}" for zone, count in zip(row.zones, step.cpus, strict=True) if count)
        parts.append(f"CPUs {given}" + ("" if step.exact else " (estimated)"))
    if step.memory_mask:
        parts.append(f"memory on {_zones(row, step.memory_mask)}")
    if step.code is not Code.Fits:
        parts.append(RULES.get(step.code, step.code.name))
    return f"{who}: " + "; ".join(parts)


def _lack(need: ZoneNeed) -> str:
    return f" of {need.need}, {need.missing} missing" if need.missing else ""
