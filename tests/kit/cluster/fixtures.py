"""The fixtures of every test that runs on the real control plane.

A conftest.py imports all four names. Where Go or openssl is missing these tests skip, and the summary says so;
in CI (CI=true) they fail.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.cluster.build import ensure_binary, missing_tools
from tests.kit.cluster.control_plane import ControlPlane
from tests.kit.go_tool import GoTool

__all__ = ["cluster_binary", "control_plane", "pytest_collection_finish", "pytest_terminal_summary"]

_TOOL = GoTool("the real control plane", "cluster_binary", missing_tools, ensure_binary)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build before the first test."""
    _TOOL.build_before(session)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say aloud what did not run."""
    _TOOL.say_what_did_not_run(terminalreporter, config)


@pytest.fixture(scope="session")
def cluster_binary() -> Path:
    """The binary with all parts of the control plane."""
    return _TOOL.binary()


@pytest.fixture(scope="session")
def control_plane(cluster_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane that tests share: fresh namespaces, nodes of one's own, and nothing left behind."""
    with ControlPlane(directory=tmp_path_factory.mktemp("control-plane")) as running:
        yield running
