"""A conversation with a program that answers line by line: a question in, the same question with its answers out."""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

__all__ = ["LineProcess", "OracleFailed"]

#: Characters of the program's last words that are told.
_TOLD: Final = 4000


class OracleFailed(Exception):
    """The oracle ended without an answer; the text is its own."""


class LineProcess:
    """The program, as a process that starts with the first question and lives as long as the `with` block.

    After `questions` questions it is replaced by a new one; 0: never.
    """

    def __init__(self, binary: Path, questions: int = 0) -> None:
        self._binary = binary
        self._questions = questions
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

    def _answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        if self._questions and self._played == self._questions:
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
            child.stdin.write(json.dumps(question) + "\n")
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
        return self._words.read().strip()[:_TOLD] or "the oracle ended without a word"

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
