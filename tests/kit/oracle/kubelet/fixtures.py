"""The fixtures of every test that asks the real kubelet managers.

A conftest.py imports all names. Where Go is missing these tests skip, and the summary says so; in CI (CI=true) they
fail.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.go_tool import GoTool
from tests.kit.oracle.kubelet.build import ensure_oracle, missing_go
from tests.kit.oracle.kubelet.process import Oracle

__all__ = ["oracle", "oracle_binary", "pytest_collection_finish", "pytest_terminal_summary"]

_TOOL = GoTool("the real kubelet managers", "oracle_binary", missing_go, ensure_oracle)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build before the first test."""
    _TOOL.build_before(session)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say aloud what did not run."""
    _TOOL.say_what_did_not_run(terminalreporter, config)


@pytest.fixture(scope="session")
def oracle_binary() -> Path:
    """The oracle on the default Kubernetes release."""
    return _TOOL.binary()


@pytest.fixture(scope="session")
def oracle(oracle_binary: Path) -> Iterator[Oracle]:
    """The real managers, to converse with."""
    with Oracle(binary=oracle_binary) as running:
        yield running
