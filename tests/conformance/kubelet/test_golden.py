"""Recorded lives of nodes under the real managers, replayed through the twin."""

from itertools import islice

import pytest

from tests.conformance.kubelet.replay import differences
from tests.kit.golden import KUBELET as GOLDEN
from tests.kit.golden import scenarios, version_of_file

#: file -> scenarios and admissions in it.
FILES = {
    "vm.jsonl.gz": (784, 10414),
    "random.jsonl.gz": (1500, 11166),
    "align-1.36.2.jsonl.gz": (600, 4396),
    "align-1.37.2.jsonl.gz": (600, 4396),
}


def replayed(name: str, every: int = 1) -> tuple[int, int]:
    """Replay every how many-th life of a file; what was played."""
    path = GOLDEN / name
    version = version_of_file(path)
    played = admissions = 0
    for scenario in islice(scenarios(path), 0, None, every):
        played += 1
        admissions += sum("admit" in step for step in scenario["steps"])
        assert list(differences(scenario, version, exact_messages=True)) == []
    return played, admissions


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_golden(name: str) -> None:
    """Every verdict, reason, whole message, CPU, hint, block and state step is the recorded one."""
    assert replayed(name) == FILES[name]


@pytest.mark.parametrize("name", FILES)
def test_golden_sample(name: str) -> None:
    """The same for every 25th life, for the fast tests."""
    played, _ = replayed(name, every=25)
    assert played == -(-FILES[name][0] // 25)


@pytest.mark.slow
def test_versions_differ() -> None:
    """The 1.36 rules do not reproduce what 1.37 answered: the gate is real."""
    path = GOLDEN / "align-1.37.2.jsonl.gz"
    differing = sum(any(differences(scenario, "1.36")) for scenario in scenarios(path))
    assert differing == 41
