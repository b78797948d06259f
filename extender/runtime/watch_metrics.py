"""Counts what the watches do."""

from extender.cache.events import Source
from extender.observe.metrics import Metrics
from extender.watch.observer import NoObserver

__all__ = ["WatchMetrics"]


class WatchMetrics(NoObserver):
    """Hands what the watches do to the metrics (watch.observer.WatchObserver)."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def event(self, source: Source, change: str, seconds: float) -> None:
        """See WatchObserver."""
        self._metrics.watch_event(source, change, seconds)

    def resync(self, source: Source, cause: str) -> None:
        """See WatchObserver."""
        self._metrics.resync(source, cause)

    def skipped(self, source: Source) -> None:
        """See WatchObserver."""
        self._metrics.object_skipped(source)

    def mended(self, source: Source) -> None:
        """See WatchObserver."""
        self._metrics.object_mended(source)

    def failed(self, source: Source, cause: str) -> None:
        """See WatchObserver."""
        self._metrics.watch_failure(source, cause)
