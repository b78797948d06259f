"""The replay tool on lives of nodes: what it tells, and its exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests import replay
from tests.kit.golden import KUBELET as GOLDEN
from tests.kit.golden import scenarios, version_of_file


@pytest.mark.parametrize(
    ("name", "version"),
    [("x/vm.jsonl.gz", "1.36"), ("align-1.37.2.jsonl.gz", "1.37"), ("a-1.35.jsonl", "1.35"), ("b.jsonl", "1.36")],
)
def test_version_of_file(name: str, version: str) -> None:
    """The file's name says which kubelet answered."""
    assert version_of_file(name) == version


def first_scenario() -> dict[str, Any]:
    return next(scenarios(GOLDEN / "vm.jsonl.gz"))


def write(path: Path, scenario: dict[str, Any]) -> str:
    path.write_text(json.dumps(scenario) + "\n")
    return str(path)


def test_replay_agrees(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a difference the tool closes with its totals and exit code 0."""
    scenario = first_scenario()
    admissions = sum("admit" in step for step in scenario["steps"])
    assert replay.main(["kubelet", write(tmp_path / "s.jsonl", scenario)]) == 0
    assert capsys.readouterr().out == f"scenarios 1 admissions {admissions} differences 0\n"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("observed", "admit"), False),
        (("observed", "containers", "compute", "cpus"), "2-13"),
        (("observed", "containers", "compute", "hint"), None),
        (("observed", "containers", "compute", "preferred"), False),
        (("observed", "containers", "compute", "memory"), [{"resource": "memory", "numa": [0], "Mi": 1}]),
        (("observed", "reason"), "SMTAlignmentError"),
        (("observed", "containers"), {}),
        (("observed",), {}),
    ],
)
def test_replay_tells_a_difference(
    path: tuple[str, ...], value: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each part of an answer counts, a missing one too."""
    scenario = first_scenario()
    place: Any = scenario["steps"][0]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert replay.main(["kubelet", write(tmp_path / "s.jsonl", scenario)]) == 1
    out = capsys.readouterr().out
    assert "step 0 admit vm1" in out
    assert not out.endswith("differences 0\n")


def test_replay_tells_a_state_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """State steps count."""
    scenario = first_scenario()
    next(step for step in scenario["steps"] if "state" in step)["state"]["sharedPoolCPUs"] = "0"
    assert replay.main(["kubelet", write(tmp_path / "s.jsonl", scenario)]) == 1
    assert capsys.readouterr().out.endswith("differences 1\n")


def test_replay_of_a_node_that_cannot_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A node that the twin holds for broken gives no answers, which is a difference."""
    scenario = first_scenario()
    scenario["kubelet"]["topologyManagerPolicy"] = "strict"
    assert replay.main(["kubelet", write(tmp_path / "s.jsonl", scenario)]) == 1
    assert "no answer: topologyManagerPolicy" in capsys.readouterr().out


def test_replay_restart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A restart admits every pod again; the answers are compared by uid, and a missing one is a difference."""
    scenario = first_scenario()
    answer = scenario["steps"][0]
    scenario["steps"] = [answer, {"restart": True, "observed": {"vm1": answer["observed"]}}]
    assert replay.main(["kubelet", write(tmp_path / "s.jsonl", scenario)]) == 0
    del scenario["steps"][1]["observed"]
    assert replay.main(["kubelet", write(tmp_path / "s.jsonl", scenario)]) == 1
    assert 'restart vm1: recorded "(no answer)"' in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["kubelet"], ["other", "f"]])
def test_replay_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Without a kind and a file the tool tells its usage."""
    assert replay.main(arguments) == 2
    assert capsys.readouterr().err.startswith("usage:")
