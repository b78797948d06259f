"""Every case that once differed, in its smallest form: the guest model answers it as KubeVirt did."""

from pathlib import Path

import pytest

from tests.conformance.kubevirt.campaign import KEPT
from tests.conformance.kubevirt.comparison import compare
from tests.conformance.shared import kept_files
from tests.kit.golden import cases
from tests.kit.oracle.kubevirt.process import KubevirtOracle

FILES = kept_files(KEPT)


def test_there_are_cases() -> None:
    """The files are found where the differential test writes them."""
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_model_agrees(path: Path) -> None:
    """The recorded answers without a difference."""
    for _, case in cases(path):
        assert compare(case).differences == ()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_answers_are_real(path: Path, kubevirt_oracle: KubevirtOracle) -> None:
    """KubeVirt's code answers today as recorded."""
    for _, case in cases(path):
        assert kubevirt_oracle.play(case) == case
