"""Every scenario that once differed, in its shortest form: the twin answers it as the real managers did."""

from pathlib import Path

import pytest

from tests.conformance.kubelet.campaign import KEPT
from tests.conformance.kubelet.comparison import compare
from tests.conformance.shared import kept_files
from tests.kit.cluster.build import DEFAULT_VERSION
from tests.kit.golden import scenarios, version_of_file
from tests.kit.oracle.kubelet.process import Oracle

FILES = kept_files(KEPT)


def test_there_are_cases() -> None:
    """The files are found where the differential test writes them."""
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_twin_agrees(path: Path) -> None:
    """The recorded answers, whole messages included, without a difference."""
    for scenario in scenarios(path):
        assert compare(scenario, version_of_file(path.name)).differences == ()


@pytest.mark.parametrize(
    "path", [path for path in FILES if version_of_file(path.name) == DEFAULT_VERSION], ids=lambda path: path.stem
)
def test_the_answers_are_real(path: Path, oracle: Oracle) -> None:
    """The real managers of the default release answer today as recorded."""
    for scenario in scenarios(path):
        assert oracle.play(scenario) == scenario
