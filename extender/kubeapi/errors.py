"""What can go wrong between us and the API server, as one exception type per way to react to it.

Raised by the transport and by the reading of watch lines; seen by the reflector and by commands that
read the cluster once. All are ClusterError: the text names the verb, the resource and the remedy.
The original network error, where there is one, is chained as the cause.
"""

import msgspec

from extender.errors import ClusterError
from extender.kubeapi.resource import Resource

__all__ = [
    "ApiFailure",
    "Forbidden",
    "Gone",
    "LineTooLong",
    "NotFound",
    "NotStreamed",
    "PageTooLarge",
    "Rejected",
    "Silence",
    "Status",
    "Unauthorized",
    "Unreachable",
    "Unreadable",
    "failure",
]

#: A server may ask for any delay; a longer one than this is not honoured, so that a bad value cannot freeze a source.
LONGEST_RETRY_AFTER_S = 120.0


class Cause(msgspec.Struct, frozen=True):
    """One entry of `Status.details.causes`."""

    reason: str = ""
    message: str = ""


class Details(msgspec.Struct, rename="camel", frozen=True):
    """`Status.details`."""

    causes: list[Cause] | None = None
    retry_after_seconds: int = 0


class Status(msgspec.Struct, frozen=True):
    """meta/v1 Status: the body of a refusal, and the object of an ERROR event."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: Details | None = None


class Unreachable(ClusterError):
    """No answer: connection refused, reset, cut in the middle, name not found, TLS not accepted, time is up."""


class Silence(Unreachable):
    """Nothing came for too long on a watch that should bring a bookmark every minute; the connection may be dead."""


class NotStreamed(ClusterError):
    """The server does not send its list on a watch (no WatchList); pages must be read."""


class Unreadable(ClusterError):
    """An answer that is not what the API promises, e.g. the page of a proxy between us and the server."""


class LineTooLong(ClusterError):
    """A watch line longer than we are willing to hold; its object can only be read from a list."""


class PageTooLarge(ClusterError):
    """A list page longer than we are willing to hold; ask for fewer objects per page."""


class ApiFailure(ClusterError):
    """The API server answered, and the answer is no. Codes that need their own reaction have a subclass."""

    def __init__(self, text: str, status: Status, retry_after_s: float) -> None:
        super().__init__(text)
        self.status = status
        #: seconds the server asked us to wait; 0 when it did not
        self.retry_after_s = retry_after_s


class Unauthorized(ApiFailure):
    """401: the credentials are not accepted, after they were read again."""


class Forbidden(ApiFailure):
    """403: a rule of RBAC is missing."""


class NotFound(ApiFailure):
    """404: for a collection, the kind is not served; for one object, there is none of that name."""


class Gone(ApiFailure):
    """410, or a resource version that the server has not reached: what we know cannot be continued."""


class Rejected(ApiFailure):
    """The request itself is not understood or not allowed (400, 405, 406, 415, 422): repeating it is useless."""


_BY_CODE: dict[int, type[ApiFailure]] = {
    400: Rejected,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: Rejected,
    406: Rejected,
    410: Gone,
    415: Rejected,
    422: Rejected,
}


def failure(verb: str, resource: Resource, status: Status, retry_after: str = "") -> ApiFailure:
    """The exception for a refusal of `verb` on `resource`; `retry_after` is the header's value, in seconds.

    A date in that header is ignored: it would need the wall clock, and the API server sends seconds.
    """
    kind = Gone if _version_too_large(status) else _BY_CODE.get(status.code, ApiFailure)
    remedy = _remedy(kind, verb, resource)
    text = f"{verb} {resource}: {status.code} {status.reason or 'no reason given'}"
    if status.message:
        text += f": {status.message}"
    if remedy:
        text += f" ({remedy})"
    details = status.details.retry_after_seconds if status.details else 0
    seconds = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else float(details)
    return kind(text, status, min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S))


def _version_too_large(status: Status) -> bool:
    """Whether the server is behind the resource version that we named, as after a restored backup of etcd."""
    causes = status.details.causes if status.details else None
    return any(cause.reason == "ResourceVersionTooLarge" for cause in causes or ())


def _remedy(kind: type[ApiFailure], verb: str, resource: Resource) -> str:
    if kind is Forbidden:
        return f"grant the verb {verb} on {resource} to the identity in use"
    if kind is Unauthorized:
        return "the token or certificate is not accepted; renew it"
    return ""
