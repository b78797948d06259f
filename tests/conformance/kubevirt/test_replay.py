"""The replay tool on boots and migrations: what it tells, and its exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests import replay
from tests.kit.golden import KUBEVIRT as GOLDEN
from tests.kit.golden import cases


def scenario(name: str) -> dict[str, Any]:
    """One of the named scenarios."""
    return next(case for _, case in cases(GOLDEN / "scenarios.jsonl.gz") if case["name"] == name)


def replayed(tmp_path: Path, case: dict[str, Any]) -> int:
    """The exit code for one case."""
    file = tmp_path / "case.jsonl"
    file.write_text(json.dumps(case) + "\n")
    return replay.main(["kubevirt", str(file)])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("observed", "pins"), [2, 3, 4, 5, 6, 7, 8, 10]),
        (("observed", "emulator"), "11"),
        (("observed", "cells"), None),
        (("observed", "numatune", "nodeset"), "1"),
        (("observed", "maxVcpus"), 9),
        (("observed", "iothreads"), [{"id": 1, "cpus": "9"}]),
        (("observedBoot", "hugepages"), None),
        (("observedPrepare", "error"), "no"),
        (("libvirt",), "refused"),
        (("libvirt",), None),
    ],
)
def test_every_key_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: tuple[str, ...], value: object
) -> None:
    """A recorded value that is changed, removed or added is a difference, named by its path."""
    case = scenario("mig 1-1")
    assert replayed(tmp_path, case) == 0
    at = case
    for key in path[:-1]:
        at = at[key]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    assert replayed(tmp_path, case) == 1
    out = capsys.readouterr().out
    assert ".".join(path) in out
    assert out.splitlines()[-1] == "cases 1 differences 1"


def test_nothing_replayed_is_no_success(tmp_path: Path) -> None:
    """An empty file must not pass for a clean run."""
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    assert replay.main(["kubevirt", str(empty)]) == 1
