"""Hooks for metrics. They are called on the event loop: they must be cheap and must not raise."""

from typing import Protocol

from extender.cache.events import Source

__all__ = ["NoObserver", "WatchObserver"]


class WatchObserver(Protocol):
    """What the reflectors report; durations in seconds. No argument holds the name of an object."""

    def event(self, source: Source, change: str, seconds: float) -> None:
        """An event was read and applied; `change` is ADDED, MODIFIED, DELETED or BOOKMARK."""

    def resync(self, source: Source, cause: str) -> None:
        """A new list is needed: `gone`, `line_too_long`, `rejected` or `fault`."""

    def skipped(self, source: Source) -> None:
        """An object could not be read. The cache lacks it, or has it in an older form."""

    def mended(self, source: Source) -> None:
        """A field of an object was not of its type; the object is read without it, or with what it must mean."""

    def failed(self, source: Source, cause: str) -> None:
        """An attempt failed; `cause` is the name of a failure class, e.g. `Gone`, `Silence`, `Unreachable`."""


class NoObserver:
    """Observes nothing."""

    def event(self, source: Source, change: str, seconds: float) -> None:
        """See WatchObserver."""

    def resync(self, source: Source, cause: str) -> None:
        """See WatchObserver."""

    def skipped(self, source: Source) -> None:
        """See WatchObserver."""

    def mended(self, source: Source) -> None:
        """See WatchObserver."""

    def failed(self, source: Source, cause: str) -> None:
        """See WatchObserver."""
