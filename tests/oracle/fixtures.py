"""The fixtures of every test that asks the real kubelet managers.

A conftest.py imports all names. Where Go is missing these tests skip, and the summary says so; in CI (CI=true) they
fail.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.build import BuildError
from tests.oracle.build import ensure_oracle, missing_go
from tests.oracle.process import Oracle

__all__ = ["oracle", "oracle_binary", "pytest_collection_finish", "pytest_terminal_summary"]

_SKIPPED = pytest.StashKey[str]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build before the first test starts: a first build takes minutes, and a test has a timeout."""
    needed = any("oracle_binary" in getattr(item, "fixturenames", ()) for item in session.items)
    if session.config.option.collectonly or not needed:
        return
    missing = missing_go()
    if not missing:
        reporter = session.config.pluginmanager.getplugin("terminalreporter")
        try:
            ensure_oracle(say=reporter.write_line if reporter is not None else print)
        except BuildError as error:
            raise pytest.UsageError(str(error)) from error
    elif os.environ.get("CI") != "true":
        session.config.stash[_SKIPPED] = missing


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say aloud that the tests on the real managers did not run."""
    if missing := config.stash.get(_SKIPPED, ""):
        terminalreporter.section("NOT RUN: the tests on the real kubelet managers", yellow=True, bold=True)
        terminalreporter.write_line(f"They need {missing}.")
        del config.stash[_SKIPPED]


@pytest.fixture(scope="session")
def oracle_binary() -> Path:
    """The oracle on the default Kubernetes release."""
    if missing := missing_go():
        text = f"the real kubelet managers need {missing}"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
    return ensure_oracle()


@pytest.fixture(scope="session")
def oracle(oracle_binary: Path) -> Iterator[Oracle]:
    """The real managers, to converse with."""
    with Oracle(binary=oracle_binary) as running:
        yield running
