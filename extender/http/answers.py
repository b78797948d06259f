"""Replies as both ports send them: without a Server header, and refusals without a text of anybody's."""

from typing import Final

from aiohttp import hdrs, web

__all__ = ["Answer", "refusal"]

#: What a refusal says in place of aiohttp's text, which repeats parts of the request.
_EMPTY: Final = b""


class Answer(web.Response):
    """A response that does not say what program and version sent it."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall(hdrs.SERVER, None)


def refusal(status: int) -> Answer:
    """An empty answer after which the connection is closed."""
    answer = Answer(status=status, body=_EMPTY)
    answer.force_close()
    return answer
