"""The guest cells of running VMs, by UID of the VMI, and how we know them.

A later migration changes pins, never cells: what held at the boot holds while the VMI exists. Best known first:

1. what was predicted here when the VM booted;
2. what the VMI's annotation states (kubevirt/migration/cells_annotation.py), which outlives this process;
3. what the pods that run now would give, where the boot itself was not seen.

A migration that succeeded disproves each of them that has fewer cells than the VM had zones afterwards. Of a VM without any
of these the cells are not known, and the answer says so. The last layout of each VM is also kept by the UID of its
VirtualMachine (cache/vms/last_layout.py).
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from _fastfit.codes import Code
from _fastfit.model import MAX_CELLS
from extender import names
from extender.api.objects import Vmi
from extender.api.quantity import whole
from extender.cache.collections import HashSet, PartitionedDict
from extender.cache.interning import Interner, intern_text
from extender.cache.nodes.node import NodeState
from extender.cache.pods.pod import PodEntry
from extender.cache.vms.last_layout import LastLayouts, Trust
from extender.errors import BadObject
from extender.kubelet.results import Admitted
from extender.kubevirt.guest.boot import boot
from extender.kubevirt.guest.domain import Domain
from extender.kubevirt.launcher_pod import COMPUTE, Guest
from extender.kubevirt.migration.cells_annotation import cells_in, cells_text
from extender.kubevirt.migration.observed import first_vcpus_after_migration
from extender.kubevirt.migration.policy import BootCells
from extender.kubevirt.migration.target_pod import Plugged

__all__ = [
    "BestKnownCells",
    "CellsRecord",
    "GuestCells",
    "Identity",
    "Origin",
    "SeenVmi",
    "VmRun",
    "boot_domain",
    "seen_in",
]


class Origin(StrEnum):
    """How the cells of a VM are known; the values are shown to people."""

    PREDICTED = "predicted when it booted"
    STATED = f"annotation {names.CELLS_ANNOTATION}"
    WORKED_OUT = "worked out from the pods that run now: its boot was not seen"
    NOT_KNOWN = "not known"


class BestKnownCells(NamedTuple):
    """The cells of a VM, empty where they are not known, and how they are known."""

    cells: BootCells
    origin: Origin


@dataclass(frozen=True, slots=True)
class VmRun:
    """One run of a VM, as its VMI shows: its node, the sockets that run (0: as the spec says), the first vCPU in each zone
    after its last valid migration, and the cells that its annotation states, where they are plausible.
    """

    node: str = ""
    sockets: int = 0
    first_vcpus: tuple[int, ...] = ()
    stated: BootCells = ()
    #: amounts of guest memory other than the spec's that the status shows (Plugged)
    memory_bytes: tuple[int, ...] = ()

    @property
    def plugged(self) -> Plugged:
        """What runs of the size that the spec states."""
        return Plugged(self.sockets, self.memory_bytes)

    def allows(self, cells: BootCells) -> bool:
        """Whether the last migration can have succeeded with these cells. vCPUs that were plugged since say nothing."""
        booted = sum(count for count, _ in cells)
        return sum(first < booted for first in self.first_vcpus) <= len(cells)


@dataclass(frozen=True, slots=True)
class Identity:
    """Which VMI it is, and the UID of the VirtualMachine that owns it (empty: none)."""

    namespace: str
    name: str
    owner: str


class SeenVmi(NamedTuple):
    """What is kept of a VMI. `identity` is None for guests whose cells are not tracked (no guestMappingPassthrough)."""

    guest: Guest | None
    run: VmRun
    identity: Identity | None = None


@dataclass(frozen=True, slots=True)
class CellsRecord:
    """An annotation to be written to a VMI."""

    uid: str
    namespace: str
    name: str
    key: str
    value: str


#: Most VMs of one size have equal cells.
_CELLS: Interner[BootCells] = Interner()
_RUNS: Interner[VmRun] = Interner()

#: Of a VMI that has not been seen.
_NO_RUN = VmRun()


def seen_in(vmi: Vmi, guest: Guest | None) -> SeenVmi:
    """Reads a VMI's status, annotation and owner; its guest is None where its size cannot be read."""
    topology = vmi.status.current_cpu_topology
    sockets = topology.sockets if topology is not None else 0
    memory = _plugged_memory(vmi, guest)
    if guest is None or not guest.size.passthrough:
        return SeenVmi(guest, _RUNS.intern(VmRun(vmi.status.node_name, sockets, memory_bytes=memory)))
    meta = vmi.metadata
    stated, _ = cells_in((meta.annotations or {}).get(names.CELLS_ANNOTATION), guest.size)
    first_vcpus = first_vcpus_after_migration(vmi, guest, sockets)
    owner = next(
        (one.uid for one in meta.owner_references or () if one.kind == "VirtualMachine" and one.controller), ""
    )
    run = _RUNS.intern(VmRun(vmi.status.node_name, sockets, first_vcpus, _CELLS.intern(stated), memory))
    return SeenVmi(guest, run, Identity(intern_text(meta.namespace), meta.name, owner))


def _plugged_memory(vmi: Vmi, guest: Guest | None) -> tuple[int, ...]:
    """The amounts of memory in the status that are not that of the spec; what cannot be read is left out."""
    memory = vmi.status.memory
    if memory is None or guest is None:
        return ()
    amounts = []
    for stated in (memory.guest_requested, memory.guest_current, memory.guest_at_boot):
        with contextlib.suppress(BadObject):
            amounts.append(whole(stated) if stated is not None else guest.size.memory_bytes)
    return tuple(dict.fromkeys(amount for amount in amounts if amount != guest.size.memory_bytes))


