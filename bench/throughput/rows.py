"""Rates of rounds as rows, and whether the goals are reached."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Final

from bench.shared.report import Row, spread

__all__ = ["BASELINE", "goals", "rows"]

#: kube-scheduler alone, which is in every round.
BASELINE: Final = "none"
#: Pairs that are compared, besides the ratio over kube-scheduler alone.
_COMPARED: Final = (("fastfit", "echo"), ("fastfit", "bound"), ("fastfit", "plugin"), ("plugin", "plugin-bare"))
#: Least ratios at 5,000 nodes.
_GOAL_NODES: Final = 5000
_GOALS: Final = {("fastfit", BASELINE): 1.0, ("fastfit", "echo"): 2.0, ("fastfit", "plugin"): 15.0}


def rows(nodes: int, rounds: Sequence[Mapping[str, float]]) -> list[Row]:
    """One row for each contestant of the rounds (name -> pods/s), then the comparisons between two of them.

    A ratio is the median of the rounds' ratios: the two sides of each met the same minutes of the machine.
    """
    raced = rounds[0]
    found = [_row(f"throughput/{nodes}/{name}", rounds, name, BASELINE) for name in raced]
    found += [
        _row(f"throughput/{nodes}/{name}-over-{other}", rounds, name, other)
        for name, other in _COMPARED
        if {name, other} <= raced.keys()
    ]
    return found


def goals(found: Sequence[Row]) -> tuple[list[str], bool]:
    """What is to be reached at 5,000 nodes, one line each, and whether nothing is missed."""
    lines, reached = [], True
    for (name, other), least in _GOALS.items():
        wanted = f"throughput/{_GOAL_NODES}/{name}" + ("" if other == BASELINE else f"-over-{other}")
        for row in found:
            if row.name == wanted:
                verdict = "reached" if row.ratio >= least else "MISSED"
                lines.append(f"{verdict}: {name} at {_GOAL_NODES} nodes {row.ratio:.2f} x {other}, goal {least:g}")
                reached &= row.ratio >= least
    return lines, reached


def _row(label: str, rounds: Sequence[Mapping[str, float]], name: str, other: str) -> Row:
    rates = [rates[name] for rates in rounds]
    ratio = statistics.median(rates[name] / rates[other] for rates in rounds)
    return Row(label, statistics.median(rates), "pods/s", other, ratio, spread(rates))
