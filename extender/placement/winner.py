"""A node judged once more by CPU ids, where counts do not decide: does the guest start on the CPUs that it would get.

The kernel counts CPUs per zone and sort. On machines whose siblings KubeVirt misreads, or with guests of two threads a
core and spare CPUs, the zones of the vCPUs can differ from what counts say; with some CPU Manager options, and with init
containers that hold CPUs, counts say nothing (BY_IDS). Where the machine is stated, the kubelet twin and KubeVirt's
rules decide both: for the winner of a call, and for people.
"""

from collections.abc import Mapping
from typing import Final

from _fastfit.codes import Code
from extender.cache.nodes.node import NodeState
from extender.kubelet.pod import is_pages
from extender.kubelet.results import Admitted, ContainerPlacement, Refused
from extender.kubevirt.guest.boot import boot
from extender.kubevirt.guest.domain import Domain, GuestError, GuestFault, is_symmetric, unbound_bytes, zone_pages
from extender.kubevirt.launcher_pod import COMPUTE, Guest
from extender.kubevirt.migration.policy import MigrationPolicy, Move, running_domain
from extender.kubevirt.migration.target_domain import libvirt_refusal, migrate
from extender.placement.page_words import at_most
from extender.placement.subject import Subject

__all__ = ["BY_IDS", "guest_code", "move_refusal", "refusal_code"]

#: Unknown verdicts of counts that CPU ids decide.
BY_IDS: Final = frozenset({Code.OptionsUndecided, Code.InitContainerCpus})

#: What a refusal by the kubelet twin means in our codes.
_TWIN_CODES: Final[Mapping[str, Code]] = {
    "TopologyAffinityError": Code.ZonesDisagree,
    "SMTAlignmentError": Code.SmtAlignment,
    "UnexpectedAdmissionError": Code.ZoneMemoryShort,
}
_MEMORY = frozenset({GuestFault.LESS_THAN_A_PAGE_PER_CELL, GuestFault.MEMORY_NOT_IN_PAGES})


def refusal_code(refused: Refused) -> Code:
    """The code of a refusal by the kubelet twin."""
    return _TWIN_CODES.get(refused.reason, Code.ZonesDisagree)


def guest_code(state: NodeState, subject: Subject, placed: Admitted) -> Code:
    """What becomes of the guest on the CPUs that the twin gives the pod: Fits, a refusal, or why it is not known."""
    guest, ask = subject.guest, subject.question.ask.cells
    place = placed.containers.get(COMPUTE)
    if guest is None or ask is None:
        return _pinned_code(state, placed)
    if place is None or not place.cpus or state.facts.topology is None:
        return Code.OptionsUndecided
    domain = _domain(state, guest, subject.move, place)
    if isinstance(domain, GuestError):
        return _code_of(domain)
    if subject.move is not None and subject.move.boot:
        if libvirt_refusal(domain) is not None:
            return Code.MoreZonesThanCells
        if ask.symmetric_only and not is_symmetric(domain):
            return Code.NotSymmetric
    code = _pages_code(state, domain, guest.pages)
    return _devices_code(state, domain, ask.strict) if code is Code.Fits else code


def move_refusal(state: NodeState, uid: str, guest: Guest, move: Move) -> Code | None:
    """Why the pod assumed on this node cannot take over its VM; None: it can, or it is not known."""
    answer = state.ledger.answer(uid)
    place = answer.containers.get(COMPUTE) if isinstance(answer, Admitted) else None
    if place is None or not place.cpus or state.facts.topology is None or not move.boot:
        return None
    moved = _domain(state, guest, move, place)
    if isinstance(moved, GuestError):
        return _code_of(moved)
    if libvirt_refusal(moved) is not None:
        return Code.MoreZonesThanCells
    return Code.NotSymmetric if move.policy is MigrationPolicy.STRICT and not is_symmetric(moved) else None


def _domain(state: NodeState, guest: Guest, move: Move | None, place: ContainerPlacement) -> Domain | GuestError:
    """The guest on these CPUs: as it boots, or as it takes over the running one where that is known."""
    topology = state.facts.topology
    assert topology is not None
    if move is None or not move.boot:
        return boot(topology, place.cpus, guest.size)
    running = running_domain(move.boot, guest.size, move.sockets)
    sockets = min(move.sockets, guest.size.sockets) or None
    return migrate(running, topology, place.cpus, guest.size, enabled_sockets=sockets)


def _code_of(error: GuestError) -> Code:
    return Code.GuestMemoryPages if error.fault in _MEMORY else Code.CoreSplit


def _pages_code(state: NodeState, domain: Domain, pages: str) -> Code:
    """Whether each zone has the pages of its cells free, and the zones together those that may lie in any of them.

    Refused by what may be free at most, else unknown where it is not free for certain.
    """
    zones = {zone.id: zone for zone in state.row.zones} if state.row is not None else {}
    certain = True
    left = most_left = 0
    for position, needed in zone_pages(domain).items():
        zone = zones.get(position)
        if zone is None or zone.pages_free is None:
            return Code.PagesNotReported
        free, most = zone.pages_free.get(pages, 0), (at_most(zone) or {}).get(pages, 0)
        if most < needed:
            return Code.ZonePagesShort
        certain = certain and free >= needed
        left += free - needed
        most_left += most - needed
    if most_left < unbound_bytes(domain):
        return Code.ZonePagesShort
    return Code.Fits if certain and left >= unbound_bytes(domain) else Code.PagesNotReported


def _pinned_code(state: NodeState, placed: Admitted) -> Code:
    """Whether the zones that Memory Manager pins memory to have the huge pages, in fact and not by its accounting."""
    zones = {zone.id: zone for zone in state.row.zones} if state.row is not None else {}
    needed: dict[tuple[tuple[int, ...], str], int] = {}
    for place in placed.containers.values():
        for block in filter(lambda block: is_pages(block.resource), place.memory):
            needed[block.zones, block.resource] = needed.get((block.zones, block.resource), 0) + block.bytes
    code = Code.Fits
    for (ids, name), amount in needed.items():
        own = [zones[zone] for zone in ids if zone in zones]
        if any(zone.pages_free is None for zone in own):
            continue
        if sum((at_most(zone) or {}).get(name, 0) for zone in own) < amount:
            return Code.ZoneMemoryShort
        if sum((zone.pages_free or {}).get(name, 0) for zone in own) < amount:
            code = Code.PagesNotReported
    return code


def _devices_code(state: NodeState, domain: Domain, strict: tuple[str, ...]) -> Code:
    """Whether every device that could be taken lies in a zone with a vCPU; which one is taken is not decided by CPU ids."""
    for name in strict:
        zones = state.row.zones if state.row is not None else ()
        offers = {zone.id for zone in zones if zone.device_free.get(name, 0)}
        if not offers or not offers <= set(domain.nodeset):
            return Code.DeviceZoneOpen
    return Code.Fits
