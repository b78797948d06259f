"""One object for equal values, one computation for equal inputs.

A cluster of 5,000 nodes has a few dozen kinds of machines, VMs and NRTs.
"""

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

__all__ = ["EMPTY", "Interner", "Memo", "intern_amounts", "intern_text"]

K = TypeVar("K", bound=Hashable)
T = TypeVar("T", bound=Hashable)
V = TypeVar("V")

#: Used for every empty mapping; never written to.
EMPTY: Mapping[str, int] = {}


class Memo(Generic[K, V]):
    """Results by what they follow from. At most `limit` are kept: a full memo is emptied, for it is cheap to fill again."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """The result; None: it has to be computed."""
        return self._known.get(key)

    def keep(self, key: K, value: V) -> V:
        """Keeps a result, and returns it."""
        if len(self._known) >= self._limit:
            self._known.clear()
        self._known[key] = value
        return value


class Interner(Generic[T]):
    """Hands out the first of equal values. At most `limit` are remembered, so that a cluster of unequal objects costs no memory."""

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
_AMOUNTS: Memo[tuple[tuple[str, int], ...], Mapping[str, int]] = Memo(4096)


def intern_text(text: str) -> str:
    """For texts that many objects repeat."""
    return _TEXTS.intern(text)


def intern_amounts(amounts: Mapping[str, int]) -> Mapping[str, int]:
    """For amounts by name that many nodes have; the result is read only."""
    if not amounts:
        return EMPTY
    key = tuple(amounts.items())
    known = _AMOUNTS.get(key)
    return known if known is not None else _AMOUNTS.keep(key, amounts)
