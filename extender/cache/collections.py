"""A dict, and a set of identities, that never grow in one long step.

A dict or set of 50,000 entries that grows moves them all, in 4 to 7 ms, and one under churn does so again and again, for
what was deleted leaves holes. In parts of a few hundred entries such a step takes microseconds.
"""

from array import array
from bisect import bisect_left
from collections.abc import Hashable, Iterator, MutableMapping
from typing import Final, TypeVar, overload

__all__ = ["HashSet", "PartitionedDict"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
T = TypeVar("T")

#: A power of two; 50,000 entries make parts of 200.
PARTS: Final = 256
_PART: Final = PARTS - 1


class PartitionedDict(MutableMapping[K, V]):
    """A dict in parts. Its order is that of no insertion, and differs from run to run.

    It may be changed while its keys are iterated: each part's are those of the moment when it was reached.
    """

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: tuple[dict[K, V], ...] = tuple({} for _ in range(PARTS))

    def __getitem__(self, key: K) -> V:
        """As in a dict."""
        return self._parts[hash(key) & _PART][key]

    def __setitem__(self, key: K, value: V) -> None:
        """As in a dict."""
        self._parts[hash(key) & _PART][key] = value

    def __delitem__(self, key: K) -> None:
        """As in a dict."""
        del self._parts[hash(key) & _PART][key]

    def __contains__(self, key: object) -> bool:
        """As in a dict."""
        return key in self._parts[hash(key) & _PART]

    def __iter__(self) -> Iterator[K]:
        """All keys."""
        for part in self._parts:
            yield from tuple(part)

    def __len__(self) -> int:
        """Entries in all parts."""
        return sum(map(len, self._parts))

    @overload
    def get(self, key: K, /) -> V | None: ...
    @overload
    def get(self, key: K, /, default: V) -> V: ...
    @overload
    def get(self, key: K, /, default: T) -> V | T: ...
    def get(self, key: K, /, default: V | T | None = None) -> V | T | None:
        """As in a dict; the inherited one raises and catches an exception."""
        return self._parts[hash(key) & _PART].get(key, default)

    @overload
    def pop(self, key: K, /) -> V: ...
    @overload
    def pop(self, key: K, default: V, /) -> V: ...
    @overload
    def pop(self, key: K, default: T, /) -> V | T: ...
    def pop(self, key: K, /, *default: object) -> object:
        """As in a dict."""
        part: dict[K, object] = self._parts[hash(key) & _PART]  # type: ignore[assignment]
        return part.pop(key, *default)


class HashSet:
    """Which of very many things there are, at 8 bytes each: their hashes, sorted, where a set of UIDs takes 200.

    Only hashes of 64 bits are kept: among a million members two share one with a chance of 3 in 100 million.
    """

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts = tuple(array("q") for _ in range(PARTS))

    def add(self, thing: Hashable) -> None:
        """It is there from now on."""
        identity = hash(thing)
        part = self._parts[identity & _PART]
        at = bisect_left(part, identity)
        if at == len(part) or part[at] != identity:
            part.insert(at, identity)

    def discard(self, thing: Hashable) -> None:
        """It is not there any more."""
        identity = hash(thing)
        part = self._parts[identity & _PART]
        at = bisect_left(part, identity)
        if at < len(part) and part[at] == identity:
            del part[at]

    def __contains__(self, thing: Hashable) -> bool:
        """Whether it is there."""
        identity = hash(thing)
        part = self._parts[identity & _PART]
        at = bisect_left(part, identity)
        return at < len(part) and part[at] == identity

    def __len__(self) -> int:
        """How many there are."""
        return sum(map(len, self._parts))
