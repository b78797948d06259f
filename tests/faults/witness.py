"""Holds what a service says of itself against what is the case, several times a second, for as long as it runs.

True means: who has never read a kind does not call itself ready; whoever claims to follow a kind that has moved on
admits an age of at least as long as that is so; and who is older than its limit is not ready.
"""

import asyncio
from collections.abc import Callable

from extender.cache.events import Source
from extender.runtime.service import Service
from extender.watch.kinds import Need
from extender.watch.status import SourceStatus, State
from tests.faults.truth import Views, views

__all__ = ["Witness"]

#: Seconds for an event to arrive, between two looks.
_SLACK_S = 1.0
_EVERY_S = 0.5
_WITHOUT_PICTURE = {State.EMPTY, State.SYNCING}


class Witness:
    """`lies` has what was said and untrue, each kind of lie once; `states` and `reasons` (not to be ready) all that was said.

    `wrong_for` is how long each kind was behind, in seconds.
    """

    def __init__(
        self,
        listed: Callable[[], Views],
        statuses: Callable[[], dict[Source, SourceStatus]],
        service: Service,
        clock: Callable[[], float],
    ) -> None:
        self.states: set[tuple[Source, State]] = set()
        self.reasons: set[str] = set()
        self.wrong_for: dict[Source, float] = dict.fromkeys(Source, 0.0)
        self.looking = True
        self._lies: dict[tuple[Source, str], str] = {}
        self._listed = listed
        self._statuses = statuses
        self._service = service
        self._clock = clock
        self._right_at = dict.fromkeys(Source, clock())
        #: when the kind was last right, or was said not to be followed
        self._honest_at = dict(self._right_at)

    @property
    def lies(self) -> list[str]:
        """In words."""
        return list(self._lies.values())

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            if self.looking:
                self.look()
            await asyncio.sleep(_EVERY_S)

    def look(self) -> None:
        """Compare once."""
        now, missing = self._clock(), self._service.not_ready()
        self.reasons |= {text.partition(":")[0] for text in missing}
        ours, theirs = views(self._service.cluster), self._listed()
        for source, status in self._statuses().items():
            self.states.add((source, status.state))
            if ours[source] == theirs[source]:
                self._right_at[source] = now
            if ours[source] == theirs[source] or status.state is not State.LIVE:
                self._honest_at[source] = now
            self.wrong_for[source] = max(self.wrong_for[source], now - self._right_at[source])
            age, hidden = status.age_seconds, now - self._honest_at[source]
            required = status.need is Need.REQUIRED
            if status.state in _WITHOUT_PICTURE and not missing and required:
                self._lie(source, "ready without it")
            if hidden > _SLACK_S and (age is None or age < hidden - _SLACK_S):
                self._lie(
                    source, f"live, {age} s old, and for {hidden:.1f} s it has been neither right nor said to be stale"
                )
            if age is not None and age > self._service.settings.stale_after_seconds and required and not missing:
                self._lie(source, "ready with a picture older than allowed")

    def _lie(self, source: Source, what: str) -> None:
        self._lies.setdefault((source, what[:5]), f"{self._clock():.1f} s: {source}: {what}")
