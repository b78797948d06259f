"""The host as virt-handler reads it from libvirt's capabilities (pkg/virt-handler/options.go, v1.9.0).

libvirt lists the zones by id, in each zone the CPUs by id, and for each CPU its sibling set as text ("0,32", "0-1").
KubeVirt splits that text at commas and keeps plain numbers; ranges are dropped (convertListOfIntStringToSlice). So
siblings with adjacent ids are not seen as a core, and "0,2-3" is read as CPU 0 alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from extender.kubelet.model import Machine

__all__ = ["HostCell", "HostCpu", "HostTopology", "host_topology", "siblings_as_read"]


@dataclass(frozen=True, slots=True)
class HostCpu:
    """A logical CPU and its siblings as KubeVirt read them; empty if it read none."""

    id: int
    siblings: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class HostCell:
    """A host NUMA node (zone) and its CPUs by id; a zone without CPUs is listed with none."""

    id: int
    cpus: tuple[HostCpu, ...]


@dataclass(frozen=True, slots=True)
class HostTopology:
    """The zones in the order of libvirt's capabilities, which is by id."""

    cells: tuple[HostCell, ...]
    #: logical CPU -> id of its zone
    zone_of: dict[int, int] = field(compare=False)


def host_topology(machine: Machine) -> HostTopology:
    """The topology that virt-handler hands to virt-launcher on this machine."""
    cells: list[HostCell] = []
    zone_of: dict[int, int] = {}
    for zone in machine.zones:
        cpus: list[HostCpu] = []
        for core in zone.cores:
            siblings = siblings_as_read(core.threads)
            cpus.extend(HostCpu(thread, siblings) for thread in core.threads)
            zone_of.update(dict.fromkeys(core.threads, zone.id))
        cells.append(HostCell(zone.id, tuple(sorted(cpus, key=lambda cpu: cpu.id))))
    return HostTopology(tuple(cells), zone_of)


def siblings_as_read(threads: Iterable[int]) -> tuple[int, ...]:
    """The siblings that KubeVirt reads of a set: libvirt writes consecutive ids as a range, and ranges are dropped."""
    present = frozenset(threads)
    return tuple(cpu for cpu in sorted(present) if present.isdisjoint((cpu - 1, cpu + 1)))
