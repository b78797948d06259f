"""Rows of a benchmark: printed as a table, written as JSON."""

import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Row", "progress", "show", "spread", "write"]


@dataclass(frozen=True)
class Row:
    """One measured thing. `ratio` is value over the baseline named by `against`; `spread` is (q3 - q1) / median."""

    name: str
    value: float
    unit: str
    against: str
    ratio: float
    spread: float


def spread(values: Sequence[float]) -> float:
    """Interquartile range over the median."""
    if len(values) < 4:
        return 0.0
    quarters = statistics.quantiles(values, n=4)
    return (quarters[2] - quarters[0]) / statistics.median(values)


def progress(text: str) -> None:
    """Print a line on stderr: how far a long run is."""
    print(text, file=sys.stderr, flush=True)


def show(rows: Sequence[Row]) -> None:
    """Print the rows as a table."""
    head = ("name", "median", "unit", "against", "ratio", "spread")
    lines = [head] + [
        (row.name, f"{row.value:.4g}", row.unit, row.against, f"{row.ratio:.2f}", f"{row.spread:.0%}") for row in rows
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def write(rows: Sequence[Row], path: str | None) -> None:
    """Write the rows as a JSON list; nothing without a path."""
    if path is not None:
        Path(path).write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
