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

_ZONE_NAME = re.compile(r"node-(\d{1,4})")
_ZONE_TYPES = ("Node", "")
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

    @property
    def ground(self) -> tuple[object, ...]:
        """The part that facts are made of, hashable."""
        zones = tuple(
            (zone.id, tuple(zone.capacity.items()), tuple(zone.allocatable.items()), tuple(zone.costs.items()))
            for zone in self.zones
        )
        return zones, self.policy, self.scope, self.problem, self.foreign

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
    policy, scope = _policy(record)
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
    )


def _zones(given: Sequence[Zone]) -> tuple[tuple[NrtZone, ...], str]:
    """The NUMA zones in ascending id, and the first thing that cannot be read."""
    problems: list[str] = []
    zones: dict[int, NrtZone] = {}
    first: dict[int, str] = {}
    for index, zone in enumerate(given):
        match = _ZONE_NAME.fullmatch(zone.name)
        if match is None or zone.type not in _ZONE_TYPES:
            continue
        zone_id, place = int(match[1]), f"zones[{index}]"
        if zone_id in zones:
            problems.append(f"{place} ({zone.name}) is zone {zone_id} again, which {first[zone_id]} is already")
            continue
        first[zone_id] = f"{place} ({zone.name})"
        zones[zone_id] = _zone(zone_id, zone, place, problems)
    if given and not zones:
        found = ", ".join(
            f"{zone.name[:_SHOWN_NAME]} (type {zone.type[:_SHOWN_NAME]})" for zone in given[:_SHOWN_ZONES]
        )
        more = f" and {len(given) - _SHOWN_ZONES} more" if len(given) > _SHOWN_ZONES else ""
        problems.append(f"zones are named {found}{more}; expected node-<number> of type Node, such as node-0")
    return tuple(zones[zone_id] for zone_id in sorted(zones)), problems[0] if problems else ""


def _is_foreign(record: NodeResourceTopology) -> bool:
    """Whether another program left its mark: a label, an annotation or a resource of its domain."""
    meta = record.metadata
    keys = {*(meta.labels or ()), *(meta.annotations or ())}
    keys.update(resource.name for zone in record.zones or () for resource in zone.resources or ())
    return any(key.partition("/")[0].endswith(_OTHER_WRITERS) for key in keys)


def _policy(record: NodeResourceTopology) -> tuple[str, str]:
    """Attributes first; the old topologyPolicies where they are absent."""
    found = {attribute.name: attribute.value for attribute in record.attributes or ()}
    policy = found.get("topologyManagerPolicy", "")
    scope = found.get("topologyManagerScope", "")
    if policy not in POLICIES and record.topology_policies:
        policy, old_scope = _OLDPOLICIES.get(record.topology_policies[0], ("", ""))
        scope = scope or old_scope
    return (policy if policy in POLICIES else "", scope if scope in _SCOPES else "")


#: Reports repeat the same few amounts, and come again every minute.
_whole_down = functools.lru_cache(maxsize=8192)(whole_down)


def _zone(zone_id: int, zone: Zone, place: str, problems: list[str]) -> NrtZone:
    """One zone; a resource that cannot be read is left out and told in `problems`."""
    capacity: dict[str, int] = {}
    allocatable: dict[str, int] = {}
    available: dict[str, int] = {}
    for index, resource in enumerate(zone.resources or ()):
        name = intern_text(resource.name)
        where = f"{place}.resources[{index}] ({name[:_SHOWN_NAME]} of {zone.name})"
        if name in allocatable:
            problems.append(f"{where} names the resource again")
            continue
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
    costs = []
    for cost in zone.costs or ():
        match = _ZONE_NAME.fullmatch(cost.name)
        if match is not None:
            costs.append((int(match[1]), cost.value))
    return NrtZone(
        zone_id, intern_amounts(capacity), intern_amounts(allocatable), available, _shared_costs(tuple(costs))
    )


def _offered(amount: Quantity, where: str) -> int:
    """An amount in whole units, rounded down: half a CPU is none, and a negative amount is nothing."""
    try:
        return max(0, _whole_down(amount))
    except BadObject as error:
        raise BadObject(f"{where}: {error}") from None


@functools.lru_cache(maxsize=1024)
def _shared_costs(costs: tuple[tuple[int, int], ...]) -> Mapping[int, int]:
    return dict(costs)
