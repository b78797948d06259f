"""Runs of random cases that nobody has seen before: their seed, what they found, and the line that tells of them."""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

__all__ = ["RUNS", "Findings", "fresh_run", "seed_of_run"]

#: What each run was, in a line; the summary prints them.
RUNS: Final = pytest.StashKey[list[str]]()
#: Stops a run in which everything differs.
_ENOUGH: Final = 3


class _EnoughError(Exception):
    """Differences enough to look at."""


class Findings:
    """What differed in one run. `outcome` completes its line in the summary."""

    def __init__(self) -> None:
        self.found: list[tuple[dict[str, Any], tuple[str, ...]]] = []
        self.outcome = ""

    def differing(self, answered: dict[str, Any], differences: tuple[str, ...]) -> None:
        """Note a case; the third one ends the run."""
        self.found.append((answered, differences))
        if len(self.found) == _ENOUGH:
            raise _EnoughError


def seed_of_run() -> int:
    """FASTFIT_SEED, or a new one."""
    return int(os.environ.get("FASTFIT_SEED") or random.SystemRandom().randrange(2**32))


@contextmanager
def fresh_run(
    request: pytest.FixtureRequest, title: str, seed: int, keep: Callable[[dict[str, Any]], object] | None = None
) -> Iterator[Findings]:
    """Around a run: its line in the summary, and a failure with the seed where something differs.

    `keep` writes the smallest form of the first differing case and returns where.
    """
    lines = request.config.stash.setdefault(RUNS, [])
    lines.append(title)
    findings = Findings()
    try:
        yield findings
    except _EnoughError:
        findings.outcome = f"stopped at {_ENOUGH} that differ"
    finally:
        if findings.outcome:
            lines[-1] += f": {findings.outcome}"
    if findings.found:
        told = "\n".join(difference for _, differences in findings.found for difference in differences[:3])
        kept = f"\nthe first one, minimised: {keep(findings.found[0][0])}" if keep is not None else ""
        pytest.fail(f"FASTFIT_SEED={seed}\n{told}{kept}")
