"""What would become of a live migration on one node, in words and numbers: for people, never for a verdict.

The cpuset is the kubelet twin's, the domain KubeVirt's (target_domain.py), the judge libvirt's rule on memnodes; so
this is exact to the CPU, where the kernel counts. Both speak of the same node at the same moment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from _fastfit.codes import Code
from extender import names
from extender.api.objects import Pod
from extender.cache.cluster import Cluster
from extender.cache.nodes.node import NodeState
from extender.cache.vms.guest_cells import boot_domain
from extender.kubelet.results import Admitted, ContainerPlacement
from extender.kubevirt.devices import immovable
from extender.kubevirt.guest.boot import boot
from extender.kubevirt.guest.domain import Domain, GuestError, is_symmetric, local_share, unbound_bytes, zone_pages
from extender.kubevirt.launcher_pod import COMPUTE, controlling_vmi
from extender.kubevirt.migration.policy import running_domain
from extender.kubevirt.migration.target_domain import libvirt_refusal, migrate
from extender.placement.answers import MigrationAnswer
from extender.placement.device_zones import DevicePlaces, moved_devices, places_of
from extender.placement.remedies import text_of
from extender.placement.subject import Subject
from extender.reasons import REASONS, verdict_of

__all__ = ["Mover", "Outcome", "mover_of", "source_node"]

_GIB = 2**30


class Outcome(StrEnum):
    """What becomes of a migration. The values are shown, and stable in JSON."""

    SYMMETRIC = "symmetric"
    OTHER_SPLIT = "other split"
    FEWER_CELLS = "fewer cells"
    DEVICE_AWAY = "device in another zone"
    DEVICE_OPEN = "device zone open"
    MORE_CELLS = "more cells"
    PAGES_SHORT = "pages short"
    NO_FIT = "strict fit impossible"
    KUBELET_REFUSES = "kubelet refuses"
    FAILED_BEFORE = "failed before"
    SOURCE_NODE = "source node"
    NOT_NUMA = "not NUMA's business"
    NOT_KNOWN = "not known"


#: Verdicts about the guest; every other refusal is the kubelet's, or of the node as a whole.
_OF_THE_GUEST = frozenset(
    {Code.MoreZonesThanCells, Code.NotSymmetric, Code.ZonePagesShort, Code.CoreSplit, Code.GuestMemoryPages}
)
#: What a verdict means where the twin has no CPUs to show.
_BY_CODE = {
    Code.MoreZonesThanCells: Outcome.MORE_CELLS,
    Code.NotSymmetric: Outcome.OTHER_SPLIT,
    Code.ZonePagesShort: Outcome.PAGES_SHORT,
    Code.CoreSplit: Outcome.NO_FIT,
    Code.GuestMemoryPages: Outcome.NO_FIT,
    Code.LauncherCpusShort: Outcome.NO_FIT,
    Code.MigrationFailedBefore: Outcome.FAILED_BEFORE,
    Code.NotSchedulable: Outcome.NOT_NUMA,
}


@dataclass(frozen=True, slots=True)
class Mover:
    """A VM about to move: where it runs and its running domain, None where its cells are not known."""

    subject: Subject
    source: str
    running: Domain | None
    #: why the VM cannot migrate anywhere; empty: nothing is known against it
    immovable: str = ""
    #: where its devices are, by resource, as far as it is known
    devices: Mapping[str, DevicePlaces] = field(default_factory=dict)

    def outcome(self, state: NodeState, code: Code, played: Admitted | None) -> MigrationAnswer:
        """What becomes of the VM on this node; `played` is the kubelet twin's answer."""
        if state.name == self.source:
            return MigrationAnswer(Outcome.SOURCE_NODE, "the VM runs here; KubeVirt's anti-affinity excludes the node")
        if self.immovable:
            return MigrationAnswer(Outcome.NOT_NUMA, f"the VM cannot migrate at all: {self.immovable}")
        guest = self.subject.guest
        if guest is None:
            return MigrationAnswer(Outcome.NOT_KNOWN, "the VM's VirtualMachineInstance is not known")
        if verdict_of(code) == "refused" and code not in _OF_THE_GUEST:
            text = text_of(code, state, self.subject)
            return MigrationAnswer(_BY_CODE.get(code, Outcome.KUBELET_REFUSES), text)
        if not guest.size.passthrough:
            return MigrationAnswer(Outcome.NOT_NUMA, "the guest does not see the host's NUMA: it has no cells to keep")
        place = played.containers.get(COMPUTE) if played is not None else None
        if played is None and code is Code.Fits and state.ledger.kubelet is not None:
            return MigrationAnswer(Outcome.KUBELET_REFUSES, "the kubelet model refuses the pod, see its steps")
        if place is None or not place.cpus or state.facts.topology is None:
            return MigrationAnswer(_BY_CODE.get(code, Outcome.NOT_KNOWN), REASONS[code].text)
        if self.running is None:
            return _without_cells(boot(state.facts.topology, place.cpus, guest.size))
        sockets = self.subject.move.sockets if self.subject.move is not None else 0
        moved = migrate(
            self.running,
            state.facts.topology,
            place.cpus,
            guest.size,
            enabled_sockets=min(sockets, guest.size.sockets) or None,
        )
        if isinstance(moved, GuestError):
            return MigrationAnswer(Outcome.NO_FIT, moved.text, _sizes(self.running))
        return self._with_devices(_judged(self.running, moved, state, guest.pages), state, place)

    def _with_devices(self, answer: MigrationAnswer, state: NodeState, place: ContainerPlacement) -> MigrationAnswer:
        """The answer, with what becomes of the VM's devices; a layout is symmetric only if they keep their places."""
        if answer.local is None or (not place.devices and not self.devices):
            return answer
        asked = sorted({*self.devices, *place.devices})
        now = places_of(state, place, answer.zones_now, held=False)
        away, unsure, words = moved_devices(dict(self.devices), now, asked, answer.zones_now)
        if not words:
            return answer
        outcome = answer.outcome
        if outcome == Outcome.SYMMETRIC and (away or unsure):
            outcome = Outcome.DEVICE_AWAY if away else Outcome.DEVICE_OPEN
        return replace(answer, outcome=outcome, text=f"{answer.text}; {words}")


