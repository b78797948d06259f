"""The twin equals the real managers on lives that nobody has seen before. FASTFIT_SEED replays a run."""

import pytest

from tests.conformance.kubelet.campaign import keep, run
from tests.conformance.kubelet.generator import scenarios
from tests.kit.fresh_runs import fresh_run, seed_of_run
from tests.kit.oracle.kubelet.process import Oracle


@pytest.mark.parametrize(("zones", "admissions"), [((1, 4), 4500), ((5, 8), 500)], ids=["1-4", "5-8"])
def test_fresh_lives(zones: tuple[int, int], admissions: int, oracle: Oracle, request: pytest.FixtureRequest) -> None:
    """No verdict, message, CPU, hint, block or state differs; what does is minimised and kept as a regression case."""
    seed = seed_of_run()
    title = f"differential test: FASTFIT_SEED={seed}, zones {zones[0]}-{zones[1]}, at least {admissions} admissions"
    with fresh_run(request, title, seed, lambda played: keep(oracle, played)) as findings:
        findings.outcome = str(run(oracle, scenarios(seed, zones, admissions), findings.differing))
