"""How near a refused node is to taking a pod: whether it ever could, what it lacks at least, and what would help.

For people only. Kubelets are played on the empty node; what is lacking is counted on the zones that lack least.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import inf

from _fastfit.codes import Code, Policy
from _fastfit.model import Row, ZoneRow
from extender.cache.nodes.node import NodeState
from extender.cache.nodes.synthetic_machine import page_bytes
from extender.kubelet.pod import PodDemand, is_pages
from extender.kubelet.results import Admitted
from extender.kubevirt.guest.boot import boot
from extender.kubevirt.guest.domain import GuestError, zone_pages
from extender.kubevirt.hugepages import page_demand
from extender.kubevirt.launcher_pod import COMPUTE
from extender.placement.page_words import at_most
from extender.placement.subject import Subject
from extender.placement.words import shortage
from extender.reasons import REASONS

__all__ = ["Nearness", "advice_for", "nearness_of", "pages_in_all", "words_for"]

#: Refusals that hold as long as the node is configured as it is, or for every node.
_BY_CONFIGURATION = frozenset(
    {
        Code.CpuManagerNotStatic,
        Code.NoPagesOfSize,
        Code.KubeletCannotStart,
        Code.LauncherCpusShort,
        Code.LauncherPagesShort,
        Code.NeverFitsZone,
    }
)
#: Refusals that say that something is short now; none of their remedies helps where the empty node is too small.
_SHORT = frozenset(
    {
        Code.NodeCpuShort,
        Code.ZoneCpuShort,
        Code.ZonesDisagree,
        Code.ZoneMemoryShort,
        Code.MemoryGroupConflict,
        Code.DeviceZoneShort,
        Code.ZonePagesShort,
        Code.NodeResourcesShort,
    }
)
#: Zones up to which every set of them is looked at.
_ALL_SETS = 4


@dataclass(frozen=True, slots=True)
class Nearness:
    """`could`: the empty node would take the pod, as far as is known. `share`: of what the pod asks most of all lacks."""

    could: bool
    share: float
    #: what the node lacks in all, even when empty ("201 exclusive CPUs are asked, it has 60"); empty: nothing
    beyond: str = ""
    #: what the nearest zones lack ("zone 0 lacks 1 x 1Gi pages"); empty: nothing that is counted
    missing: str = ""

    @property
    def key(self) -> tuple[bool, float]:
        """Sorts the nearest node first."""
        return not self.could, self.share


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the pod asks of the zones; `even`: resource of which every zone gives an equal share."""

    cpus: int
    amounts: Mapping[str, int]
    devices: Mapping[str, int]
    even: str


def nearness_of(state: NodeState, subject: Subject, code: Code) -> Nearness:
    """How near the node is, which refuses the pod with this code."""
    if state.row is None or not state.row.zones:
        return Nearness(code not in _BY_CONFIGURATION, 1.0)
    asked = _asked(subject)
    beyond = _beyond(state, state.row.zones, asked)
    share, missing = min(
        (_lacking(zones, asked) for zones in _sets(state.row.zones, _width(state.row, asked))),
        key=lambda found: found[0],
    )
    for name, amount in page_demand(subject.question.demand):
        lacking = amount - state.row.pages_together.get(name, amount)
        if lacking > 0:
            share = max(share, lacking / amount)
            missing = missing or f"all zones together lack {shortage(name, lacking)}"
    could = code not in _BY_CONFIGURATION and not beyond and _takes_when_empty(state, subject)
    return Nearness(could, share, beyond, missing)


def words_for(code: Code, near: Nearness) -> str:
    """What is to be said beside the text of the code; empty: nothing."""
    if code not in _SHORT or near.could:
        return ""
    return f"never fits: {near.beyond}" if near.beyond else "not even the empty node takes the pod"


def advice_for(code: Code, near: Nearness) -> str:
    """The advice of the code; another one where that does not help."""
    if code not in _SHORT or near.could:
        return REASONS[code].advice
    if near.beyond:
        return "Lower the VM's size, or use a larger node: the node is too small, whatever leaves it."
    return "Nothing that leaves the node helps: lower the VM's size, or use a node with larger zones or another policy."


def _asked(subject: Subject) -> _Asked:
    demand, guest = subject.question.demand, subject.guest
    amounts: dict[str, int] = {}
    devices: dict[str, int] = {}
    for container in demand.containers:
        for name, amount in container.memory:
            amounts[name] = amounts.get(name, 0) + amount
        for name, count in container.devices:
            devices[name] = devices.get(name, 0) + count
    even = guest.pages if guest is not None and guest.size.passthrough else ""
    return _Asked(_cpus(demand), amounts, devices, even)


def _cpus(demand: PodDemand) -> int:
    return max((container.exclusive_cpus for container in demand.containers), default=0)


def pages_in_all(state: NodeState, resource: str) -> float:
    """Bytes of these huge pages that the machine has, whoever holds them; without end where that is not known."""
    machine, size = state.facts.machine, resource.removeprefix("hugepages-")
    if machine is None or not state.facts.pages_known or not is_pages(resource):
        return inf
    return sum(zone.hugepages.get(size, 0) for zone in machine.zones) * page_bytes(size)


