"""The guest cells of running VMs, by UID of the VMI: predicted once, where a VM's first pod is admitted, then kept.

The last cells of each VM are kept by the UID of the VM itself as well: a restart makes a new VMI, and shall meet them again.

Later moves change pins, never cells, so a record stands while the VMI lives. A VM whose boot was not seen (it had moved
before we started) has none: its cells are not known, and that is said.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from _fastfit.codes import Code
from _fastfit.model import MAX_ZONES
from extender.api.objects import Vmi
from extender.kubelet.results import Admitted
from extender.kubevirt.domain import Domain
from extender.kubevirt.guest_cells import boot
from extender.kubevirt.launcher_pod import COMPUTE, Guest
from extender.kubevirt.moving import BootCells
from extender.kubevirt.observed import zones_after_migration
from extender.state.node import NodeState
from extender.state.pods import PodEntry
from extender.state.sharing import Shared

__all__ = ["Layouts", "Life", "boot_domain", "life_of"]


@dataclass(frozen=True, slots=True)
class Life:
    """What a VMI says of its life: its node, the sockets that run (0: as the spec says), zones of its last valid move,
    and the UID of the VM that controls it (where the guest sees the host's NUMA).
    """

    node: str = ""
    sockets: int = 0
    zones: int = 0
    owner: str = ""


#: Most VMs of one size have equal cells.
_CELLS: Shared[BootCells] = Shared()

#: VMs whose last cells are remembered: VMs themselves are not watched, so nobody says when one is gone.
_MAX_FORMER = 50_000

#: Of a VMI that has not been seen.
_NO_LIFE = Life()


def life_of(vmi: Vmi, guest: Guest | None) -> Life:
    """Reads a VMI's status and owner."""
    topology = vmi.status.current_cpu_topology
    sockets = topology.sockets if topology is not None else 0
    if guest is None or not guest.size.passthrough:
        return Life(vmi.status.node_name, sockets)
    owner = next((owner.uid for owner in vmi.metadata.owner_references or () if owner.controller), "")
    return Life(vmi.status.node_name, sockets, zones_after_migration(vmi, guest, sockets), owner)


class Layouts:
    """Cells at boot and present life of each VM; `lives` has every VMI, by UID."""

    def __init__(self) -> None:
        self._boots: dict[str, BootCells] = {}
        self.lives: dict[str, Life] = {}
        #: by UID of the VM, the one that booted longest ago first
        self._former: dict[str, BootCells] = {}

    def see(self, uid: str, life: Life | None) -> None:
        """A VMI was added or changed; None: it is gone."""
        if life is not None:
            self.lives[uid] = life
            return
        self._boots.pop(uid, None)
        self.lives.pop(uid, None)

    def life(self, uid: str) -> Life:
        """What the VMI's status says; empty while it has not been seen."""
        return self.lives.get(uid, _NO_LIFE)

    def cells(self, uid: str) -> BootCells:
        """The cells of a running VM; empty: not known, or what was predicted is disproved by a move that succeeded."""
        cells = self._boots.get(uid, ())
        return cells if self.life(uid).zones <= len(cells) <= MAX_ZONES else ()

    def former(self, uid: str) -> BootCells:
        """The cells with which the VM of this VMI booted last, in this run or an earlier one; empty: not known."""
        return self._former.get(self.life(uid).owner, ())

    def learn(self, state: NodeState, guest_of: Callable[[str], Guest | None]) -> None:
        """Records the cells of VMs that booted on this node. A node of which something is in doubt teaches nothing."""
        if state.row is None or state.row.node_code is not Code.Fits:
            return
        for pod in state.ledger.held_pods():
            if not (pod.boots and pod.admitted) or not pod.vmi or pod.vmi in self._boots:
                continue
            guest = guest_of(pod.vmi)
            domain = boot_domain(state, pod, guest, self.life(pod.vmi).sockets) if guest is not None else None
            if domain is not None:
                cells = tuple((len(cell.cpus), cell.memory_bytes) for cell in domain.cells)
                self._boots[pod.vmi] = _CELLS.one(cells)
                self._remember(self.life(pod.vmi).owner, self._boots[pod.vmi])

    def _remember(self, owner: str, cells: BootCells) -> None:
        if not owner:
            return
        self._former.pop(owner, None)
        self._former[owner] = cells
        if len(self._former) > _MAX_FORMER:
            del self._former[next(iter(self._former))]


def boot_domain(state: NodeState, pod: PodEntry, guest: Guest, sockets: int = 0) -> Domain | None:
    """The guest that a bound pod boots with the CPUs that the kubelet model gave it; None: it cannot be told.

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
