"""A dict and a set with a limit: a new entry beyond it drops the oldest.

They hold what may be forgotten: pods that were answered, objects that were deleted, refusals of a kubelet.
"""

from collections.abc import Collection, Hashable, Iterator, MutableMapping
from typing import TypeVar, overload

__all__ = ["BoundedDict", "BoundedSet"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
T = TypeVar("T")


class BoundedDict(MutableMapping[K, V]):
    """A dict of at most `limit` entries, in the order of insertion.

    A new value for a key that is there keeps the key's place, as in a dict; `move_to_end` makes it the newest.
    """

    __slots__ = ("_entries", "_limit")

    def __init__(self, limit: int) -> None:
        """`limit` may be 0, which keeps nothing. Raises ValueError if it is negative."""
        self._entries: dict[K, V] = {}
        self._limit = _checked(limit)

    @property
    def limit(self) -> int:
        """The most entries that are kept; a lower limit drops the oldest at once. Raises ValueError if it is
        negative.
        """
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        self._limit = _checked(limit)
        while len(self._entries) > limit:
            self._drop_oldest()

    def put(self, key: K, value: V) -> K | None:
        """As `self[key] = value`; returns the key that was dropped, None if none was."""
        self._entries[key] = value
        return self._drop_oldest() if len(self._entries) > self._limit else None

    def popitem(self) -> tuple[K, V]:
        """Takes the oldest entry out (a dict takes the newest). Raises KeyError if there is none."""
        if not self._entries:
            raise KeyError("no entries")
        oldest = next(iter(self._entries))
        return oldest, self._entries.pop(oldest)

    def move_to_end(self, key: K) -> None:
        """Makes an entry the newest. Raises KeyError if there is none."""
        self._entries[key] = self._entries.pop(key)

    def _drop_oldest(self) -> K:
        oldest = next(iter(self._entries))
        del self._entries[oldest]
        return oldest

    def __getitem__(self, key: K) -> V:
        """As in a dict."""
        return self._entries[key]

    def __setitem__(self, key: K, value: V) -> None:
        """As in a dict; a new key beyond the limit drops the oldest."""
        self._entries[key] = value
        if len(self._entries) > self._limit:
            self._drop_oldest()

    def __delitem__(self, key: K) -> None:
        """As in a dict."""
        del self._entries[key]

    def __contains__(self, key: object) -> bool:
        """As in a dict."""
        return key in self._entries

    def __iter__(self) -> Iterator[K]:
        """All keys, oldest first."""
        return iter(self._entries)

    def __reversed__(self) -> Iterator[K]:
        """All keys, newest first."""
        return reversed(self._entries)

    def __len__(self) -> int:
        """The number of entries."""
        return len(self._entries)

    @overload
    def get(self, key: K, /) -> V | None: ...
    @overload
    def get(self, key: K, /, default: V) -> V: ...
    @overload
    def get(self, key: K, /, default: T) -> V | T: ...
    def get(self, key: K, /, default: V | T | None = None) -> V | T | None:
        """As in a dict; the inherited one raises and catches an exception."""
        return self._entries.get(key, default)

    def clear(self) -> None:
        """As in a dict; the inherited one takes entries out one by one."""
        self._entries.clear()


class BoundedSet(Collection[K]):
    """A set of at most `limit` members, in the order in which they were added. One that is added again keeps its
    place.
    """

    __slots__ = ("_members",)

    def __init__(self, limit: int) -> None:
        """`limit` may be 0, which keeps nothing. Raises ValueError if it is negative."""
        self._members: BoundedDict[K, None] = BoundedDict(limit)

    def add(self, value: K) -> None:
        """As in a set; a new member beyond the limit drops the oldest."""
        self._members[value] = None

    def discard(self, value: K) -> None:
        """As in a set."""
        self._members.pop(value, None)

    def pop(self) -> K:
        """Takes the oldest member out. Raises KeyError if there is none."""
        return self._members.popitem()[0]

    def move_to_end(self, value: K) -> None:
        """Makes a member the newest. Raises KeyError if it is none."""
        self._members.move_to_end(value)

    def clear(self) -> None:
        """As in a set."""
        self._members.clear()

    def __contains__(self, value: object) -> bool:
        """As in a set."""
        return value in self._members

    def __iter__(self) -> Iterator[K]:
        """All members, oldest first."""
        return iter(self._members)

    def __len__(self) -> int:
        """The number of members."""
        return len(self._members)


def _checked(limit: int) -> int:
    if limit < 0:
        raise ValueError(f"a limit is not negative: {limit}")
    return limit
