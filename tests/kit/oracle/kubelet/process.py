"""A conversation with the oracle: one scenario in, the same scenario with the kubelet's answers out."""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.kit.cluster.build import DEFAULT_VERSION
from tests.kit.oracle.kubelet.build import ensure_oracle

__all__ = ["Oracle", "OracleFailed"]

#: Scenarios that one process plays: the CPU Manager's loop cannot be stopped, so every node that ever lived is kept.
_LIVES: Final = 2000


class OracleFailed(Exception):
    """The oracle ended without an answer; the text is its own."""


class Oracle:
    """The real managers of one Kubernetes release, as a process that lives as long as the `with` block."""

    def __init__(self, version: str = DEFAULT_VERSION, binary: Path | None = None) -> None:
        self.version = version
        self._binary = binary if binary is not None else ensure_oracle(version)
        self._child: subprocess.Popen[str] | None = None
        self._played = 0
        # A file: what a crash prints is more than a pipe holds that nobody reads.
        self._words = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the object

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        self._words.close()

    def play(self, scenario: Mapping[str, Any]) -> dict[str, Any]:
        """Return the scenario with `observed` and `state` as the real managers answer.

        Where they do not start, the scenario or its restart step has the field `startError`, and nothing follows.
        """
        if self._played == _LIVES:
            self._stop()
        if self._child is None:
            self._child = subprocess.Popen(
                [self._binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._words, text=True
            )
            self._played = 0
        child = self._child
        assert child.stdin is not None
        assert child.stdout is not None
        self._played += 1
        try:
            child.stdin.write(json.dumps(scenario) + "\n")
            child.stdin.flush()
            line = child.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise OracleFailed(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        """End a process that broke off, and return what it said."""
        self._stop()
        self._words.seek(0)
        return self._words.read().strip()[:4000] or "the oracle ended without a word"

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        assert child.stdin is not None
        assert child.stdout is not None
        with suppress(BrokenPipeError):
            child.stdin.close()
        child.stdout.close()
        child.wait()
