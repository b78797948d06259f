"""Sets of logical CPUs as integers: bit n is CPU n. Their text form is Linux's list format ("0,2-3").

The only place that reads or writes that format; format_cpus(from_ids(ids)) writes any collection of ids.
"""

import re
from collections.abc import Iterable, Iterator

from extender.errors import BadObject

__all__ = ["MAX_CPU", "bits", "format_cpus", "from_ids", "parse_cpus"]

#: Highest CPU id that is accepted; Linux supports at most 8192 CPUs.
MAX_CPU = 8191

_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)
_MAX_TEXT = 65536


def bits(mask: int) -> Iterator[int]:
    """Yield the members of `mask`, ascending."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def from_ids(ids: Iterable[int]) -> int:
    """Return the set of `ids`."""
    mask = 0
    for cpu in ids:
        mask |= 1 << cpu
    return mask


def parse_cpus(text: str, where: str) -> int:
    """Return the set that `text` lists; "" is the empty set. Raises BadObject naming `where`."""
    mask = 0
    if len(text) > _MAX_TEXT:
        raise BadObject(f"{where}: a CPU list of {len(text)} characters is too long")
    for part in text.split(",") if text else []:
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise BadObject(f"{where}: {text[:80]!r} is not a CPU list (such as 0,2-3)")
        first = int(match[1])
        last = int(match[2] or first)
        if not first <= last <= MAX_CPU:
            raise BadObject(f"{where}: {part.strip()!r} is not a range of CPU ids up to {MAX_CPU}")
        mask |= (1 << (last + 1)) - (1 << first)
    return mask


def format_cpus(mask: int) -> str:
    """Return `mask` in list format, as the kubelet writes it."""
    parts = []
    start = 0
    while mask >> start:
        rest = mask >> start
        start += (rest & -rest).bit_length() - 1
        run = mask >> start
        end = start + (~run & (run + 1)).bit_length() - 2
        parts.append(str(start) if start == end else f"{start}-{end}")
        start = end + 1
    return ",".join(parts)
