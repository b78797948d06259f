"""Labels that KubeVirt renamed, in one table: an object may carry the older name, the newer one, or both.

Sources: staging/src/kubevirt.io/api/core/v1/types.go and the release notes of v1.3 to v1.9. Labels that only came new
or went are not in the table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from extender import names

__all__ = ["RENAMED", "RenamedLabel", "flag_of", "label_of", "names_of"]


@dataclass(frozen=True, slots=True)
class RenamedLabel:
    """A label and its older name. `since`: the first release that writes the newer name."""

    name: str
    older: str
    since: str
    #: what happened to the older name
    remark: str


RENAMED: Final = (
    RenamedLabel(
        names.CPU_MANAGER_LABEL,
        names.OLD_CPU_MANAGER_LABEL,
        "1.7",
        # pkg/virt-handler/heartbeat/heartbeat.go; PR 14892, PR 19100
        "of nodes: 1.7 to 1.9 write both, later releases leave the older one as it was; pods select by the older name up "
        "to 1.6, by either of both (node affinity) in 1.7, by the newer one since",
    ),
    RenamedLabel(
        names.VMI_ID_LABEL,
        names.OLD_VMI_ID_LABEL,
        "1.7",
        # pkg/virt-controller/services/template.go, podLabels; PR 15783
        "of launcher pods: both are written; the older one holds the host name where the VM has one, so it names no VM",
    ),
)

_BY_NAME: Final = {label.name: label for label in RENAMED}


def names_of(name: str) -> tuple[str, ...]:
    """The name, then its older one."""
    label = _BY_NAME.get(name)
    return (name,) if label is None else (name, label.older)


def label_of(labels: Mapping[str, str], name: str) -> tuple[str, str] | None:
    """The name that the labels have it by, and its value; None where they have neither.

    The newer name wins: releases that know it no longer keep the older one current.
    """
    for each in names_of(name):
        if each in labels:
            return each, labels[each]
    return None


def flag_of(labels: Mapping[str, str], name: str) -> tuple[str, bool] | None:
    """The same for a label that says true or false; another value (`True`, `yes`, nothing) says neither.

    KubeVirt writes and selects exactly these two.
    """
    for each in names_of(name):
        if (value := labels.get(each)) in ("true", "false"):
            return each, value == "true"
    return None
