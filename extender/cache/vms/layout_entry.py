"""The record of a VM's last layout as text: one entry of our ConfigMaps `fastfit-layouts-0` to `-f`.

    6f9c0ed1-1d5c-4c43-9f0e-1b0f6a0c7a55: 2026-11-25 8+8

Key: the UID of the VirtualMachine, whose first digit names the ConfigMap. Value: the day on which it was written, by which
the oldest goes when there is no room, and the vCPUs of each guest cell. The bytes are left out: a boot splits them by the
number of cells. Whoever may edit the ConfigMap may write it, so only exactly this form is read; all it moves is a ranking.
"""

import re
from typing import Final, NamedTuple

from _fastfit.model import MAX_CELLS
from extender import names

__all__ = ["MOST", "SHARDS", "Split", "Stated", "layout_text", "shard_of", "stated_in"]

#: vCPUs of each guest cell, in order
Split = tuple[int, ...]

SHARDS: Final = tuple(names.LAYOUTS_CONFIG_MAP + digit for digit in "0123456789abcdef")
#: Entries of one ConfigMap. UIDs spread evenly: 50,000 VMs are 3,125 in each, give or take 60. An entry takes up to 135
#: bytes, and 44 more in managedFields, where the API server notes its writer: 0.7 MiB at most, and 0.4 MiB of usual
#: entries. etcd takes 1.5 MiB; the API server counts values alone, up to 1 MiB.
MOST: Final = 4096

#: As the API server makes them: an UUID, with a random first digit.
_UID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_COUNT: Final = r"[1-9][0-9]{0,3}"
_VALUE: Final = re.compile(rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}) ({_COUNT}(?:\+{_COUNT}){{0,{MAX_CELLS - 1}}})")
_MOST_VCPUS: Final = 9999


class Stated(NamedTuple):
    """One entry: the day on which it was written, as `2026-11-25`, and the layout."""

    day: str
    split: Split


def shard_of(uid: str) -> str:
    """The ConfigMap of a VM; empty where the UID is not one of the API server's."""
    return names.LAYOUTS_CONFIG_MAP + uid[0] if _UID.fullmatch(uid) else ""


def layout_text(day: str, split: Split) -> str:
    """The value of an entry; empty where its form cannot say it (no guest has so many cells or vCPUs)."""
    if not 0 < len(split) <= MAX_CELLS or not all(0 < count <= _MOST_VCPUS for count in split):
        return ""
    return f"{day} {'+'.join(map(str, split))}"


def stated_in(shard: str, uid: str, value: str) -> Stated | None:
    """What an entry of a ConfigMap states; None where it is not of the form, or in the wrong place."""
    found = _VALUE.fullmatch(value)
    if found is None or shard_of(uid) != shard:
        return None
    return Stated(found[1], tuple(map(int, found[2].split("+"))))
