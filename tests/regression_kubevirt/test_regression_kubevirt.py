"""Every case that once differed, in its smallest form: the guest model answers it as KubeVirt did."""

from pathlib import Path

import pytest

from tests.differential_kubevirt.comparison import compare
from tests.differential_kubevirt.oracle import KubevirtOracle
from tests.replay_kubevirt import cases

FILES = sorted(Path(__file__).parent.glob("*.jsonl"))


def test_there_are_cases() -> None:
    """The files are found where the differential test writes them."""
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_model_agrees(path: Path) -> None:
    """The recorded answers without a difference."""
    for _, case in cases(path):
        assert compare(case) == ()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_answers_are_real(path: Path, kubevirt_oracle: KubevirtOracle) -> None:
    """KubeVirt's code answers today as recorded."""
    for _, case in cases(path):
        assert kubevirt_oracle.play(case) == case
