"""The zones of a node in an answer: what each has free, what the pod would get of it and what it lacks."""

from _fastfit import Cell, Placement
from extender.cache.nodes.node import NodeState
from extender.kubelet.results import Admitted
from extender.kubevirt.guest.boot import boot
from extender.kubevirt.guest.domain import GuestError
from extender.kubevirt.launcher_pod import COMPUTE
from extender.placement.answers import ZoneAnswer
from extender.placement.page_words import pages_now
from extender.placement.subject import Subject
from extender.placement.words import counted, shortage

__all__ = ["given_to", "zone_answers"]


def given_to(
    state: NodeState, subject: Subject, placement: Placement | None, exact: Admitted | None
) -> tuple[tuple[int, ...], tuple[Cell, ...]]:
    """CPUs per zone and guest cells: by counts, or by the CPU ids of `exact`."""
    if exact is None or state.row is None or state.facts.topology is None:
        return (placement.cpus, placement.cells) if placement is not None else ((), ())
    topology, position = state.facts.topology, {zone.id: at for at, zone in enumerate(state.row.zones)}
    cpus = frozenset().union(*(place.cpus for place in exact.containers.values()))
    given = tuple(sum(topology.zone_of[cpu] == zone for cpu in cpus) for zone in position)
    place, guest = exact.containers.get(COMPUTE), subject.guest
    if guest is None or place is None or subject.question.ask.cells is None or subject.move is not None:
        return given, ()
    domain = boot(topology, place.cpus, guest.size)
    if isinstance(domain, GuestError):
        return given, ()
    pairs = zip(domain.memnodes, domain.cells, strict=True)
    return given, tuple(Cell(position[zone], len(cell.cpus), cell.memory_bytes) for zone, cell in pairs)


def zone_answers(
    state: NodeState, subject: Subject, given: tuple[int, ...], cells: tuple[Cell, ...], played: Admitted | None
) -> tuple[ZoneAnswer, ...]:
    """Every zone of the node: free, given, and what is missing there. `given`: CPUs by position of the zone."""
    if state.row is None:
        return ()
    cpus = max((container.exclusive_cpus for container in subject.question.demand.containers), default=0)
    memory: dict[str, int] = {}
    devices: dict[str, int] = {}
    for container in subject.question.demand.containers:
        for name, amount in container.memory:
            memory[name] = memory.get(name, 0) + amount
        for name, count in container.devices:
            devices[name] = devices.get(name, 0) + count
    taken = _memory_taken(played) if played is not None else {}
    if cells and subject.guest is not None:
        for amounts in taken.values():
            amounts.pop(subject.guest.pages, None)
        for cell in cells:
            taken.setdefault(state.row.zones[cell.zone].id, {})[subject.guest.pages] = cell.bytes
    # What no zone lists is not known, which is not zero.
    hidden = state.facts.left_out | {"memory"}
    answers = []
    for position, zone in enumerate(state.row.zones):
        free = pages_now(zone)
        missing = [counted(cpus - zone.cpu_free, "CPU")] if cpus > zone.cpu_free else []
        known = zone.pages_free is not None or bool(zone.memory_free)
        missing += [
            shortage(name, amount - free.get(name, 0))
            for name, amount in memory.items()
            if (name in free or (known and name not in hidden)) and amount > free.get(name, 0)
        ]
        missing += [
            f"{count - zone.device_free.get(name, 0)} {name}"
            for name, count in devices.items()
            if name in state.facts.devices and count > zone.device_free.get(name, 0)
        ]
        answers.append(
            ZoneAnswer(
                id=zone.id,
                cpus_total=zone.cpu_total,
                cpus_free=zone.cpu_free,
                cpus_given=given[position] if position < len(given) else 0,
                memory_free=dict(free),
                memory_given=taken.get(zone.id, {}),
                devices_free=dict(zone.device_free),
                missing=", ".join(missing),
            )
        )
    return tuple(answers)


def _memory_taken(played: Admitted) -> dict[int, dict[str, int]]:
    """Bytes per zone that the blocks take; a block over several zones counts on its first ones, as the kubelet accounts for it
    there only in sum.
    """
    taken: dict[int, dict[str, int]] = {}
    for place in played.containers.values():
        for block in place.memory:
            share, rest = divmod(block.bytes, len(block.zones))
            for position, zone in enumerate(block.zones):
                amounts = taken.setdefault(zone, {})
                amounts[block.resource] = amounts.get(block.resource, 0) + share + (rest if position == 0 else 0)
    return taken
