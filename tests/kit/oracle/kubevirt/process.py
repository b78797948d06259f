"""A conversation with KubeVirt's launcher code: a case in, the same case with KubeVirt's answers out."""

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.kit.oracle.kubevirt.build import ensure_kubevirt_oracle

__all__ = ["KubevirtOracle", "KubevirtOracleFailed"]

#: Characters of the oracle's last words that are told.
_TOLD: Final = 4000


class KubevirtOracleFailed(Exception):
    """The oracle ended without an answer; the text is its own."""


class KubevirtOracle:
    """The real functions, in a process that lives as long as the `with` block."""

    def __init__(self, binary: Path | None = None) -> None:
        # A file: what a crash prints is more than a pipe holds that nobody reads.
        self._words = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the object
        self._child = subprocess.Popen(
            [binary if binary is not None else ensure_kubevirt_oracle()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        self._words.close()

    def play(self, case: Mapping[str, Any]) -> dict[str, Any]:
        """The case with `observed` (and `observedBoot`, `observedPrepare` of a migration) as KubeVirt answers.

        Where its code panics there is `panic` instead.
        """
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            self._child.stdin.write(json.dumps(case) + "\n")
            self._child.stdin.flush()
            line = self._child.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise KubevirtOracleFailed(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        self._stop()
        self._words.seek(0)
        return self._words.read().strip()[:_TOLD] or "the KubeVirt oracle ended without a word"

    def _stop(self) -> None:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it ended before it read all
            self._child.stdin.close()
        self._child.stdout.close()
        self._child.wait()
