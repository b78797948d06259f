"""A conversation with KubeVirt's launcher code: a case in, the same case with KubeVirt's answers out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.kit.oracle.kubevirt.build import ensure_kubevirt_oracle
from tests.kit.oracle.process import LineProcess, OracleFailed

__all__ = ["KubevirtOracle", "OracleFailed"]


class KubevirtOracle(LineProcess):
    """The real functions, in a process that lives as long as the `with` block."""

    def __init__(self, binary: Path | None = None) -> None:
        super().__init__(binary if binary is not None else ensure_kubevirt_oracle())

    def play(self, case: Mapping[str, Any]) -> dict[str, Any]:
        """The case with `observed` (and `observedBoot`, `observedPrepare` of a migration) as KubeVirt answers.

        Where its code panics there is `panic` instead.
        """
        return self._answer(case)
