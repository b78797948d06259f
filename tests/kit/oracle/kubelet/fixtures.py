"""The fixtures of every test that asks the real kubelet managers; tests/conftest.py imports them.

Where Go is missing these tests skip, and the summary says so; in CI (CI=true) they fail.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.kit.go_build import missing_go
from tests.kit.go_tool import GoTool
from tests.kit.oracle.kubelet.build import ensure_oracle
from tests.kit.oracle.kubelet.process import Oracle

__all__ = ["TOOL", "oracle", "oracle_binary"]

TOOL: Final = GoTool("the real kubelet managers", "oracle_binary", missing_go, ensure_oracle)


@pytest.fixture(scope="session")
def oracle_binary() -> Path:
    """The oracle on the default Kubernetes release."""
    return TOOL.binary()


@pytest.fixture(scope="session")
def oracle(oracle_binary: Path) -> Iterator[Oracle]:
    """The real managers, to converse with."""
    with Oracle(binary=oracle_binary) as running:
        yield running
