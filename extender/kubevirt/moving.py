"""What is known of a VM that moves by live migration: the cells it booted with, what runs of it, and what is allowed.

Cells are fixed at boot (cpudedicated and libvirt's ABI check, see target_domain.py). The policy comes from the VM's
annotation fastfit.dev/migration, which KubeVirt copies to its pods, else from the configuration.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from extender.names import MIGRATION_ANNOTATION

__all__ = ["BootCells", "MigrationPolicy", "Move", "policy_of"]

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
