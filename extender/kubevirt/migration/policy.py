"""What is known of a live migration before its target is placed: the guest's cells, the sockets that run, the policy.

Cells are fixed at boot (pkg/virt-launcher/virtwrap/cpudedicated/cpudedicated.go, v1.9.0, and libvirt's ABI check; see
target_domain.py). The policy comes from the VM's annotation fastfit.dev/migration, which KubeVirt copies to its pods,
else from the configuration.
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

#: Characters of the annotation that a text repeats; everybody who may edit the VM writes it.
_SHOWN = 40


class MigrationPolicy(StrEnum):
    """How the guest's cells decide on targets."""

    #: only targets with the layout of the boot pass
    STRICT = "strict"
    #: targets where the migration certainly fails are refused; the others are ranked
    PREFER = "prefer"
    #: the cells are ignored; the kubelet's rules still hold
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Move:
    """A migration whose target is to be placed."""

    boot: BootCells = ()
    #: sockets that run now; 0: as many as the spec says
    sockets: int = 0
    policy: MigrationPolicy = MigrationPolicy.PREFER
    #: what is wrong with the VM's annotation; empty: nothing
    problem: str = ""
    #: how the cells are known, as text
    origin: str = ""


def policy_of(
    annotations: Mapping[str, str] | None, otherwise: MigrationPolicy, *, owners_decide: bool = True
) -> tuple[MigrationPolicy, str]:
    """The policy of a VM, `otherwise` without annotation; and what is wrong with the annotation, which then counts as
    `prefer`. Unless `owners_decide`, the annotation counts for nothing, which is told too.
    """
    value = (annotations or {}).get(MIGRATION_ANNOTATION)
    if value is None:
        return otherwise, ""
    value = value[:_SHOWN]
    if not owners_decide:
        return otherwise, f"annotation {MIGRATION_ANNOTATION} is {value!r}; not followed (migrationFromOwners: false)"
    try:
        return MigrationPolicy(value), ""
    except ValueError:
        known = ", ".join(MigrationPolicy)
        return MigrationPolicy.PREFER, f"annotation {MIGRATION_ANNOTATION} is {value!r}, not one of {known}: prefer"


def running_domain(cells: BootCells, size: GuestSize, sockets: int) -> Domain:
    """A running domain from its recorded cells, vCPUs in order. It has no pins: a target does not depend on them.

    `sockets`: those that run; 0: as many as the spec says. vCPUs plugged since the boot are in cell 0.
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
