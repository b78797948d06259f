"""Fixtures, markers and hooks of all tests. The fixtures' code stands in tests/kit.

Two folders have a small conftest.py of their own: tests/faults, whose control plane is another one under the same name,
and tests/integration, whose resting site starts before the folder's first test.
"""

from pathlib import Path

import pytest

from tests.kit.cluster import fixtures as control_planes
from tests.kit.cluster.fixtures import cluster, cluster_binary, control_plane
from tests.kit.fresh_runs import RUNS
from tests.kit.kernel.fixtures import backend, kernel
from tests.kit.libvirt import fixtures as libvirt
from tests.kit.libvirt.fixtures import libvirt_judge
from tests.kit.oracle.kubelet import fixtures as kubelet
from tests.kit.oracle.kubelet.fixtures import oracle, oracle_binary
from tests.kit.oracle.kubevirt import fixtures as kubevirt
from tests.kit.oracle.kubevirt.fixtures import kubevirt_binary, kubevirt_oracle

__all__ = [
    "backend",
    "cluster",
    "cluster_binary",
    "control_plane",
    "kernel",
    "kubevirt_binary",
    "kubevirt_oracle",
    "libvirt_judge",
    "oracle",
    "oracle_binary",
]

#: Programs that are built before the first test.
TOOLS = (control_planes.TOOL, kubelet.TOOL, kubevirt.TOOL)

#: What makes a test slow: a fixture that it has, or where it lies. Others carry the marker themselves.
SLOW_FIXTURES = {"cluster_binary", "kubevirt_binary", "libvirt_judge", "oracle_binary"}
SLOW_PLACES = tuple(
    Path(__file__).parent / place
    for place in (
        "deploy",  # kubectl renders the manifests; where there is none, the control plane's
        "integration",
        "package",
        "property",
        "unit/house/test_kernel_builds.py",
        "unit/kernel/test_against_kubelet_model.py",  # thousands of recorded admissions
    )
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow, before `-m` selects; what needs a long rest comes last, and the others run meanwhile."""
    for item in items:
        if _is_slow(item):
            item.add_marker("slow")
    items.sort(key=lambda item: "resting" in getattr(item, "fixturenames", ()))


def _is_slow(item: pytest.Item) -> bool:
    if SLOW_FIXTURES.intersection(getattr(item, "fixturenames", ())):
        return True
    return any(item.path.is_relative_to(place) for place in SLOW_PLACES)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build before the first test."""
    for tool in TOOLS:
        tool.build_before(session)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say aloud what did not run; and the seeds, whatever the outcome: a run can only be replayed by its seed."""
    for tool in TOOLS:
        tool.say_what_did_not_run(terminalreporter, config)
    libvirt.say_what_did_not_run(terminalreporter, config)
    for line in config.stash.get(RUNS, []):
        terminalreporter.write_line(line)
