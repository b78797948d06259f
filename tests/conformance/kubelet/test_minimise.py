"""The minimiser, against differences that are known by construction."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tests.conformance.kubelet.generator import scenario
from tests.conformance.kubelet.minimise import minimise

Scenario = dict[str, Any]


def _life(number: int) -> Scenario:
    return scenario(Random(number), (2, 4)) | {"name": f"life {number}"}


def _admits(life: Scenario) -> list[dict[str, Any]]:
    return [step["admit"] for step in life["steps"] if "admit" in step]


@pytest.mark.parametrize("number", range(5))
def test_steps_fall_away(number: int) -> None:
    """A difference that needs two certain pods leaves these two steps, in order."""
    life = _life(number)
    wanted = [_admits(life)[0]["uid"], _admits(life)[2]["uid"]]
    small = minimise(life, lambda s: [a["uid"] for a in _admits(s) if a["uid"] in wanted] == wanted)
    assert [step["admit"]["uid"] for step in small["steps"]] == wanted


def test_everything_else_becomes_plain() -> None:
    """Where one pod is all that matters, its helpers, the options, and all but one core go."""
    small = minimise(_life(3), lambda s: len(_admits(s)) >= 1)
    admit = small["steps"][0]["admit"]
    assert len(small["steps"]) == 1
    assert (admit["spec"]["initContainers"], len(admit["spec"]["containers"])) == ([], 1)
    assert not admit.get("deviceHints")
    config = small["kubelet"]
    assert config["cpuManagerPolicyOptions"] == config["topologyManagerPolicyOptions"] == {}
    assert config["memoryManagerPolicy"] == "None"
    assert config["reservedMemory"] == []
    assert [len(zone["cores"]) for zone in small["machine"]["numa"]] in ([0], [1])
    assert len(small["machine"]["numa"][0]["distances"]) == 1


def test_what_is_needed_stays() -> None:
    """An option and a number of zones that the difference needs are kept."""
    life = _life(4)
    life["kubelet"]["cpuManagerPolicyOptions"] = {"full-pcpus-only": "true", "strict-cpu-reservation": "true"}

    def differs(candidate: Scenario) -> bool:
        return (
            "full-pcpus-only" in candidate["kubelet"]["cpuManagerPolicyOptions"]
            and len(candidate["machine"]["numa"]) > 1
        )

    small = minimise(life, differs)
    assert list(small["kubelet"]["cpuManagerPolicyOptions"]) == ["full-pcpus-only"]
    assert len(small["machine"]["numa"]) == 2


def _at_least(zones: int) -> Callable[[Scenario], bool]:
    return lambda candidate: len(candidate["machine"]["numa"]) >= zones


def test_the_machine_stays_consistent() -> None:
    """Reserved CPUs, reserved memory and distances follow what is left of the machine."""
    for number in range(20):
        life = _life(number)
        small = minimise(life, _at_least(len(life["machine"]["numa"]) - 1))
        left = small["machine"]["numa"]
        assert {len(zone["distances"]) for zone in left} == {len(left)}
        ids = {zone["id"] for zone in left}
        assert {entry["numaNode"] for entry in small["kubelet"]["reservedMemory"]} <= ids


def test_the_input_is_not_changed() -> None:
    """The scenario given is the caller's."""
    life = _life(1)
    before = repr(life)
    minimise(life, lambda s: len(s["steps"]) > 0)
    assert repr(life) == before
