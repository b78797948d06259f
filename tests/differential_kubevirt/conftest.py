"""KubeVirt's own code, and the seeds of the run in its summary."""

from tests.differential_kubevirt.fixtures import (
    kubevirt_binary,
    kubevirt_oracle,
    pytest_collection_finish,
    pytest_terminal_summary,
)

__all__ = ["kubevirt_binary", "kubevirt_oracle", "pytest_collection_finish", "pytest_terminal_summary"]
