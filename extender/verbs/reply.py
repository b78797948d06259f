"""What a verb hands to the HTTP server."""

from dataclasses import dataclass

__all__ = ["Reply"]


@dataclass(frozen=True, slots=True)
class Reply:
    """Status 200 with a body, or another status with an empty body: kube-scheduler discards the body of those.

    `outcome` is for metrics: ok, passed (not ours to judge), error, bad_request or not_ready.
    """

    status: int
    body: bytes
    outcome: str
