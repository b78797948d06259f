"""Gives the event loop back during long work."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

__all__ = ["Pace"]


class Pace:
    """Limits the time between two returns to the event loop.

    Lines that have already arrived are read without suspending. Without a limit, a full buffer of 300 pods would block
    the loop until all of them were applied.
    """

    BUDGET_S: Final = 0.001

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """`clock`: seconds, fine enough to time one event; the owner may use it for that."""
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
        """Take all steps, with a rest whenever it is due."""
        for _ in steps:
            if self.due():
                await self.rest()