def _judged(running: Domain, moved: Domain, state: NodeState, pages: str) -> MigrationAnswer:
    then, zones = _sizes(running), moved.memnodes
    now = tuple(sum(zone == at for at in moved.pin_zones) for zone in zones)
    layout = f"{_cells(then)} then, {_vcpus(now)} on {_on(zones)} now"
    if libvirt_refusal(moved) is not None:
        text = f"{layout}: libvirt refuses more zones than cells"
        return MigrationAnswer(Outcome.MORE_CELLS, text, then, zones, now)
    missing = _shortage(moved, state, pages, at_most=True)
    if missing:
        return MigrationAnswer(Outcome.PAGES_SHORT, missing, then, zones, now)
    doubt = _shortage(moved, state, pages)
    if doubt:
        text = f"{layout}; other pods hold pages of zones that are not known: for certain {doubt}"
        return MigrationAnswer(Outcome.NOT_KNOWN, text, then, zones, now)
    share = local_share(moved)
    kept = f"{layout}: {float(share):.0%} of the vCPUs stay at their memory"
    if is_symmetric(moved):
        outcome = Outcome.SYMMETRIC
    else:
        outcome = Outcome.FEWER_CELLS if len(zones) < len(then) else Outcome.OTHER_SPLIT
    return MigrationAnswer(outcome, kept, then, zones, now, float(share))


def _without_cells(prepared: Domain | GuestError) -> MigrationAnswer:
    if isinstance(prepared, GuestError):
        return MigrationAnswer(Outcome.NO_FIT, prepared.text)
    zones = prepared.memnodes
    now = tuple(sum(zone == at for at in prepared.pin_zones) for zone in zones)
    text = f"its cells at boot are not known; {_vcpus(now)} on {_on(zones)} here"
    return MigrationAnswer(Outcome.NOT_KNOWN, text, (), zones, now)


