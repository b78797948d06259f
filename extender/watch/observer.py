"""Hooks for metrics. Each is called on the event loop and must be cheap and must not raise."""

from typing import Protocol

from extender.cache.events import Source
from extender.watch.status import State

__all__ = ["NoObserver", "WatchObserver"]


class WatchObserver(Protocol):
    """What happens on the watch side; durations in seconds. No argument ever holds the name of an object."""

    def state(self, source: Source, state: State) -> None:
        """A source entered a state."""

    def event(self, source: Source, change: str, seconds: float) -> None:
        """An event was read and applied; `change` is ADDED, MODIFIED, DELETED or BOOKMARK."""

    def resync(self, source: Source, cause: str) -> None:
        """A new list is needed: `start`, `gone`, `line_too_long`, `rejected`, `fault` or `returned`."""

    def swapped(self, source: Source, objects: int, seconds: float) -> None:
        """A list of `objects` became the picture; `seconds` is its longest step, which held the loop."""

    def skipped(self, source: Source) -> None:
        """An object could not be read and is not in the picture (or is there in its older form)."""

    def failed(self, source: Source, cause: str) -> None:
        """An attempt failed; `cause` is the name of a failure class, e.g. `Gone`, `Silence`, `Unreachable`."""

    def loop_lag(self, seconds: float) -> None:
        """How late the event loop woke a sleeper, measured a few times a second."""


class NoObserver:
    """Observes nothing."""

    def state(self, source: Source, state: State) -> None:
        """See WatchObserver."""

    def event(self, source: Source, change: str, seconds: float) -> None:
        """See WatchObserver."""

    def resync(self, source: Source, cause: str) -> None:
        """See WatchObserver."""

    def swapped(self, source: Source, objects: int, seconds: float) -> None:
        """See WatchObserver."""

    def skipped(self, source: Source) -> None:
        """See WatchObserver."""

    def failed(self, source: Source, cause: str) -> None:
        """See WatchObserver."""

    def loop_lag(self, seconds: float) -> None:
        """See WatchObserver."""
