"""The kubelet minors that are modelled, and what differs between them.

* Up to 1.33 a pod's own resources (spec.resources) mean nothing to the kubelet: it goes by the containers alone
  (`PodLevelResources`, KEP-2837, on by default from 1.34; pod.py, as_seen_by).
* Up to 1.33 an odd rest of CPUs is not taken from one cache on a machine with SMT (cpu_assignment.py).
* Up to 1.35 the hints of devices are made of all zones, not only of those with devices (devices.py).
* 1.37 keeps CPUs that a container already holds without checking alignment again (cpu_manager.py, allocate), and with
  align-by-socket distributes CPUs by other rules (cpu_distribution.py).

1.34 and 1.35 have the same rules. docs/kubelet-versions.md has the table, with sources.
"""

import functools
import re
from typing import Final

__all__ = ["NEWEST", "OLDEST", "STAND_INS", "judged_by", "stand_in_for", "version_of"]

OLDEST = "1.33"
NEWEST = "1.37"
#: Why a kubelet is judged by the rules of another minor.
STAND_INS: Final = ("older", "newer", "unreadable", "unknown")

#: A kubelet's version: v1.33.4, v1.33.4-gke.100, v1.33.4+abc.
_FORM = re.compile(r"v?1\.(\d{1,3})(?:[.+-].*)?", re.ASCII | re.DOTALL)
#: Characters of a node's own text that are shown.
_SHOWN = 40


def version_of(kubelet_version: str) -> str:
    """Return the modelled minor of a node's `status.nodeInfo.kubeletVersion`; one that cannot be read counts as the
    newest.

    An older or newer minor counts as the nearest one that is modelled.
    """
    minor = _minor(kubelet_version)
    return NEWEST if minor is None else f"1.{min(max(minor, int(OLDEST[2:])), int(NEWEST[2:]))}"


@functools.lru_cache(maxsize=256)
def stand_in_for(kubelet_version: str) -> str:
    """Return why a kubelet is judged by the rules of another minor (one of STAND_INS); "" for the modelled minors."""
    if not kubelet_version:
        return "unknown"
    minor = _minor(kubelet_version)
    if minor is None:
        return "unreadable"
    if minor < int(OLDEST[2:]):
        return "older"
    return "newer" if minor > int(NEWEST[2:]) else ""


def judged_by(kubelet_version: str) -> str:
    """Return the words that name the stand-in; "" where the kubelet's own minor is modelled."""
    kind = stand_in_for(kubelet_version)
    if not kind:
        return ""
    rules = f"judged by the rules of {version_of(kubelet_version)}"
    if kind == "unknown":
        return f"kubelet of unknown version is {rules}"
    if kind == "unreadable":
        return f"kubelet version {kubelet_version[:_SHOWN]!r} cannot be read: {rules}"
    return f"kubelet {kubelet_version[:_SHOWN]} is {rules}"


def _minor(kubelet_version: str) -> int | None:
    match = _FORM.fullmatch(kubelet_version)
    return None if match is None else int(match[1])
