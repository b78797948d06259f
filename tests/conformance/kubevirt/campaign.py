"""Plays many cases on KubeVirt's code and on the guest model, counts, and keeps the smallest form of what differs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.conformance.kubevirt.comparison import compare
from tests.conformance.kubevirt.minimise import minimise
from tests.conformance.shared import write_case
from tests.kit.oracle.kubevirt.process import KubevirtOracle

__all__ = ["KEPT", "Totals", "keep", "run"]

#: Where regression cases live; test_regression.py replays every file in it, always.
KEPT: Final = Path(__file__).parent / "regression"


@dataclass
class Totals:
    """What was played: boots and migrations with a domain in the end, and errors of KubeVirt."""

    cases: int = 0
    domains: int = 0
    errors: int = 0
    differences: int = 0

    def __str__(self) -> str:
        return f"cases {self.cases} differences {self.differences}"


def run(
    oracle: KubevirtOracle,
    asked: Iterable[Mapping[str, Any]],
    differing: Callable[[dict[str, Any], tuple[str, ...]], object],
    progress: Callable[[Totals], object] = lambda _: None,
) -> Totals:
    """Play the cases; `differing` gets each answered one that the model answers otherwise, with the differences."""
    totals = Totals()
    for case in asked:
        answered = oracle.play(case)
        differences = compare(answered).differences
        totals.cases += 1
        if "pins" in answered.get("observed", {}):
            totals.domains += 1
        else:
            totals.errors += 1
        totals.differences += bool(differences)
        if differences:
            differing(answered, differences)
        progress(totals)
    return totals


def keep(oracle: KubevirtOracle, case: Mapping[str, Any], directory: Path = KEPT) -> Path:
    """Minimise a differing case and write it, with KubeVirt's answers, as a regression case; return the file."""
    smallest = minimise(case, lambda candidate: bool(compare(oracle.play(candidate)).differences))
    return write_case(directory, case["name"], oracle.play(smallest))
