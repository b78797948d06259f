"""The twin equals the real managers on lives that nobody has seen before. FASTFIT_SEED replays a run."""

import os
import random
from typing import Any

import pytest

from tests.conformance.kubelet.campaign import keep, run
from tests.conformance.kubelet.generator import scenarios
from tests.conftest import RUNS
from tests.kit.oracle.kubelet.process import Oracle

#: Stops a run in which everything differs.
_ENOUGH = 3


class _EnoughError(Exception):
    """Differences enough to look at."""


@pytest.mark.parametrize(("zones", "admissions"), [((1, 4), 4500), ((5, 8), 500)], ids=["1-4", "5-8"])
def test_fresh_lives(zones: tuple[int, int], admissions: int, oracle: Oracle, request: pytest.FixtureRequest) -> None:
    """No verdict, message, CPU, hint, block or state differs; what does is minimised and kept in tests/conformance/kubelet/regression."""
    seed = int(os.environ.get("FASTFIT_SEED") or random.SystemRandom().randrange(2**32))
    lines = request.config.stash.setdefault(RUNS, [])
    lines.append(
        f"differential test: FASTFIT_SEED={seed}, zones {zones[0]}-{zones[1]}, at least {admissions} admissions"
    )
    found: list[tuple[dict[str, Any], tuple[str, ...]]] = []

    def differing(played: dict[str, Any], differences: tuple[str, ...]) -> None:
        found.append((played, differences))
        if len(found) == _ENOUGH:
            raise _EnoughError

    try:
        lines[-1] += f": {run(oracle, scenarios(seed, zones, admissions), differing)}"
    except _EnoughError:
        lines[-1] += f": stopped at {_ENOUGH} differing lives"
    if found:
        kept = keep(oracle, found[0][0])
        told = "\n".join(difference for _, differences in found for difference in differences[:3])
        pytest.fail(f"FASTFIT_SEED={seed}\n{told}\nthe first one, minimised: {kept}")
