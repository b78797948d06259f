"""Failures of requests to the API server: one exception type for each reaction to it.

The transport and the decoding of watch lines raise them. The reflector and the commands that read the cluster once
handle them. All are ClusterErrors: the text names the verb, the resource and the remedy. A network error is chained as
the cause.
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

#: Longest Retry-After that is honoured, so that a bad value cannot stop a source.
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
    """No complete answer: connection refused, reset or cut, name not found, TLS not accepted, timeout."""


class Silence(Unreachable):
    """A watch was silent for too long, although it should bring a bookmark every minute; the connection may be dead."""


class NotStreamed(ClusterError):
    """The server does not stream lists on a watch (no WatchList); pages must be read."""


class Unreadable(ClusterError):
    """An answer that does not have the API's form, e.g. the error page of a proxy."""


class LineTooLong(ClusterError):
    """A watch line above the limit; its object can only be read from a list."""


class PageTooLarge(ClusterError):
    """A list page above the limit; fewer objects per page must be requested."""


class ApiFailure(ClusterError):
    """The API server answered with an error code. Codes with a reaction of their own have a subclass."""

    def __init__(self, text: str, status: Status, retry_after_s: float) -> None:
        super().__init__(text)
        self.status = status
        #: seconds that the server asked us to wait; 0: it did not ask
        self.retry_after_s = retry_after_s


class Unauthorized(ApiFailure):
    """401: the credentials are not accepted, although they were read again."""


class Forbidden(ApiFailure):
    """403: a rule of RBAC is missing."""


class NotFound(ApiFailure):
    """404: for a collection, the kind is not served; for one object, it does not exist."""


class Gone(ApiFailure):
    """410, or a resource version that the server has not reached: the watch cannot continue."""


class Rejected(ApiFailure):
    """The request itself is not understood or not allowed (400, 405, 406, 415, 422); repeating it does not help."""


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
    """The exception for an error answer to `verb` on `resource`. `retry_after`: the header's value, in seconds.

    A date in that header is ignored: reading it needs the wall clock, and the API server sends seconds.
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
    """Whether the server has not reached our resource version, as after etcd was restored from a backup."""
    causes = status.details.causes if status.details else None
    return any(cause.reason == "ResourceVersionTooLarge" for cause in causes or ())


def _remedy(kind: type[ApiFailure], verb: str, resource: Resource) -> str:
    if kind is Forbidden:
        return f"grant the verb {verb} on {resource} to the identity in use"
    if kind is Unauthorized:
        return "the token or certificate is not accepted; renew it"
    return ""
