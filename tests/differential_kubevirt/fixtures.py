"""The fixtures of every test that asks KubeVirt's own code.

A conftest.py imports all names. Where Go is missing these tests skip, and the summary says so; in CI (CI=true) they
fail.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.build import BuildError
from tests.differential_kubevirt.oracle import KubevirtOracle
from tests.oracle.build import missing_go
from tests.oracle.kubevirt_build import ensure_kubevirt_oracle

__all__ = ["RUNS", "kubevirt_binary", "kubevirt_oracle", "pytest_collection_finish", "pytest_terminal_summary"]

_SKIPPED = pytest.StashKey[str]()
#: What each fresh run was, in a line.
RUNS = pytest.StashKey[list[str]]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build before the first test starts: a first build takes minutes, and a test has a timeout."""
    needed = any("kubevirt_binary" in getattr(item, "fixturenames", ()) for item in session.items)
    if session.config.option.collectonly or not needed:
        return
    missing = missing_go()
    if not missing:
        reporter = session.config.pluginmanager.getplugin("terminalreporter")
        try:
            ensure_kubevirt_oracle(say=reporter.write_line if reporter is not None else print)
        except BuildError as error:
            raise pytest.UsageError(str(error)) from error
    elif os.environ.get("CI") != "true":
        session.config.stash[_SKIPPED] = missing


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say aloud what did not run; else the seeds, whatever the outcome: a run can only be replayed by its seed."""
    if missing := config.stash.get(_SKIPPED, ""):
        terminalreporter.section("NOT RUN: the tests on KubeVirt's own code", yellow=True, bold=True)
        terminalreporter.write_line(f"They need {missing}.")
        del config.stash[_SKIPPED]
    for line in config.stash.get(RUNS, []):
        terminalreporter.write_line(line)
    config.stash[RUNS] = []


@pytest.fixture(scope="session")
def kubevirt_binary() -> Path:
    """The oracle's binary."""
    if missing := missing_go():
        text = f"KubeVirt's own code needs {missing}"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
    return ensure_kubevirt_oracle()


@pytest.fixture(scope="session")
def kubevirt_oracle(kubevirt_binary: Path) -> Iterator[KubevirtOracle]:
    """KubeVirt's functions, to converse with."""
    with KubevirtOracle(kubevirt_binary) as running:
        yield running
