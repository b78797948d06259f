"""Fixtures, markers and hooks of all tests. The fixtures themselves stand in tests/kit, as plugins."""

import pytest

pytest_plugins = [
    "tests.kit.cluster.fixtures",
    "tests.kit.kernel.fixtures",
    "tests.kit.libvirt.fixtures",
    "tests.kit.oracle.kubelet.fixtures",
    "tests.kit.oracle.kubevirt.fixtures",
]

#: What each run of fresh random cases was, in a line.
RUNS = pytest.StashKey[list[str]]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the seeds whatever the outcome: a run can only be replayed by its seed."""
    for line in config.stash.get(RUNS, []):
        terminalreporter.write_line(line)
