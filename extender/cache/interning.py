"""One object for equal values: a cluster of 5,000 nodes has a few dozen shapes of machines, VMs and reports."""

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

__all__ = ["EMPTY", "Interner", "intern_amounts", "intern_text"]

T = TypeVar("T", bound=Hashable)

#: Stands for every empty mapping; nobody writes to it.
EMPTY: Mapping[str, int] = {}


class Interner(Generic[T]):
    """Hands out the first of equal values. At most `limit` are remembered, so strange clusters cost no memory."""

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._seen: dict[T, T] = {}

    def intern(self, value: T) -> T:
        """The value, or the equal one that came first."""
        found = self._seen.setdefault(value, value)
        if len(self._seen) > self._limit:
            self._seen.clear()
        return found


_TEXTS: Interner[str] = Interner(16384)
_AMOUNTS: dict[tuple[tuple[str, int], ...], Mapping[str, int]] = {}
_MAX_AMOUNTS = 4096


def intern_text(text: str) -> str:
    """For texts that many objects repeat."""
    return _TEXTS.intern(text)


def intern_amounts(amounts: Mapping[str, int]) -> Mapping[str, int]:
    """For amounts by name that many nodes have; the result is read only."""
    if not amounts:
        return EMPTY
    if len(_AMOUNTS) > _MAX_AMOUNTS:
        _AMOUNTS.clear()
    return _AMOUNTS.setdefault(tuple(amounts.items()), amounts)
