"""What counts as a difference, and what a run makes of it; no real managers are needed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.kubelet import __main__ as command
from tests.conformance.kubelet.campaign import Totals, keep, run
from tests.conformance.kubelet.comparison import compare
from tests.kit.golden import KUBELET as GOLDEN
from tests.kit.golden import scenarios
from tests.kit.kubelet_nodes import A, config, container
from tests.kit.oracle.kubelet.process import Oracle, OracleFailed

Scenario = dict[str, Any]


def life(*steps: dict[str, Any], **settings: Any) -> Scenario:
    return {"name": "n", "kubelet": config("BE", "0,16") | settings, "machine": A, "steps": list(steps)}


def admit(uid: str, spelled: str, **more: Any) -> dict[str, Any]:
    return {"admit": {"uid": uid, "spec": {"containers": [container("c0", spelled)]}, **more}}


@pytest.fixture
def recorded() -> Scenario:
    """A scenario of the golden data that admits a pod."""
    return next(s for s in scenarios(GOLDEN / "random.jsonl.gz") if s["steps"][0].get("observed", {}).get("admit"))


def test_agreement(recorded: Scenario) -> None:
    """Nothing is told of a recorded life."""
    assert compare(recorded, "1.36").differences == ()


def test_one_cpu_differs(recorded: Scenario) -> None:
    """One wrong set of CPUs is one difference."""
    name, held = next(iter(recorded["steps"][0]["observed"]["containers"].items()))
    held["cpus"] = "77"
    (told,) = compare(recorded, "1.36").differences
    assert f"{name} cpus: recorded" in told


def test_whole_messages_count() -> None:
    """A number in a message is compared, too."""
    step = admit("p", "40c/1Gi")
    answer = {
        "admit": False,
        "reason": "UnexpectedAdmissionError",
        "message": "Allocate failed due to not enough cpus available to satisfy request: requested=40, available=31, "
        "which is unexpected",
        "containers": {"c0": {"cpus": "", "hint": [0, 1], "preferred": False, "memory": []}},
    }
    told = compare(life(step | {"observed": answer}, memoryManagerPolicy="None", reservedMemory=[]), "1.36").differences
    assert [" message: " in difference for difference in told] == [True]


def test_neither_starts() -> None:
    """Both refuse the configuration: agreement."""
    assert compare(life(topologyManagerPolicy="strict") | {"startError": "x"}, "1.36").differences == ()


def test_only_ours_starts() -> None:
    """The real reason is told."""
    assert compare(life() | {"startError": "no way"}, "1.36").differences == (
        "n: ours starts, the real kubelet says: no way",
    )


def test_only_the_real_one_starts() -> None:
    """Our reason is told."""
    (told,) = compare(life(topologyManagerPolicy="strict"), "1.36").differences
    assert told.startswith("n: the real kubelet starts, ours says: ")


def test_a_failed_restart_counts() -> None:
    """A restart that only the real kubelet does not survive is a difference."""
    step = {"restart": True, "startError": "no way"}
    assert compare(life(step), "1.36").differences == ("n: ours starts, the real kubelet says: no way",)


def test_luck_is_undecided() -> None:
    """A single block inside a living group: some restarts of the real kubelet fail and some do not."""
    pinned = {"deviceHints": {"d": [{"numa": [0], "preferred": True}]}}
    played = life(admit("wide", "2c/1Gi/40hp"), admit("p", "2c/1Gi", **pinned), {"restart": True, "observed": {}})
    comparison = compare(played, "1.36")
    assert comparison.undecided
    assert all(" admit " in told for told in comparison.differences)


def test_a_broken_twin_is_a_difference() -> None:
    """Whatever the twin raises is told, not raised."""
    (told,) = compare(life({"admit": {"uid": "p"}}), "1.36").differences
    assert "the twin broke" in told


class FakeOracle(Oracle):
    """Answers that no node starts, if `contrary`; else plays no step."""

    contrary = True

    def __init__(self, version: str = "1.36", binary: Path | None = None) -> None:
        super().__init__(version, binary or Path("/nonexistent"))

    def play(self, scenario: Mapping[str, Any]) -> Scenario:
        if not scenario["machine"]["numa"]:
            raise OracleFailed("no zones")
        return {**scenario, "steps": [], **({"startError": "no way"} if self.contrary else {})}


def test_a_run_counts() -> None:
    """Scenarios, admissions, restarts and differences; each differing life is handed over."""
    found: list[Scenario] = []
    lives = [life(admit("p", "1c/1Gi"), {"restart": True}), life(admit("p", "1c/1Gi"), admit("q", "1c/1Gi"))]
    with FakeOracle() as oracle:
        totals = run(oracle, lives, lambda played, _: found.append(played))
    assert totals == Totals(scenarios=2, admissions=3, restarts=1, differences=2)
    assert str(totals) == "scenarios 2 admissions 3 differences 2"
    assert len(found) == 2


def test_a_difference_is_kept(tmp_path: Path) -> None:
    """The file holds the minimised scenario with its answers, and the version in its name."""
    spec = {"initContainers": [], "containers": [container("c0", "1c/1Gi")]}
    scenario = life({"admit": {"uid": "p", "spec": spec}}) | {"name": "seed 7 zones 1-4 number 3"}
    with FakeOracle() as oracle:
        path = keep(oracle, scenario, tmp_path)
    assert path.name == "seed-7-zones-1-4-number-3-1.36.jsonl"
    kept = json.loads(path.read_text())
    assert kept["startError"] == "no way"
    assert len(kept["machine"]["numa"]) == 1


@pytest.mark.parametrize(("contrary", "code"), [(True, 1), (False, 0)])
def test_the_command(
    contrary: bool, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It closes with the totals; its exit code tells whether anything differs."""
    monkeypatch.setattr(FakeOracle, "contrary", contrary)
    monkeypatch.setattr(command, "Oracle", FakeOracle)
    kept: list[str] = []
    monkeypatch.setattr(command, "keep", lambda _, played: kept.append(played["name"]))
    assert command.main(["--admissions", "30", "--zones", "2-3", "--seed", "5"]) == code
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "seed 5 zones 2-3 Kubernetes v1.36.3"
    assert out[-1].startswith("scenarios ")
    assert out[-1].endswith("differences 0") is not contrary
    assert len(kept) == (3 if contrary else 0)


@pytest.mark.parametrize("text", ["0-4", "4-1", "1-9", "x", "1-"])
def test_the_range_of_zones(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is not a range within 1-8 is told."""
    with pytest.raises(SystemExit):
        command.main(["--zones", text])
    assert "is not a range such as 1-4" in capsys.readouterr().err
