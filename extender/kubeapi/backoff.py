"""The delay between two attempts at the API server."""

import random
from collections.abc import Callable
from typing import Final

__all__ = ["Backoff"]


class Backoff:
    """The delays of client-go's reflector: 0.8 s, doubled up to 30 s, with up to 100 % jitter.

    Two minutes without a failure reset them. Jitter keeps many clients from returning together. Unlike in client-go
    (tools/cache/reflector.go), the cap also holds for the delay with its jitter.
    """

    FIRST_S: Final = 0.8
    CAP_S: Final = 30.0
    QUIET_S: Final = 120.0

    def __init__(self, clock: Callable[[], float], chance: Callable[[], float] = random.random) -> None:
        """`clock` in monotonic seconds; `chance` gives numbers in [0, 1)."""
        self._clock = clock
        self._chance = chance
        self._base = self.FIRST_S
        self._last = -self.QUIET_S

    def next(self) -> float:
        """Seconds to wait after a failure that happened now."""
        now = self._clock()
        if now - self._last >= self.QUIET_S:
            self._base = self.FIRST_S
        delay = min(self._base * (1.0 + self._chance()), self.CAP_S)
        self._base = min(self._base * 2.0, self.CAP_S)
        # Quiet time begins when the next attempt does.
        self._last = now + delay
        return delay