def _beyond(state: NodeState, zones: Sequence[ZoneRow], asked: _Asked) -> str:
    has = sum(zone.cpu_total - zone.cpu_reserved for zone in zones)
    if asked.cpus > has:
        return f"{asked.cpus} exclusive CPUs are asked, the node has {has} that are not reserved"
    for name, amount in asked.amounts.items():
        known = [zone.memory_allocatable[name] for zone in zones if name in zone.memory_allocatable]
        if len(known) == len(zones) and amount > sum(known):
            return f"{shortage(name, amount)} are asked, its zones have {shortage(name, sum(known))} in all"
        has_pages = pages_in_all(state, name)
        if amount > has_pages:
            return f"{shortage(name, amount)} are asked, its zones have {shortage(name, int(has_pages))} in all"
    for name, count in asked.devices.items():
        total = [zone.device_total[name] for zone in zones if name in zone.device_total]
        if total and count > sum(total):
            return f"{count} {name} are asked, its zones have {sum(total)} in all"
    return ""


def _width(row: Row, asked: _Asked) -> int:
    """Zones over which the policy lets the pod spread: restricted takes no more than their capacity requires."""
    if row.policy is not Policy.RESTRICTED:
        return 1 if row.policy is Policy.SINGLE_NUMA_NODE else len(row.zones)
    needs = [(asked.cpus, [zone.cpu_total for zone in row.zones])]
    needs += [
        (need, [zone.memory_allocatable.get(name, 0) for zone in row.zones]) for name, need in asked.amounts.items()
    ]
    widest = 1
    for need, has in needs:
        for width in range(widest, len(has) + 1):
            if sum(sorted(has, reverse=True)[:width]) >= need:
                widest = width
                break
    return widest


def _sets(zones: Sequence[ZoneRow], width: int) -> Iterator[tuple[ZoneRow, ...]]:
    """Sets of zones that may give the pod everything, the smallest first; of many zones those with the most CPUs."""
    best = sorted(zones, key=lambda zone: -zone.cpu_free)
    for size in range(1, width + 1):
        if size == 1 or len(zones) <= _ALL_SETS:
            yield from combinations(zones, size)
        else:
            yield tuple(best[:size])


def _lacking(zones: tuple[ZoneRow, ...], asked: _Asked) -> tuple[float, str]:
    """The largest share of an amount that these zones lack, and everything that they lack in words."""
    short: dict[str, int] = {"cpu": asked.cpus - sum(zone.cpu_free for zone in zones)}
    whole = {"cpu": asked.cpus, **asked.amounts, **asked.devices}
    for name, amount in asked.amounts.items():
        free = [_free(zone, name) for zone in zones]
        known = [left for left in free if left is not None]
        if len(known) < len(zones):
            continue
        each = -(-amount // len(zones))
        short[name] = sum(max(each - left, 0) for left in known) if name == asked.even else amount - sum(known)
    for name, count in asked.devices.items():
        if any(name in zone.device_total for zone in zones):
            short[name] = count - sum(zone.device_free.get(name, 0) for zone in zones)
    missing = {name: amount for name, amount in short.items() if amount > 0}
    if not missing:
        return 0.0, ""
    where = f"zone{'s' if len(zones) > 1 else ''} {','.join(str(zone.id) for zone in zones)}"
    what = ", ".join(shortage(name, amount) for name, amount in missing.items())
    share = max(amount / whole[name] for name, amount in missing.items())
    return share, f"{where} {'lack' if len(zones) > 1 else 'lacks'} {what}"


def _free(zone: ZoneRow, name: str) -> int | None:
    """What is free at most: by Memory Manager's accounting and, of huge pages, in fact; None: not known."""
    known = [amounts[name] for amounts in (zone.memory_free, at_most(zone)) if amounts is not None and name in amounts]
    return min(known, default=None)


def _takes_when_empty(state: NodeState, subject: Subject) -> bool:
    """Whether the node without any pod takes this one, by kubelet and KubeVirt; True where that cannot be played."""
    kubelet, topology, machine = state.ledger.kubelet, state.facts.topology, state.facts.machine
    if kubelet is None or topology is None or machine is None:
        return True
    for name, amount in page_demand(subject.question.demand) if state.facts.pages_known else ():
        size = name.removeprefix("hugepages-")
        if amount > sum(zone.hugepages.get(size, 0) for zone in machine.zones) * page_bytes(size):
            return False
    answer = kubelet.empty().admit(subject.question.demand)
    if not isinstance(answer, Admitted):
        return False
    guest, place = subject.guest, answer.containers.get(COMPUTE)
    if (
        guest is None
        or place is None
        or not place.cpus
        or subject.question.ask.cells is None
        or subject.move is not None
    ):
        return True
    domain = boot(topology, place.cpus, guest.size)
    if isinstance(domain, GuestError):
        return False
    if not state.facts.pages_known:
        return True
    size = guest.pages.removeprefix("hugepages-")
    has = {zone.id: zone.hugepages.get(size, 0) * (guest.size.page_bytes or 1) for zone in machine.zones}
    return all(amount <= has.get(zone, 0) for zone, amount in zone_pages(domain).items())
