"""How kubelets of 1.33, 1.34 and 1.35 answered (record.py), replayed through the twin by the rules of each."""

from itertools import islice
from pathlib import Path

import pytest

from tests.conformance.kubelet.comparison import compare
from tests.conformance.kubelet.record import RECORDED, lives, recording
from tests.kit.golden import scenarios, version_of_file

#: minor -> lives and admissions in its file, and how many lives go otherwise by the rules of the next minor.
FILES = {"1.33": (389, 3203, 104), "1.34": (389, 3203, 0), "1.35": (349, 2922, 0)}


def test_every_recording_is_here() -> None:
    """A file for every minor; its name says which kubelet answered."""
    assert set(FILES) == set(RECORDED)
    assert {version_of_file(recording(version)) for version in RECORDED} == set(RECORDED)


def replayed(path: Path, version: str, every: int = 1) -> tuple[int, int, int]:
    """Replay every how many-th life: what was played, and how many lives differ."""
    played = admissions = differing = 0
    for scenario in islice(scenarios(path), 0, None, every):
        played += 1
        admissions += sum("admit" in step for step in scenario["steps"])
        differing += bool(compare(scenario, version).differences)
    return played, admissions, differing


@pytest.mark.slow
@pytest.mark.parametrize("version", RECORDED)
def test_replay(version: str) -> None:
    """Every verdict, reason, whole message, CPU, hint, block and state step is the recorded one."""
    assert replayed(recording(version), version) == (*FILES[version][:2], 0)


@pytest.mark.parametrize("version", RECORDED)
def test_replay_sample(version: str) -> None:
    """The same for every 15th life, for the fast tests."""
    assert replayed(recording(version), version, every=15)[2] == 0


@pytest.mark.slow
@pytest.mark.parametrize("version", RECORDED)
def test_rules_of_the_next_minor(version: str) -> None:
    """By the next minor's rules some lives go otherwise, or none where the rules are the same: the gate is real.

    The lives give the hints of devices, whose rule changed in 1.36.
    """
    following = f"1.{int(version[2:]) + 1}"
    assert replayed(recording(version), following)[2] == FILES[version][2]


def test_the_questions_are_the_recorded_ones() -> None:
    """What would be asked today is what was asked."""
    for version in RECORDED:
        asked = [life["name"] for life in lives(version)]
        assert asked == [scenario["name"] for scenario in scenarios(recording(version))]
