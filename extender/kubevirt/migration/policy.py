"""What is known of a VM that moves by live migration: the cells it booted with, what runs of it, and what is allowed.

Cells are fixed at boot (cpudedicated and libvirt's ABI check, see target_domain.py). The policy comes from the VM's
annotation fastfit.dev/migration, which KubeVirt copies to its pods, else from the configuration.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from extender.kubevirt.guest.domain import Cell, Domain
from extender.kubevirt.guest.size import GuestSize
from extender.names import MIGRATION_ANNOTATION

__all__ = ["BootCells", "MigrationPolicy", "Move", "policy_of", "running_domain"]

#: (vCPUs, bytes) of each guest cell, as the VM booted; empty: not known
BootCells = tuple[tuple[int, int], ...]


class MigrationPolicy(StrEnum):
    """What the guest's cells may do to a target."""

    #: only targets that repeat the boot's layout pass
    STRICT = "strict"
    #: only certain failures are refused; the rest is ranked
    PREFER = "prefer"
    #: the cells are ignored, the kubelet's rules still hold
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Move:
    """A migration about to be placed."""

    boot: BootCells = ()
    #: sockets that run now; 0: as many as the spec says
    sockets: int = 0
    policy: MigrationPolicy = MigrationPolicy.PREFER
    #: what is wrong with the VM's annotation; empty: nothing
    problem: str = ""
    #: how the cells are known, in words
    origin: str = ""


def policy_of(annotations: Mapping[str, str] | None, otherwise: MigrationPolicy) -> tuple[MigrationPolicy, str]:
    """The policy of a VM, and what is wrong with its annotation: one that cannot be read counts as `prefer`."""
    value = (annotations or {}).get(MIGRATION_ANNOTATION)
    if value is None:
        return otherwise, ""
    try:
        return MigrationPolicy(value), ""
    except ValueError:
        known = ", ".join(MigrationPolicy)
        return MigrationPolicy.PREFER, f"annotation {MIGRATION_ANNOTATION} is {value!r}, not one of {known}: prefer"


def running_domain(cells: BootCells, size: GuestSize, sockets: int) -> Domain:
    """A running domain from its recorded cells, vCPUs in order; its pins are of no matter to a target.

    `sockets`: those that run, 0 as many as the spec says; vCPUs plugged since the boot are in cell 0.
    """
    made, first = [], 0
    for number, (vcpus, amount) in enumerate(cells):
        made.append(Cell(number, tuple(range(first, first + vcpus)), amount))
        first += vcpus
    vcpus = max(first, min(sockets or size.sockets, size.sockets) * size.socket_vcpus)
    made[0] = replace(made[0], cpus=(*made[0].cpus, *range(first, vcpus)))
    return Domain(
        vcpus=vcpus,
        max_vcpus=max(size.max_vcpus, vcpus),
        pins=(),
        pin_zones=(),
        cells=tuple(made),
        cell_page_bytes=size.page_bytes,
    )
