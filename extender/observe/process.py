"""Metrics of the process itself: pauses of the garbage collector, and the lag of the event loop.

Both are counted in plain integers and exported at each scrape. The collector may start while a lock of the metrics
library is held, so nothing that it calls may take one.
"""

import asyncio
import gc
import time
from bisect import bisect_left
from collections.abc import Callable
from itertools import accumulate
from typing import Final

__all__ = ["GcPauses", "LoopPulse", "PlainHistogram"]


class PlainHistogram:
    """Counts of observations per bucket, without locks: one thread writes, and a reader may see half of an update."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one observation, in the unit of the bounds."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[str, float]]:
        """Pairs of upper bound and number of observations up to it, as Prometheus writes them."""
        names = [*map(str, self.bounds), "+Inf"]
        return list(zip(names, map(float, accumulate(self.counts)), strict=True))


class GcPauses:
    """Seconds per run of the garbage collector, from `gc.callbacks`."""

    BOUNDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)

    def __init__(self) -> None:
        self.histogram = PlainHistogram(self.BOUNDS)
        self._began = 0.0

    def start(self) -> None:
        """Start counting; a second call changes nothing."""
        if self._note not in gc.callbacks:
            gc.callbacks.append(self._note)

    def stop(self) -> None:
        """Stop counting."""
        if self._note in gc.callbacks:
            gc.callbacks.remove(self._note)

    def _note(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        elif self._began:
            self.histogram.observe(time.perf_counter() - self._began)
            self._began = 0.0


class LoopPulse:
    """A task that wakes every `period_s` seconds and counts how late it was."""

    BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

    def __init__(self, period_s: float = 0.25, clock: Callable[[], float] = time.monotonic) -> None:
        self.histogram = PlainHistogram(self.BOUNDS)
        self._period_s = period_s
        self._clock = clock
        self._due: float | None = None
        self._last_lag_s = 0.0

    def lag(self) -> float:
        """Seconds by which the last wake-up was late, or by which the next one is late already; 0 if the task does not
        run.
        """
        if self._due is None:
            return 0.0
        return max(0.0, self._last_lag_s, self._clock() - self._due)

    async def run(self) -> None:
        """Wake and count until cancelled."""
        try:
            while True:
                self._due = self._clock() + self._period_s
                await asyncio.sleep(self._period_s)
                self._last_lag_s = max(0.0, self._clock() - self._due)
                self.histogram.observe(self._last_lag_s)
        finally:
            self._due = None
