"""Splits a byte stream into lines, with a limit on the length of a line."""

from extender.kubeapi.errors import LineTooLong

__all__ = ["LineSplitter"]


class LineSplitter:
    """Takes chunks of any size and returns complete lines without their newline; empty lines are dropped.

    aiohttp's own line reader fails above its buffer size (2 MiB here), which one large object can exceed. A line that
    arrives in many chunks is joined once, when it is complete.
    """

    def __init__(self, limit: int) -> None:
        """`limit`: the largest line in bytes."""
        self._limit = limit
        self._parts: list[bytes] = []
        self._held = 0

    @property
    def held(self) -> int:
        """Bytes of the line that is not complete yet."""
        return self._held

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes. Raises LineTooLong; the splitter must not be used afterwards."""
        head, newline, rest = chunk.partition(b"\n")
        self._hold(head)
        if not newline:
            return []
        lines = [b"".join(self._parts)]
        self._parts = []
        self._held = 0
        *whole, tail = rest.split(b"\n")
        lines += whole
        if tail:
            self._hold(tail)
        longest = max(map(len, lines))
        if longest > self._limit:
            raise LineTooLong(self._text(longest))
        return [line for line in lines if line]

    def _hold(self, part: bytes) -> None:
        self._held += len(part)
        if self._held > self._limit:
            raise LineTooLong(self._text(self._held))
        if part:
            self._parts.append(part)

    def _text(self, size: int) -> str:
        return f"a watch line of at least {size} bytes, more than the {self._limit} that are allowed"
