"""Kubelet minors whose admission rules differ (see the gates in cpu_manager.py and cpu_distribution.py)."""

import re

__all__ = ["NEWEST", "OLDEST", "version_of"]

OLDEST = "1.35"
NEWEST = "1.37"

_FORM = re.compile(r"v?1\.(\d{1,3})(?:[.+-].*)?", re.ASCII)


def version_of(kubelet_version: str) -> str:
    """Return the modelled minor for a node's `status.nodeInfo.kubeletVersion`; unknown counts as the newest.

    An older or newer minor than those modelled is taken for the nearest one.
    """
    match = _FORM.fullmatch(kubelet_version)
    if match is None:
        return NEWEST
    minor = int(match[1])
    return f"1.{min(max(minor, int(OLDEST[2:])), int(NEWEST[2:]))}"
