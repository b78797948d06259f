"""The fixtures of every test that asks KubeVirt's own code.

A conftest.py imports all names. Where Go is missing these tests skip, and the summary says so; in CI (CI=true) they
fail.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.go_tool import GoTool
from tests.kit.oracle.kubelet.build import missing_go
from tests.kit.oracle.kubevirt.build import ensure_kubevirt_oracle
from tests.kit.oracle.kubevirt.process import KubevirtOracle

__all__ = ["RUNS", "kubevirt_binary", "kubevirt_oracle", "pytest_collection_finish", "pytest_terminal_summary"]

#: What each fresh run was, in a line.
RUNS = pytest.StashKey[list[str]]()

_TOOL = GoTool("KubeVirt's own code", "kubevirt_binary", missing_go, ensure_kubevirt_oracle)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build before the first test."""
    _TOOL.build_before(session)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say aloud what did not run; else the seeds, whatever the outcome: a run can only be replayed by its seed."""
    _TOOL.say_what_did_not_run(terminalreporter, config)
    for line in config.stash.get(RUNS, []):
        terminalreporter.write_line(line)
    config.stash[RUNS] = []


@pytest.fixture(scope="session")
def kubevirt_binary() -> Path:
    """The oracle's binary."""
    return _TOOL.binary()


@pytest.fixture(scope="session")
def kubevirt_oracle(kubevirt_binary: Path) -> Iterator[KubevirtOracle]:
    """KubeVirt's functions, to converse with."""
    with KubevirtOracle(kubevirt_binary) as running:
        yield running
