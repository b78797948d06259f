"""The state of a source, and how old its objects in the cache are."""

from dataclasses import dataclass
from enum import StrEnum

from extender.cache.events import Source
from extender.watch.kinds import Need

__all__ = ["SourceStatus", "State"]


class State(StrEnum):
    """Of one source. EMPTY -> SYNCING -> LIVE <-> STALE; in ABSENT and OFF the cache has no objects of it."""

    #: no list yet, and no answer yet
    EMPTY = "empty"
    #: the first list is arriving
    SYNCING = "syncing"
    #: the cache follows a watch
    LIVE = "live"
    #: the cache is still used, but events may be missing: the watch failed, or a new list is arriving
    STALE = "stale"
    #: the API server does not serve this kind
    ABSENT = "absent"
    #: switched off in the configuration
    OFF = "off"


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source at one moment."""

    source: Source
    need: Need
    state: State
    #: seconds since the last line of the watch, or since the kind was last found not served; None before both
    age_seconds: float | None
    #: lists taken after the first
    resyncs: int
    #: objects in the cache; without pods that hold nothing (trimming.py)
    objects: int
    #: objects that could not be read, since the start
    skipped: int
    #: the last failure, until the source is LIVE again; "" without one
    last_error: str
    #: whether the API server has given a definite answer once: a list, "not served" or "forbidden"
    settled: bool
    #: the class of the last failure; unlike its text it names no addresses, users or objects
    error_class: str = ""

    def obstacle(self, stale_after_s: float) -> str:
        """Why this source keeps us from being ready; "" when it does not.

        Cached objects count until they are older than `stale_after_s`, even while the watch is down: a rolling restart
        of the API servers must not make every replica unready at once. An optional source only delays the start.
        """
        if self.need is Need.OFF or (self.need is Need.OPTIONAL and self.settled):
            return ""
        because = f" (last error: {self.error_class})" if self.error_class else ""
        match self.state:
            case State.EMPTY | State.SYNCING:
                return f"{self.source}: not synced yet{because}"
            case State.ABSENT:
                return (
                    f"{self.source}: required, but the API server does not serve it; "
                    f"install its CRD or set sources.{self.source} to optional"
                )
            case State.LIVE | State.STALE if self.age_seconds is not None and self.age_seconds > stale_after_s:
                return f"{self.source}: nothing heard for {self.age_seconds:.0f} s, limit {stale_after_s:g} s{because}"
        return ""
