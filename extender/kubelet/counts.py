"""A node's free resources as counts per zone, without CPU ids: the input of the kernel (`_fastfit`)."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Amount", "NodeCounts", "ZoneCounts"]


@dataclass(frozen=True, slots=True)
class Amount:
    """The amount for pods, and how much of it is free."""

    total: int
    free: int


@dataclass(frozen=True, slots=True)
class ZoneCounts:
    """One zone.

    `cpu_total` includes `cpu_reserved`: the CPU Manager computes minimal width from it. `cpu_free`: CPUs that can be
    allocated. `cores_free`: physical cores of which every CPU can be allocated. `memory`: bytes by type, allocatable
    after reservation; empty without Memory Manager. `blocks` and `group` (mask of zone *positions*) are the Memory
    Manager's. `socket` is -1 for a CPU-less zone.
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

    `cut_zones` and `uneven` (cpu_topology.py): machines on which counts per zone do not decide what is allocated.
    `devices_every_zone`: hints of devices are made of all zones (devices.py).
    """

    zones: tuple[ZoneCounts, ...]
    physical_free: int
    threads_per_core: int
    cut_zones: bool
    uneven: bool
    devices_every_zone: bool = False
