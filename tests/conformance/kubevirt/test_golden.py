"""Recorded boots and migrations of KubeVirt's own code, replayed through the guest model."""

from itertools import islice
from pathlib import Path

import pytest

from tests.conformance.kubevirt.replay import ANSWERS, predict, replay
from tests.kit.golden import KUBEVIRT as GOLDEN
from tests.kit.golden import cases


@pytest.mark.slow
def test_golden(capsys: pytest.CaptureFixture[str]) -> None:
    """All 6,090 recorded boots and migrations, every key of every answer."""
    files = sorted(map(str, GOLDEN.glob("*.jsonl.gz")))
    code = replay(files)
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "cases 6090 differences 0", out
    assert code == 0


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.jsonl.gz")), ids=lambda path: path.name)
def test_golden_sample(path: Path) -> None:
    """Every 25th case of each file, for the fast tests."""
    for where, case in islice(cases(path), 0, None, 25):
        assert predict(case) == {key: case[key] for key in ANSWERS if key in case}, where
