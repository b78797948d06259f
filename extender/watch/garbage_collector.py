"""Keeps the cyclic garbage collector from walking the picture: 50,000 pods take it 0.2 s, and it would find nothing.

Decoded records and what is made of them have no cycles. So what lives on is frozen, which is never walked again, and
the collector is away altogether while a list arrives.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["Collector", "collector_paused"]

#: Seconds between two walks of everything.
_WALK_S: Final = 86_400.0
#: Objects that have survived a collection, from which on they are walked once more and then frozen: 1.3 ms.
_MANY: Final = 2000

_pauses = 0


@contextmanager
def collector_paused() -> Iterator[None]:
    """No collection while a list is gathered; nested and parallel use is fine.

    What was gathered is frozen at the end. Where the collector was off before, it stays off.
    """
    global _pauses  # noqa: PLW0603 - the collector is one per process
    if _pauses == 0 and not gc.isenabled():
        yield
        return
    _pauses += 1
    gc.disable()
    try:
        yield
    finally:
        _pauses -= 1
        if _pauses == 0:
            gc.freeze()
            gc.enable()


class Collector:
    """Collects every second, while there is little to walk.

    Left alone, Python would begin once 700 more objects were made than freed. Under churn that does not happen for hours,
    for each new pod that it would have to walk, an old one is freed that was frozen; and then it walks them all at once.
    A connection that is frozen while it lives leaves about 10 KB of cycles when it ends; so once a day everything is
    walked.
    """

    def __init__(self) -> None:
        #: when everything was walked; what there is at the first look is the program itself
        self._walked: float | None = None

    def look(self, now: float) -> None:
        """To be called every second: collects what is young, and freezes survivors once they are many."""
        if not gc.isenabled():
            return
        if self._walked is None:
            self._walked = now
            gc.freeze()
            return
        if now - self._walked >= _WALK_S:
            self._walked = now
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            return
        gc.collect(0)
        if len(gc.get_objects(generation=1)) + len(gc.get_objects(generation=2)) >= _MANY:
            gc.collect(1)
            gc.freeze()
