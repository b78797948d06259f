"""The host as virt-handler sees it: libvirt's capabilities, read by KubeVirt (virt-handler/options.go).

libvirt lists the zones by id, in each zone the CPUs by id, and for each CPU the text of its sibling set
("0,32", "0-1"). KubeVirt splits that text at the commas and keeps what is a plain number: a range is dropped.
So siblings with adjacent ids are not seen as a core, and "0,2-3" is read as CPU 0 alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from extender.kubelet.model import Machine

__all__ = ["HostCell", "HostCpu", "HostTopology", "host_topology", "siblings_as_read"]


@dataclass(frozen=True, slots=True)
class HostCpu:
    """A logical CPU and the sibling set that KubeVirt read for it (empty: nothing readable)."""

    id: int
    siblings: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class HostCell:
    """A host NUMA node (zone) and its CPUs by id; a zone without CPUs is listed with none."""

    id: int
    cpus: tuple[HostCpu, ...]


@dataclass(frozen=True, slots=True)
class HostTopology:
    """The zones in capability order, that is by id."""

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
    """The CPUs of a sibling set that survive its text: libvirt writes two or more consecutive ids as a range."""
    present = frozenset(threads)
    return tuple(cpu for cpu in sorted(present) if present.isdisjoint((cpu - 1, cpu + 1)))
