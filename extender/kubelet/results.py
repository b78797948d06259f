"""The answer of an admission: placements per container, or the kubelet's refusal. Zones are named by their ids."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = [
    "SMT",
    "TOPOLOGY",
    "UNEXPECTED",
    "Admitted",
    "Block",
    "ContainerPlacement",
    "Failure",
    "Refused",
    "unexpected",
]

#: Reasons of the kubelet, as in pod.status.reason (pkg/kubelet/cm: topologymanager/topology_manager.go,
#: cpumanager/policy_static.go, admission/errors.go).
TOPOLOGY = "TopologyAffinityError"
SMT = "SMTAlignmentError"
UNEXPECTED = "UnexpectedAdmissionError"


@dataclass(frozen=True, slots=True)
class Block:
    """One memory block: bytes of one type on a set of zones (ascending ids)."""

    resource: str
    zones: tuple[int, ...]
    bytes: int


@dataclass(frozen=True, slots=True)
class ContainerPlacement:
    """What one container holds: exclusive CPU ids, memory blocks, devices, and the Topology Manager's affinity.

    `hint` is None without guidance: under policy none, and under single-numa-node with don't-care hints only. `devices`
    is resource -> zone -> number, for resources with zones.
    """

    cpus: frozenset[int] = frozenset()
    memory: tuple[Block, ...] = ()
    hint: tuple[int, ...] | None = None
    preferred: bool = False
    devices: Mapping[str, Mapping[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a manager cannot allocate: the kubelet's reason and message, and the rule as a sentence."""

    reason: str
    message: str
    rule: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """The pod is admitted; its containers by name."""

    containers: Mapping[str, ContainerPlacement]


@dataclass(frozen=True, slots=True)
class Refused:
    """The pod is Failed, which is final. `containers`: what was allocated before the refusal, until the next sweep."""

    reason: str
    message: str
    rule: str
    containers: Mapping[str, ContainerPlacement]


def unexpected(error: str, rule: str) -> Failure:
    """Return an allocator's error with the message of pkg/kubelet/cm/admission/errors.go."""
    return Failure(UNEXPECTED, f"Allocate failed due to {error}, which is unexpected", rule)
