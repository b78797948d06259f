"""What the fake API server can do wrong. Each fault is used up by one request of its verb and resource."""

from collections.abc import Callable
from dataclasses import dataclass

__all__ = [
    "Close",
    "CutMidLine",
    "Disorder",
    "Duplicate",
    "ErrorEvent",
    "Fault",
    "Garbage",
    "NoAnswer",
    "Pass",
    "Refuse",
    "Silent",
]


@dataclass(frozen=True)
class Fault:
    """Base of all faults."""


@dataclass(frozen=True)
class Pass(Fault):
    """No fault: this request is served; `first` is called before."""

    first: Callable[[], object] | None = None


@dataclass(frozen=True)
class Refuse(Fault):
    """Answer with a status (410, 422, 429, 503, ...) instead of a list or a stream."""

    code: int
    #: seconds, or an HTTP date
    retry_after: int | str | None = None
    #: `details.causes[].reason`, e.g. ResourceVersionTooLarge
    cause: str = ""
    #: send this instead of a Status, as a proxy does
    body: bytes | None = None


@dataclass(frozen=True)
class ErrorEvent(Fault):
    """Send `after` events, then an ERROR event with this code, then end the stream."""

    code: int
    after: int = 0


@dataclass(frozen=True)
class CutMidLine(Fault):
    """Send `after` events, then half of the next one, then reset the connection (or close it as if complete)."""

    after: int = 0
    politely: bool = False


@dataclass(frozen=True)
class Garbage(Fault):
    """Send `after` events, then a line that is no event, then go on."""

    after: int = 0
    line: bytes = b"<html>502 Bad Gateway</html>"


@dataclass(frozen=True)
class Silent(Fault):
    """Send `after` events, then keep the connection open and send nothing more, not even bookmarks."""

    after: int = 0


@dataclass(frozen=True)
class NoAnswer(Fault):
    """Accept the request and never answer it."""


@dataclass(frozen=True)
class Close(Fault):
    """Accept the watch and end it cleanly after `after` events."""

    after: int = 0


@dataclass(frozen=True)
class Duplicate(Fault):
    """Send every event twice."""


@dataclass(frozen=True)
class Disorder(Fault):
    """Send events that are ready together in another order.

    Between objects the order is reversed. Within one object only a last form that comes after its own deletion is
    possible; no order of forms can be told apart without ordering resource versions, and no server sends that.
    """
