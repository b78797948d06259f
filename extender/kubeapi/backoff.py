"""When to pause: back-off between attempts, and giving the loop back in the middle of work."""

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from typing import Final

__all__ = ["Backoff", "Pace"]


class Backoff:
    """Delays of client-go's reflector: 0.8 s, doubled up to 30 s, with up to 100 % jitter, reset by 2 quiet minutes.

    The jitter keeps many clients from returning together; unlike there, the cap holds after it.
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


class Pace:
    """Limits the work between two returns to the event loop.

    Reading lines that have already arrived never suspends, so a full buffer of 300 pods would be one long step.
    """

    BUDGET_S: Final = 0.001

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """`clock`: a fine clock in seconds, also right for timing one event."""
        self.clock = clock
        self._began = clock()

    def due(self) -> bool:
        """Whether the budget is used up."""
        return self.clock() - self._began >= self.BUDGET_S

    async def rest(self) -> None:
        """Let everything else that is ready run first."""
        await asyncio.sleep(0)
        self._began = self.clock()

    async def through(self, steps: Iterable[object]) -> None:
        """Take all steps, with a rest wherever it is due."""
        for _ in steps:
            if self.due():
                await self.rest()
