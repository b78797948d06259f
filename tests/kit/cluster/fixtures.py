"""The fixtures of every test that runs on the real control plane; tests/conftest.py imports them.

Where Go or openssl is missing these tests skip, and the summary says so; in CI (CI=true) they fail.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.kit.cluster.build import ensure_binary, missing_tools
from tests.kit.cluster.control_plane import ControlPlane
from tests.kit.go_tool import GoTool

__all__ = ["TOOL", "cluster", "cluster_binary", "control_plane"]

TOOL: Final = GoTool("the real control plane", "cluster_binary", missing_tools, ensure_binary)


@pytest.fixture(scope="session")
def cluster_binary() -> Path:
    """The binary with all parts of the control plane."""
    return TOOL.binary()


@pytest.fixture(scope="session")
def control_plane(cluster_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane that tests share: fresh namespaces, nodes of one's own, and nothing left behind."""
    with ControlPlane(directory=tmp_path_factory.mktemp("control-plane")) as running:
        yield running


@pytest.fixture(scope="module")
def cluster(cluster_binary: Path) -> Iterator[ControlPlane]:
    """A control plane of one module alone: policies and roles of the whole cluster must not meet other tests."""
    with ControlPlane() as running:
        yield running
