"""The guest model equals KubeVirt's code on boots and migrations that nobody has seen. FASTFIT_SEED replays a run."""

from typing import Final

import pytest

from tests.conformance.kubevirt.campaign import keep, run
from tests.conformance.kubevirt.generator import cases
from tests.kit.fresh_runs import fresh_run, seed_of_run
from tests.kit.oracle.kubevirt.process import KubevirtOracle

COUNT: Final = 2000


def test_fresh_cases(kubevirt_oracle: KubevirtOracle, request: pytest.FixtureRequest) -> None:
    """No pin, cell, memnode, thread or error text differs; what does is minimised and kept as a regression case."""
    seed = seed_of_run()
    title = f"guest model against KubeVirt: FASTFIT_SEED={seed}, {COUNT} cases"
    with fresh_run(request, title, seed, lambda answered: keep(kubevirt_oracle, answered)) as findings:
        totals = run(kubevirt_oracle, cases(seed, COUNT), findings.differing)
        findings.outcome = f"{totals} ({totals.domains} domains, {totals.errors} errors of KubeVirt)"
        # A run of errors alone would compare next to nothing.
        assert totals.domains > COUNT // 3
        assert totals.errors > COUNT // 20
