"""What a NodeResourceTopology (topology.node.k8s.io/v1alpha2) says of a node, as numbers.

NFD's topology updater and the resource-topology-exporter differ in detail; both publish zones `node-<id>` of type
`Node`, and `cpu`, `memory` and `hugepages-*` only where the manager concerned is on.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from _fastfit.codes import Policy, Scope
from extender.api.objects import NodeResourceTopology, Quantity, Zone
from extender.api.quantity import whole_down
from extender.cache.interning import intern_amounts, intern_text
from extender.cache.nodes.fingerprint import ATTRIBUTE, METHOD_ATTRIBUTE
from extender.errors import BadObject

__all__ = ["POLICIES", "Nrt", "NrtZone", "read_nrt"]

_ZONE_NAME = re.compile(r"node-([0-9]+)")
_ZONE_TYPES = ("node", "")
#: How zones are named that mean a NUMA node, whatever else stands in their name.
_NUMA_WORDS = re.compile("node|numa", re.IGNORECASE)
#: Linux numbers no more nodes; more CPUs, or zones farther apart, than the kubelet twin numbers.
_MAX_ZONE_ID = 1023
_MAX_CPUS = 8192
_MAX_DISTANCE = 65535
#: How much of a report's own names a sentence repeats.
_SHOWN_ZONES = 4
_SHOWN_NAME = 60
#: Domains of programs that publish reports with another meaning: what they call memory is the machine's.
_OTHER_WRITERS = ("koordinator.sh",)
POLICIES = {
    "none": Policy.NONE,
    "best-effort": Policy.BEST_EFFORT,
    "restricted": Policy.RESTRICTED,
    "single-numa-node": Policy.SINGLE_NUMA_NODE,
}
_SCOPES = {"container": Scope.CONTAINER, "pod": Scope.POD}
#: topologyPolicies of v1alpha1 and early v1alpha2: policy and scope in one word.
_OLDPOLICIES = {
    "None": ("none", "container"),
    "BestEffort": ("best-effort", "container"),
    "BestEffortContainerLevel": ("best-effort", "container"),
    "BestEffortPodLevel": ("best-effort", "pod"),
    "Restricted": ("restricted", "container"),
    "RestrictedContainerLevel": ("restricted", "container"),
    "RestrictedPodLevel": ("restricted", "pod"),
    "SingleNUMANode": ("single-numa-node", "container"),
    "SingleNUMANodeContainerLevel": ("single-numa-node", "container"),
    "SingleNUMANodePodLevel": ("single-numa-node", "pod"),
}


@dataclass(frozen=True, slots=True)
class NrtZone:
    """One zone. Amounts in CPUs, bytes or devices by resource name; `costs` by zone id.

    `available` lacks a resource for which the exporter publishes none.
    """

    id: int
    capacity: Mapping[str, int]
    allocatable: Mapping[str, int]
    available: Mapping[str, int]
    costs: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Nrt:
    """A node's report. `policy` and `scope` are the kubelet's words, empty where not published.

    `problem` names what cannot be read, with its path; empty where all can.
    """

    zones: tuple[NrtZone, ...]
    policy: str = ""
    scope: str = ""
    problem: str = ""
    #: fingerprint of the pods that `available` includes, and which pods it covers; empty where not published
    fingerprint: str = ""
    fingerprint_method: str = ""
    #: another program wrote it than NFD's topology updater or the resource-topology-exporter
    foreign: bool = False
    #: the policy that it names, where that is none that is known
    other_policy: str = ""

    @property
    def ground(self) -> tuple[object, ...]:
        """The part that facts are made of, hashable."""
        zones = tuple(
            (zone.id, tuple(zone.capacity.items()), tuple(zone.allocatable.items()), tuple(zone.costs.items()))
            for zone in self.zones
        )
        return zones, self.policy, self.scope, self.problem, self.foreign, self.other_policy

    @property
    def misses_available(self) -> bool:
        """Whether a resource comes without the amount that is free."""
        return any(zone.allocatable.keys() - zone.available.keys() for zone in self.zones)

    def resources(self) -> frozenset[str]:
        """Every resource that some zone names."""
        return frozenset(name for zone in self.zones for name in zone.allocatable)

    def shows_memory_reservation(self) -> bool:
        """Whether the zones offer less memory than they have.

        A static Memory Manager always has a reservation, and the two exporters that read the kubelet show it so. Equal
        amounts are a machine's, read from elsewhere: they prove no Memory Manager.
        """
        held_back = sum(zone.capacity.get("memory", 0) - zone.allocatable.get("memory", 0) for zone in self.zones)
        return held_back > 0 and not self.foreign


def read_nrt(record: NodeResourceTopology) -> Nrt:
    """Numbers of a report. What cannot be read becomes `problem`, a sentence with its path; nothing is raised."""
    policy, scope, other = _policy(record)
    attributes = {attribute.name: attribute.value for attribute in record.attributes or ()}
    zones, problem = _zones(record.zones or ())
    return Nrt(
        zones=zones,
        policy=policy,
        scope=scope,
        problem=record.unreadable or problem,
        fingerprint=attributes.get(ATTRIBUTE, ""),
        fingerprint_method=attributes.get(METHOD_ATTRIBUTE, ""),
        foreign=_is_foreign(record),
        other_policy=other,
    )


def _zones(given: Sequence[Zone]) -> tuple[tuple[NrtZone, ...], str]:
    """The NUMA zones in ascending id, and the first thing that cannot be read."""
    problems: list[str] = []
    zones: dict[int, NrtZone] = {}
    first: dict[int, str] = {}
    parents: dict[str, str] = {}
    for index, zone in enumerate(given):
        if zone.type.lower() not in _ZONE_TYPES:
            continue
        place = f"zones[{index}]"
        zone_id = _zone_id(zone.name)
        if zone_id is None:
            if _NUMA_WORDS.search(zone.name):
                name = zone.name[:_SHOWN_NAME]
                problems.append(f"{place} ({name}): expected node-<number up to {_MAX_ZONE_ID}>, such as node-0")
            continue
        if zone_id in first:
            problems.append(f"{place} ({zone.name}) is zone {zone_id} again, which {first[zone_id]} is already")
            zones.pop(zone_id, None)  # two things are said of it, and neither is believed
            continue
        first[zone_id] = f"{place} ({zone.name})"
        parents[zone.name] = zone.parent
        zones[zone_id] = _zone(zone_id, zone, place, problems)
    for name, parent in parents.items():
        if parent in parents:
            problems.append(
                f"zone {name} lies inside zone {parent}: which of their amounts are counted twice is not known"
            )
    if sum(_cpus(zone) for zone in zones.values()) > _MAX_CPUS:
        problems.append(f"the zones have more than {_MAX_CPUS} CPUs")
    if given and not first:
        found = ", ".join(
            f"{zone.name[:_SHOWN_NAME]} (type {zone.type[:_SHOWN_NAME]})" for zone in given[:_SHOWN_ZONES]
        )
        more = f" and {len(given) - _SHOWN_ZONES} more" if len(given) > _SHOWN_ZONES else ""
        problems = [f"zones are named {found}{more}; expected node-<number> of type Node, such as node-0"]
    return tuple(zones[zone_id] for zone_id in sorted(zones)), problems[0] if problems else ""


def _zone_id(name: str) -> int | None:
    """The number of a zone; None where the name has another form."""
    match = _ZONE_NAME.fullmatch(name)
    number = int(match[1]) if match is not None and len(name) <= _SHOWN_NAME else _MAX_ZONE_ID + 1
    return number if number <= _MAX_ZONE_ID else None


def _cpus(zone: NrtZone) -> int:
    return max(zone.capacity.get("cpu", 0), zone.allocatable.get("cpu", 0))


def _is_foreign(record: NodeResourceTopology) -> bool:
    """Whether another program left its mark: a label, an annotation or a resource of its domain."""
    meta = record.metadata
    keys = {*(meta.labels or ()), *(meta.annotations or ())}
    keys.update(resource.name for zone in record.zones or () for resource in zone.resources or ())
    return any(key.partition("/")[0].endswith(_OTHER_WRITERS) for key in keys)


def _policy(record: NodeResourceTopology) -> tuple[str, str, str]:
    """Policy and scope, and a policy that is not known. Attributes first; the old topologyPolicies where they are absent."""
    found = {attribute.name: attribute.value for attribute in record.attributes or ()}
    named = policy = found.get("topologyManagerPolicy", "")
    scope = found.get("topologyManagerScope", "")
    if policy not in POLICIES and record.topology_policies:
        named = named or record.topology_policies[0]
        policy, old_scope = _OLDPOLICIES.get(record.topology_policies[0], ("", ""))
        scope = scope or old_scope
    known = policy in POLICIES
    return policy if known else "", scope if scope in _SCOPES else "", "" if known else named[:_SHOWN_NAME]


#: Reports repeat the same few amounts, and come again every minute.
_whole_down = functools.lru_cache(maxsize=8192)(whole_down)


def _zone(zone_id: int, zone: Zone, place: str, problems: list[str]) -> NrtZone:
    """One zone; a resource that cannot be read is left out and told in `problems`."""
    capacity: dict[str, int] = {}
    allocatable: dict[str, int] = {}
    available: dict[str, int] = {}
    named: set[str] = set()
    for index, resource in enumerate(zone.resources or ()):
        name = intern_text(resource.name)
        where = f"{place}.resources[{index}] ({name[:_SHOWN_NAME]} of {zone.name})"
        if name in named:
            problems.append(f"{where} names the resource again")
            for amounts in (capacity, allocatable, available):
                amounts.pop(name, None)  # two things are said of it, and neither is believed
            continue
        named.add(name)
        if resource.allocatable is None:
            problems.append(f"{where} has no allocatable")
            continue
        try:
            given = _offered(resource.allocatable, f"{where}.allocatable")
            most = given if resource.capacity is None else _offered(resource.capacity, f"{where}.capacity")
            free = None if resource.available is None else _offered(resource.available, f"{where}.available")
        except BadObject as error:
            problems.append(str(error))
            continue
        capacity[name], allocatable[name] = most, given
        if free is not None:
            available[name] = free
    costs = _costs(zone, place, problems)
    return NrtZone(zone_id, intern_amounts(capacity), intern_amounts(allocatable), available, costs)


def _costs(zone: Zone, place: str, problems: list[str]) -> Mapping[int, int]:
    """Distances by zone id; those to other things are not used."""
    costs: dict[int, int] = {}
    for index, cost in enumerate(zone.costs or ()):
        zone_id = _zone_id(cost.name)
        if zone_id is None:
            continue
        where = f"{place}.costs[{index}] ({cost.name} of {zone.name})"
        if not 0 <= cost.value <= _MAX_DISTANCE:
            problems.append(f"{where}: {cost.value} is not a distance from 0 to {_MAX_DISTANCE}")
        elif costs.setdefault(zone_id, cost.value) != cost.value:
            problems.append(f"{where} names the zone again, with another distance")
    return _shared_costs(tuple(costs.items()))


def _offered(amount: Quantity, where: str) -> int:
    """An amount in whole units, rounded down: half a CPU is none, and a negative amount is nothing."""
    try:
        return max(0, _whole_down(amount))
    except BadObject as error:
        raise BadObject(f"{where}: {error}") from None


@functools.lru_cache(maxsize=1024)
def _shared_costs(costs: tuple[tuple[int, int], ...]) -> Mapping[int, int]:
    return dict(costs)
