"""The fixtures of every test that runs on the real control plane.

A conftest.py imports all four names. Where Go or openssl is missing these tests skip, and the summary says so;
in CI (CI=true) they fail.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.build import BuildError, ensure_binary, missing_tools
from tests.cluster.control_plane import ControlPlane

__all__ = ["cluster_binary", "control_plane", "pytest_collection_finish", "pytest_terminal_summary"]

SKIPPED = pytest.StashKey[str]()


def needs_cluster(session: pytest.Session) -> bool:
    return any("cluster_binary" in getattr(item, "fixturenames", ()) for item in session.items)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build before the first test starts: a first build takes minutes, and a test has a timeout."""
    if session.config.option.collectonly or not needs_cluster(session):
        return
    missing = missing_tools()
    if not missing:
        reporter = session.config.pluginmanager.getplugin("terminalreporter")
        try:
            ensure_binary(say=reporter.write_line if reporter is not None else print)
        except BuildError as error:
            raise pytest.UsageError(str(error)) from error
    elif os.environ.get("CI") != "true":
        session.config.stash[SKIPPED] = missing


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say aloud that the tests on the real control plane did not run."""
    if missing := config.stash.get(SKIPPED, ""):
        terminalreporter.section("NOT RUN: the tests on the real control plane", yellow=True, bold=True)
        terminalreporter.write_line(f"They need {missing}.")
        del config.stash[SKIPPED]


@pytest.fixture(scope="session")
def cluster_binary() -> Path:
    """The binary with all parts of the control plane."""
    if missing := missing_tools():
        text = f"the real control plane needs {missing}"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
    return ensure_binary()


@pytest.fixture(scope="session")
def control_plane(cluster_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane that tests share: fresh namespaces, nodes of one's own, and nothing left behind."""
    with ControlPlane(directory=tmp_path_factory.mktemp("control-plane")) as running:
        yield running
