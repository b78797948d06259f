"""The guest model equals KubeVirt's code on boots and migrations that nobody has seen. FASTFIT_SEED replays a run."""

import os
import random
from typing import Any, Final

import pytest

from tests.conformance.kubevirt.campaign import keep, run
from tests.conformance.kubevirt.generator import cases
from tests.kit.oracle.kubevirt.fixtures import RUNS
from tests.kit.oracle.kubevirt.process import KubevirtOracle

COUNT: Final = 2000
#: Stops a run in which everything differs.
ENOUGH: Final = 3


class _EnoughError(Exception):
    """Differences enough to look at."""


def test_fresh_cases(kubevirt_oracle: KubevirtOracle, request: pytest.FixtureRequest) -> None:
    """No pin, cell, memnode, thread or error text differs; what does is minimised and kept as a regression case."""
    seed = int(os.environ.get("FASTFIT_SEED") or random.SystemRandom().randrange(2**32))
    lines = request.config.stash.setdefault(RUNS, [])
    lines.append(f"guest model against KubeVirt: FASTFIT_SEED={seed}, {COUNT} cases")
    found: list[tuple[dict[str, Any], tuple[str, ...]]] = []

    def differing(answered: dict[str, Any], differences: tuple[str, ...]) -> None:
        found.append((answered, differences))
        if len(found) == ENOUGH:
            raise _EnoughError

    try:
        totals = run(kubevirt_oracle, cases(seed, COUNT), differing)
    except _EnoughError:
        lines[-1] += f": stopped at {ENOUGH} differing cases"
    else:
        lines[-1] += f": {totals} ({totals.domains} domains, {totals.errors} errors of KubeVirt)"
        # A run of errors alone would compare next to nothing.
        assert totals.domains > COUNT // 3
        assert totals.errors > COUNT // 20
    if found:
        kept = keep(kubevirt_oracle, found[0][0])
        told = "\n".join(difference for _, differences in found for difference in differences[:3])
        pytest.fail(f"FASTFIT_SEED={seed}\n{told}\nthe first one, minimised: {kept}")
