"""The fixtures of every test that asks KubeVirt's own code; tests/conftest.py imports them.

Where Go is missing these tests skip, and the summary says so; in CI (CI=true) they fail.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.kit.go_build import missing_go
from tests.kit.go_tool import GoTool
from tests.kit.oracle.kubevirt.build import ensure_kubevirt_oracle
from tests.kit.oracle.kubevirt.process import KubevirtOracle

__all__ = ["TOOL", "kubevirt_binary", "kubevirt_oracle"]

TOOL: Final = GoTool("KubeVirt's own code", "kubevirt_binary", missing_go, ensure_kubevirt_oracle)


@pytest.fixture(scope="session")
def kubevirt_binary() -> Path:
    """The oracle's binary."""
    return TOOL.binary()


@pytest.fixture(scope="session")
def kubevirt_oracle(kubevirt_binary: Path) -> Iterator[KubevirtOracle]:
    """KubeVirt's functions, to converse with."""
    with KubevirtOracle(kubevirt_binary) as running:
        yield running
