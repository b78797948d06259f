"""The kubelet minors that are modelled, and what differs between them.

1.37 keeps CPUs that a container already holds without checking alignment again (cpu_manager.py, allocate), and with
align-by-socket distributes CPUs by other rules (cpu_distribution.py). 1.35 and 1.36 have the same rules here.
"""

import re

__all__ = ["NEWEST", "OLDEST", "version_of"]

OLDEST = "1.35"
NEWEST = "1.37"

_FORM = re.compile(r"v?1\.(\d{1,3})(?:[.+-].*)?", re.ASCII)


def version_of(kubelet_version: str) -> str:
    """Return the modelled minor of a node's `status.nodeInfo.kubeletVersion`; one that cannot be read counts as the
    newest.

    An older or newer minor counts as the nearest one that is modelled.
    """
    match = _FORM.fullmatch(kubelet_version)
    if match is None:
        return NEWEST
    minor = int(match[1])
    return f"1.{min(max(minor, int(OLDEST[2:])), int(NEWEST[2:]))}"