def _shortage(moved: Domain, state: NodeState, pages: str, *, at_most: bool = False) -> str:
    """Which zone lacks what; empty: enough, or not known. By what is free for certain, or `at_most`."""
    rows = state.row.zones if state.row is not None else ()
    known = {zone.id: zone.pages_most if at_most and zone.pages_most is not None else zone.pages_free for zone in rows}
    free = {zone: amounts.get(pages, 0) for zone, amounts in known.items() if amounts is not None}
    bound = zone_pages(moved)
    for zone, needed in bound.items():
        if zone in free and free[zone] < needed:
            return f"zone {zone} has {_gib(free[zone])} of {pages} free, the cell bound to it needs {_gib(needed)}"
    left = sum(free.get(zone, 0) - bound[zone] for zone in moved.nodeset)
    if left < unbound_bytes(moved) and all(zone in free for zone in moved.nodeset):
        zones = ",".join(map(str, moved.nodeset))
        return f"zones {zones} lack {_gib(unbound_bytes(moved) - left)} of {pages} for all of the guest's memory"
    return ""


def _gib(amount: int) -> str:
    return f"{amount / _GIB:g}Gi"


def _sizes(running: Domain) -> tuple[int, ...]:
    """Running vCPUs per cell."""
    return tuple(sum(cpu < running.vcpus for cpu in cell.cpus) for cell in running.cells)


def _cells(then: tuple[int, ...]) -> str:
    return f"{len(then)} cell{'s' if len(then) > 1 else ''} of {_vcpus(then)}"


def _on(zones: tuple[int, ...]) -> str:
    return f"zone{'s' if len(zones) > 1 else ''} {','.join(map(str, zones))}"


def _vcpus(counts: tuple[int, ...]) -> str:
    return f"{'+'.join(map(str, counts))} vCPUs"


def mover_of(cluster: Cluster, subject: Subject) -> Mover:
    """The VM behind a target pod."""
    source = source_node(cluster, subject.pod)
    running = None
    if subject.guest is not None and subject.move is not None and subject.move.boot:
        running = _booted(cluster, subject, source) or running_domain(
            subject.move.boot, subject.guest.size, subject.move.sockets
        )
    fixed = immovable(subject.guest, cluster.vms.kubevirt) if subject.guest is not None else ""
    return Mover(subject, source, running, fixed, _devices(cluster, subject, source, running))


def _devices(cluster: Cluster, subject: Subject, source: str, running: Domain | None) -> Mapping[str, DevicePlaces]:
    """Where the devices of the running VM are; empty where its cells or its pod's placement are not known."""
    state = cluster.node(source)
    if state is None or state.facts.topology is None or running is None:
        return {}
    for pod in cluster.vms.pods_of(controlling_vmi(subject.pod)):
        answer = state.ledger.answer(pod.uid) if pod.node == source else None
        place = answer.containers.get(COMPUTE) if isinstance(answer, Admitted) else None
        if place is not None and place.devices:
            zone_of = state.facts.topology.zone_of
            zones = running.memnodes or tuple(sorted({zone_of[cpu] for cpu in place.cpus}))
            return places_of(state, place, zones, held=True) if len(zones) == len(running.cells) else {}
    return {}


def _booted(cluster: Cluster, subject: Subject, source: str) -> Domain | None:
    """The exact domain, while the pod in which the VM booted runs and the record is of it."""
    state = cluster.node(source)
    if state is None or subject.guest is None or subject.move is None:
        return None
    for pod in cluster.vms.pods_of(controlling_vmi(subject.pod)):
        if pod.node == source and pod.boots:
            domain = boot_domain(state, pod, subject.guest, subject.move.sockets)
            if domain is not None and tuple((len(c.cpus), c.memory_bytes) for c in domain.cells) == subject.move.boot:
                return domain
    return None


def source_node(cluster: Cluster, pod: Pod) -> str:
    """Where a target's VM runs: the pod named by its migration, the VMI's node, the label that KubeVirt copies.

    Empty for a VM that comes from another cluster or namespace: that node is none of ours.
    """
    meta = pod.metadata
    annotations, labels = meta.annotations or {}, meta.labels or {}
    job = cluster.vms.migration(meta.namespace, annotations.get(names.MIGRATION_NAME_ANNOTATION, ""))
    if annotations.get(names.CREATE_TARGET_ANNOTATION) == "true" or (job is not None and job.spec.receive is not None):
        return ""
    vmi = controlling_vmi(pod)
    if job is not None and job.metadata.uid == labels.get(names.MIGRATION_UID_LABEL):
        wanted = job.status.migration_state.source_pod if job.status.migration_state is not None else ""
        for entry in cluster.vms.pods_of(vmi):
            if entry.name == wanted:
                return entry.node
    return cluster.vms.run_of(vmi).node or labels.get(names.NODE_NAME_LABEL, "")
