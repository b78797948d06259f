"""A conversation with the oracle: one scenario in, the same scenario with the kubelet's answers out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.kit.cluster.build import DEFAULT_VERSION
from tests.kit.oracle.kubelet.build import ensure_oracle
from tests.kit.oracle.process import LineProcess, OracleFailed

__all__ = ["Oracle", "OracleFailed"]

#: Scenarios that one process plays: the CPU Manager's loop cannot be stopped, so every node that ever lived is kept.
_LIVES: Final = 2000


#: Reason and message.
Refusal = tuple[str, str]


class Oracle(LineProcess):
    """The real managers of one Kubernetes release, as a process that lives as long as the `with` block."""

    def __init__(self, version: str = DEFAULT_VERSION, binary: Path | None = None) -> None:
        super().__init__(binary if binary is not None else ensure_oracle(version), _LIVES)
        self.version = version

    def play(self, scenario: Mapping[str, Any]) -> dict[str, Any]:
        """Return the scenario with `observed` and `state` as the real managers answer.

        Where they do not start, the scenario or its restart step has the field `startError`, and nothing follows.
        """
        return self._answer(scenario)

    def predicates(self, node: Mapping[str, Any], pods: Sequence[Mapping[str, Any]], pod: Mapping[str, Any]) -> Refusal:
        """Return reason and message with which the kubelet's predicates refuse `pod` beside `pods`; empty: they do not."""
        answer = self._answer({"predicates": {"node": node, "pods": pods, "pod": pod}})
        return answer["reason"], answer["message"]
