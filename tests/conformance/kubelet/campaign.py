"""Plays many node lives on the oracle and on the twin, counts, and keeps the shortest form of what differs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.conformance.kubelet.comparison import compare
from tests.conformance.kubelet.generator import admissions_in
from tests.conformance.kubelet.minimise import minimise
from tests.conformance.shared import write_case
from tests.kit.oracle.kubelet.process import Oracle, OracleFailed

__all__ = ["KEPT", "Totals", "keep", "run"]

#: Where regression cases live; test_regression.py replays every file in it, always.
KEPT: Final = Path(__file__).parent / "regression"


@dataclass
class Totals:
    """What was played. `undecided` are lives that ended at a restart which the real kubelet answers now so, now so."""

    scenarios: int = 0
    admissions: int = 0
    restarts: int = 0
    undecided: int = 0
    differences: int = 0

    def __str__(self) -> str:
        return f"scenarios {self.scenarios} admissions {self.admissions} differences {self.differences}"


def run(
    oracle: Oracle,
    lives: Iterable[Mapping[str, Any]],
    differing: Callable[[dict[str, Any], tuple[str, ...]], object],
    progress: Callable[[Totals], object] = lambda _: None,
) -> Totals:
    """Play `lives`; `differing` gets each played one that the twin answers otherwise, with the differences."""
    totals = Totals()
    for life in lives:
        played = oracle.play(life)
        comparison = compare(played, oracle.version)
        totals.scenarios += 1
        totals.admissions += admissions_in(life)
        totals.restarts += sum("restart" in step for step in life["steps"])
        totals.undecided += comparison.undecided
        totals.differences += len(comparison.differences)
        if comparison.differences:
            differing(played, comparison.differences)
        progress(totals)
    return totals


def keep(oracle: Oracle, scenario: Mapping[str, Any], directory: Path = KEPT) -> Path:
    """Minimise a differing scenario and write it, with the real answers, as a regression case; return the file."""

    def differs(candidate: dict[str, Any]) -> bool:
        try:
            return bool(compare(oracle.play(candidate), oracle.version).differences)
        except OracleFailed:
            return False

    shortest = oracle.play(minimise(scenario, differs))
    return write_case(directory, f"{scenario['name']}-{oracle.version}", shortest)
