"""KubeVirt's own code as a fixture."""

from tests.differential_kubevirt.fixtures import (
    kubevirt_binary,
    kubevirt_oracle,
    pytest_collection_finish,
    pytest_terminal_summary,
)

__all__ = ["kubevirt_binary", "kubevirt_oracle", "pytest_collection_finish", "pytest_terminal_summary"]
