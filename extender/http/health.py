"""Alive, ready, started: three questions with three answers, none of which asks the API server."""

from collections.abc import Callable, Sequence
from typing import Final

from extender.observe.process import LoopPulse

__all__ = ["Health"]

#: Seconds that the event loop may hang before the process counts as dead.
_DEAD_AFTER_S: Final = 5.0


class Health:
    """What the probes see. `draining` is set once, when the process is told to stop."""

    def __init__(self, not_ready: Callable[[], Sequence[str]], pulse: LoopPulse) -> None:
        """`not_ready` lists in words what is missing ("pods: syncing"); empty: everything is there."""
        self.draining = False
        self._not_ready = not_ready
        self._pulse = pulse
        self._started = False

    def dead(self) -> list[str]:
        """Why the process should be restarted; empty: it is alive."""
        lag = self._pulse.lag()
        return [f"event loop: {lag:.1f} s late"] if lag >= _DEAD_AFTER_S else []

    def missing(self) -> list[str]:
        """Why no calls should be sent here; empty: ready."""
        missing = list(self._not_ready())
        self._started = self._started or not missing
        return ["draining", *missing] if self.draining else missing

    def unstarted(self) -> list[str]:
        """What the first sync still waits for; empty for ever after it was complete once."""
        missing = self.missing()
        return [] if self._started else missing
