"""A node's free resources as counts per zone: what can be known without CPU ids. Feeds the flat-array kernel."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Amount", "NodeCounts", "ZoneCounts"]


@dataclass(frozen=True, slots=True)
class Amount:
    """How much there is in all for pods, and how much is free."""

    total: int
    free: int


@dataclass(frozen=True, slots=True)
class ZoneCounts:
    """One zone.

    `cpu_total` includes the `cpu_reserved` (the CPU Manager's minimal width is taken over it); `cpu_free` is what can be
    given out; `cores_free` counts the physical cores of which every CPU can be given out. `memory`: bytes by type,
    allocatable after reservation; empty without Memory Manager. `blocks` and `group` (mask over zone *positions*) are
    the Memory Manager's. `socket` is -1 for a CPU-less zone.
    """

    id: int
    socket: int
    cpu_total: int
    cpu_reserved: int
    cpu_free: int
    cores_free: int
    memory: Mapping[str, Amount]
    blocks: int
    group: int
    devices: Mapping[str, Amount]


@dataclass(frozen=True, slots=True)
class NodeCounts:
    """Zones in ascending id. `physical_free`: CPUs that full-pcpus-only counts as free on the whole node.

    `cut_zones` and `uneven` are the machine's (cpu_topology.py): why counts per zone may not tell what is taken.
    """

    zones: tuple[ZoneCounts, ...]
    physical_free: int
    threads_per_core: int
    cut_zones: bool
    uneven: bool
