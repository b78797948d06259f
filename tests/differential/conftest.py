"""The oracle's fixtures, and the seeds of the run in its summary."""

import pytest

from tests.oracle.fixtures import oracle, oracle_binary, pytest_collection_finish
from tests.oracle.fixtures import pytest_terminal_summary as oracle_summary

__all__ = ["RUNS", "oracle", "oracle_binary", "pytest_collection_finish", "pytest_terminal_summary"]

#: What each fresh run was, in a line.
RUNS = pytest.StashKey[list[str]]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the seeds whatever the outcome: a run can only be replayed by its seed."""
    oracle_summary(terminalreporter, config)
    for line in config.stash.get(RUNS, []):
        terminalreporter.write_line(line)