class GuestCells:
    """Cells at boot and the present run of each VM; `runs` has every VMI, by UID."""

    def __init__(self) -> None:
        self._boots: PartitionedDict[str, BootCells] = PartitionedDict()
        #: VMs among them whose boot was not seen
        self._replayed = HashSet()
        self.runs: PartitionedDict[str, VmRun] = PartitionedDict()
        self._identities: PartitionedDict[str, Identity] = PartitionedDict()
        #: layouts of the VMs' last runs
        self.last_layouts = LastLayouts()
        #: VMIs whose annotation is to be written
        self._unwritten: dict[str, None] = {}
        #: VMIs whose pod has been seen running after its cells were inferred
        self._ran = HashSet()

    def update(self, uid: str, run: VmRun | None, identity: Identity | None = None) -> None:
        """A VMI was added or changed; None: it is gone."""
        if run is not None:
            self.runs[uid] = run
            if identity is not None:
                self._identities[uid] = identity
                if run.node:
                    self._remember(uid)
            return
        self._boots.pop(uid, None)
        self.runs.pop(uid, None)
        self._identities.pop(uid, None)
        self._unwritten.pop(uid, None)
        self._replayed.discard(uid)
        self._ran.discard(uid)

    def run_of(self, uid: str) -> VmRun:
        """What the VMI's status says; empty while it has not been seen."""
        return self.runs.get(uid, _NO_RUN)

    def best_known(self, uid: str, carried: BootCells = ()) -> BestKnownCells:
        """The cells of a running VM; `carried`: what the annotation of its pod states, where it is plausible.

        Cells that a successful migration disproves are left out.
        """
        run, boots = self.run_of(uid), self._boots.get(uid, ())
        replayed = uid in self._replayed
        for cells, origin in (
            (() if replayed else boots, Origin.PREDICTED),
            (run.stated, Origin.STATED),
            (carried, Origin.STATED),
            (boots if replayed else (), Origin.WORKED_OUT),
        ):
            if cells and len(cells) <= MAX_CELLS and run.allows(cells):
                return BestKnownCells(cells, origin)
        return BestKnownCells((), Origin.NOT_KNOWN)

    def cells(self, uid: str) -> BootCells:
        """The cells alone."""
        return self.best_known(uid).cells

    def last_layout(self, uid: str) -> BootCells:
        """The cells that the VM of this VMI had when it ran last, in this run or an earlier one; empty: not known.

        Only their vCPUs, their bytes are 0: a boot splits those by the number of cells. The VM may have another size now.
        """
        identity = self._identities.get(uid)
        return (
            tuple((count, 0) for count in self.last_layouts.split(identity.owner))
            if identity is not None and identity.owner
            else ()
        )

    def infer(self, state: NodeState, guest_of: Callable[[str], Guest | None]) -> None:
        """Records the cells of VMs that booted on this node. Nothing is inferred from a node whose verdict is unknown."""
        if state.row is None or state.row.node_code is not Code.Fits:
            return
        for pod in state.ledger.held_pods():
            uid = pod.vmi
            if not (pod.boots and pod.admitted and uid):
                continue
            if uid not in self._boots:
                guest = guest_of(uid)
                domain = boot_domain(state, pod, guest, self.run_of(uid).sockets) if guest is not None else None
                if domain is None:
                    continue
                self._boots[uid] = _CELLS.intern(tuple((len(cell.cpus), cell.memory_bytes) for cell in domain.cells))
                if not pod.boot_seen:
                    self._replayed.add(uid)
            if pod.running and uid not in self._ran:
                self._ran.add(uid)
                self._remember(uid, starts=True)
                if uid not in self._replayed:
                    self._unwritten[uid] = None

    def unwritten(self) -> CellsRecord | None:
        """Hands out one record to be written, each once. What a VMI states already, or moves disprove, is left out."""
        while self._unwritten:
            uid, _ = self._unwritten.popitem()
            identity, (cells, origin) = self._identities.get(uid), self.best_known(uid)
            if identity is not None and origin is Origin.PREDICTED and cells != self.run_of(uid).stated:
                return CellsRecord(uid, identity.namespace, identity.name, names.CELLS_ANNOTATION, cells_text(cells))
        return None

    def give_back(self, record: CellsRecord) -> None:
        """It could not be written: it is handed out again, unless its VMI is gone by then."""
        self._unwritten[record.uid] = None

    def _remember(self, uid: str, *, starts: bool = False) -> None:
        identity, (cells, origin) = self._identities.get(uid), self.best_known(uid)
        if identity is None or not identity.owner or not cells:
            return
        trust = Trust.WORKED_OUT if origin is Origin.WORKED_OUT else Trust.KNOWN
        self.last_layouts.update(identity.owner, tuple(count for count, _ in cells), trust, starts=starts)


def boot_domain(state: NodeState, pod: PodEntry, guest: Guest, sockets: int = 0) -> Domain | None:
    """The guest that a bound pod boots with the CPUs that the kubelet twin gave it; None: it is not known.

    `sockets`: those that run, where hotplug has raised the spec since.
    """
    answer = state.ledger.answer(pod.uid)
    if not guest.size.passthrough or state.facts.topology is None or not isinstance(answer, Admitted):
        return None
    place = answer.containers.get(COMPUTE)
    if place is None or not place.cpus:
        return None
    size = replace(guest.size, sockets=min(sockets, guest.size.sockets)) if sockets else guest.size
    domain = boot(state.facts.topology, place.cpus, size)
    return domain if isinstance(domain, Domain) else None
