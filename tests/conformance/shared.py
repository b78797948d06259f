"""What both comparisons with real code do alike: what a difference is, how a case is shrunk, and where it is kept."""

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Case", "Comparison", "kept_files", "shrunk", "without_distance", "write_case"]

Case = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`undecided`: the real code answers this now so, now so; what follows it was not compared."""

    differences: tuple[str, ...] = ()
    undecided: bool = False


def shrunk(
    case: Mapping[str, Any],
    differs: Callable[[Case], bool],
    reductions: Sequence[Callable[[Case], Iterator[Case]]],
) -> Case:
    """Return a reduced case for which `differs` holds still: no single further reduction of these keeps it.

    `differs` must hold for `case`; it is given whole cases whose recorded answers are stale.
    """
    current = copy.deepcopy(dict(case))
    again = True
    while again:
        again = False
        for reduce in reductions:
            while (smaller := next((each for each in reduce(current) if differs(each)), None)) is not None:
                current, again = smaller, True
    return current


def without_distance(zone: Mapping[str, Any], position: int) -> dict[str, Any]:
    """A zone of a machine of which the zone at `position` is gone."""
    distances = zone["distances"]
    return {**zone, "distances": distances[:position] + distances[position + 1 :]}


def write_case(directory: Path, name: str, answered: Mapping[str, Any]) -> Path:
    """Write a case with its real answers as a regression case; return the file."""
    slug = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-")
    path = directory / f"{slug}.jsonl"
    path.write_text(json.dumps(answered, sort_keys=True) + "\n")
    return path


def kept_files(directory: Path) -> list[Path]:
    """The regression cases of a folder."""
    return sorted(directory.glob("*.jsonl"))
