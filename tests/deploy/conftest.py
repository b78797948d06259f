"""A control plane for the tests that need a real API server, and the mark of the slow ones."""

from collections.abc import Iterator

import pytest

from tests.deploy.manifests import lacking
from tests.kit.cluster.build import missing_tools
from tests.kit.cluster.control_plane import ControlPlane


def pytest_configure(config: pytest.Config) -> None:
    """Register `slow`; nothing deselects it by itself, and CI runs it."""
    config.addinivalue_line("markers", "slow: installs from the package index and compiles; about a minute")


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    """A control plane of this module alone: policies and roles of the whole cluster must not meet other tests."""
    if missing := missing_tools():
        lacking(f"the real control plane needs {missing}")
    with ControlPlane() as plane:
        yield plane
