"""The refusals of the fake API server."""

from aiohttp import web

from tests.kit.fakeapi.store import Object

__all__ = ["refusal", "status"]

REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


def status(code: int, message: str = "", cause: str = "") -> Object:
    """A meta/v1 Status."""
    reason = REASONS.get(code, "")
    return {
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message or reason,
        "details": {"causes": [{"reason": cause}]} if cause else None,
    }


def refusal(code: int, message: str = "", *, retry_after: int | str | None = None, cause: str = "") -> web.Response:
    """A response with a Status as its body."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return web.json_response(status(code, message, cause), status=code, headers=headers)
