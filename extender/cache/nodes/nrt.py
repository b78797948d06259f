"""What a NodeResourceTopology (topology.node.k8s.io/v1alpha2) says of a node, as numbers.

NFD's topology updater and the resource-topology-exporter differ in detail; both publish zones `node-<id>` of type
`Node`, and `cpu`, `memory` and `hugepages-*` only where the manager concerned is on.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from _fastfit.codes import Policy, Scope
from extender.api.objects import NodeResourceTopology, Zone
from extender.api.quantity import whole
from extender.cache.interning import intern_amounts, intern_text
from extender.cache.nodes.fingerprint import ATTRIBUTE, METHOD_ATTRIBUTE
from extender.errors import BadObject

__all__ = ["POLICIES", "Nrt", "NrtZone", "read_nrt"]

_ZONE_NAME = re.compile(r"node-(\d{1,4})")
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
    """One zone. Amounts in CPUs, bytes or devices by resource name; `costs` by zone id."""

    id: int
    capacity: Mapping[str, int]
    allocatable: Mapping[str, int]
    available: Mapping[str, int]
    costs: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Nrt:
    """A node's report. `policy` and `scope` are the kubelet's words, empty where not published."""

    zones: tuple[NrtZone, ...]
    policy: str = ""
    scope: str = ""
    problem: str = ""
    #: fingerprint of the pods that `available` includes, and which pods it covers; empty where not published
    fingerprint: str = ""
    fingerprint_method: str = ""

    @property
    def ground(self) -> tuple[object, ...]:
        """The part that facts are made of, hashable."""
        zones = tuple(
            (zone.id, tuple(zone.capacity.items()), tuple(zone.allocatable.items()), tuple(zone.costs.items()))
            for zone in self.zones
        )
        return zones, self.policy, self.scope, self.problem

    def resources(self) -> frozenset[str]:
        """Every resource that some zone names."""
        return frozenset(name for zone in self.zones for name in zone.allocatable)


def read_nrt(record: NodeResourceTopology) -> Nrt:
    """Numbers of a report. What cannot be read becomes `problem`, a sentence that names it; nothing is raised."""
    policy, scope = _policy(record)
    attributes = {attribute.name: attribute.value for attribute in record.attributes or ()}
    problem = ""
    zones: dict[int, NrtZone] = {}
    for zone in record.zones or ():
        match = _ZONE_NAME.fullmatch(zone.name)
        if match is None or zone.type not in ("Node", ""):
            continue
        try:
            zones[int(match[1])] = _zone(int(match[1]), zone)
        except BadObject as error:
            problem = f"zone {zone.name}: {error}"
    return Nrt(
        zones=tuple(zones[zone_id] for zone_id in sorted(zones)),
        policy=policy,
        scope=scope,
        problem=problem,
        fingerprint=attributes.get(ATTRIBUTE, ""),
        fingerprint_method=attributes.get(METHOD_ATTRIBUTE, ""),
    )


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
_whole = functools.lru_cache(maxsize=8192)(whole)


def _zone(zone_id: int, zone: Zone) -> NrtZone:
    capacity: dict[str, int] = {}
    allocatable: dict[str, int] = {}
    available: dict[str, int] = {}
    for resource in zone.resources or ():
        name = intern_text(resource.name)
        capacity[name] = max(0, _whole(resource.capacity))
        allocatable[name] = max(0, _whole(resource.allocatable))
        available[name] = max(0, _whole(resource.available))
    costs = []
    for cost in zone.costs or ():
        match = _ZONE_NAME.fullmatch(cost.name)
        if match is not None:
            costs.append((int(match[1]), cost.value))
    return NrtZone(
        zone_id, intern_amounts(capacity), intern_amounts(allocatable), available, _shared_costs(tuple(costs))
    )


@functools.lru_cache(maxsize=1024)
def _shared_costs(costs: tuple[tuple[int, int], ...]) -> Mapping[int, int]:
    return dict(costs)
