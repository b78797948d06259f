"""A kubelet's machine and configuration.

The JSON form of both is the golden format (tests/golden/kubelet/README.md), which is also the value of
the annotations fastfit.dev/machine and fastfit.dev/kubelet; facts_json.py reads and writes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from extender.errors import BadObject

__all__ = ["CannotStart", "Core", "KubeletConfig", "Machine", "ReservedMemory", "Zone"]


class CannotStart(BadObject):
    """A kubelet with this machine and configuration does not start, or panics; the text names the rule."""


@dataclass(frozen=True, slots=True)
class Core:
    """A physical core: its socket, its last-level cache (None: unknown) and its logical CPUs."""

    socket: int
    l3: int | None
    threads: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Zone:
    """A host NUMA node. `cores` is empty for a CPU-less zone. `distances` is its row of the SLIT, in zone order."""

    id: int
    memory_bytes: int
    #: page size as in the resource name ("2Mi", "1Gi") -> number of pages
    hugepages: Mapping[str, int]
    distances: tuple[int, ...]
    cores: tuple[Core, ...]


@dataclass(frozen=True, slots=True)
class Machine:
    """Zones in ascending id (ids may be sparse)."""

    sockets: int
    zones: tuple[Zone, ...]


@dataclass(frozen=True, slots=True)
class ReservedMemory:
    """One entry of the kubelet's reservedMemory: bytes per memory type ("memory", "hugepages-1Gi") of a zone."""

    zone: int
    limits: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class KubeletConfig:
    """The fields of KubeletConfiguration (kubelet.config.k8s.io/v1beta1) that decide admission, under its names."""

    topology_manager_policy: str = "none"
    topology_manager_scope: str = "container"
    topology_manager_policy_options: Mapping[str, str] = field(default_factory=dict)
    cpu_manager_policy: str = "none"
    cpu_manager_policy_options: Mapping[str, str] = field(default_factory=dict)
    memory_manager_policy: str = "None"
    reserved_memory: tuple[ReservedMemory, ...] = ()
    #: explicit reserved CPUs; empty: the CPU Manager chooses `reserved_cpu_count` CPUs
    reserved_system_cpus: frozenset[int] = frozenset()
    reserved_cpu_count: int = 0
    #: the kubelet reserves CPUs, but the machine here is what a report offers, without them
    reservation_hidden: bool = False
