"""The winner of a decision, judged once more by CPU ids: does the guest survive on the CPUs that it would get.

The kernel counts CPUs per zone and sort; on machines whose siblings KubeVirt misreads, or with guests of two threads a
core and spare CPUs, the zones of the vCPUs can differ from what counts say.
"""

from _fastfit.codes import Code
from extender.cache.nodes.node import NodeState
from extender.kubelet.results import Admitted
from extender.kubevirt.guest.domain import GuestError, GuestFault, is_symmetric
from extender.kubevirt.launcher_pod import COMPUTE, Guest
from extender.kubevirt.migration.policy import MigrationPolicy, Move, running_domain
from extender.kubevirt.migration.target_domain import libvirt_refusal, migrate

__all__ = ["move_refusal"]

_MEMORY = frozenset({GuestFault.LESS_THAN_A_PAGE_PER_CELL, GuestFault.MEMORY_NOT_IN_PAGES})


def move_refusal(state: NodeState, uid: str, guest: Guest, move: Move) -> Code | None:
    """Why the pod assumed on this node cannot take over its VM; None: it can, or it is not known."""
    answer = state.ledger.answer(uid)
    place = answer.containers.get(COMPUTE) if isinstance(answer, Admitted) else None
    if place is None or not place.cpus or state.facts.topology is None or not move.boot:
        return None
    running = running_domain(move.boot, guest.size, move.sockets)
    sockets = min(move.sockets, guest.size.sockets) or None
    moved = migrate(running, state.facts.topology, place.cpus, guest.size, enabled_sockets=sockets)
    if isinstance(moved, GuestError):
        return Code.GuestMemoryPages if moved.fault in _MEMORY else Code.CoreSplit
    if libvirt_refusal(moved) is not None:
        return Code.MoreZonesThanCells
    return Code.NotSymmetric if move.policy is MigrationPolicy.STRICT and not is_symmetric(moved) else None
