"""The scheduler port: reads a call of kube-scheduler, lets the verbs decide, writes the reply.

What kube-scheduler's client needs (pkg/scheduler/extender.go): status 200 is the only success and every other
body is thrown away, so failures that people should read travel as 200 with `Error`; replies have a
Content-Length and other statuses an empty body, or the connection is not reused.

Statuses: 200 answered; 404 unknown path; 405 not POST; 408 body too slow; 413 body too large; 400 broken
body or as the verb says; 500 fault in prioritize (kube-scheduler then goes on without our scores).

Built on aiohttp's low-level server: no router and no middleware stand between the socket and the verbs.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog
from aiohttp import hdrs, web
from multidict import CIMultiDict

from extender.config import Limits
from extender.http.answers import Answer
from extender.http.connections import mark_used
from extender.observe.decisions import DecisionLog
from extender.observe.metrics import Metrics
from extender.verbs.call import Call, Unreadable
from extender.verbs.missing_objects import MissingObjects
from extender.verbs.reply import Reply
from extender.verbs.service import Verbs

__all__ = ["SchedulerApp"]

_HEADERS: Final = CIMultiDict({hdrs.CONTENT_TYPE: "application/json"})

#: What the pod's event shows after a fault of ours; the text is constant, so that it starts no retry loop.
_FILTER_FAULT: Final = b'{"Error":"fastfit: internal error, see the log of the extender"}'

#: A verb: a call that was read, and the time, to a reply.
_Decide = Callable[[Call | Unreadable, float], Reply]

_log = structlog.get_logger(__name__)


class _Refused(Exception):
    """A request that never reaches a verb, with the status and outcome that it gets."""

    def __init__(self, status: int, outcome: str) -> None:
        super().__init__(status, outcome)
        self.status = status
        self.outcome = outcome


class SchedulerApp:
    """The handler of the scheduler port. `draining` makes every reply say `Connection: close`."""

    def __init__(
        self,
        verbs: Verbs,
        metrics: Metrics,
        decisions: DecisionLog,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        *,
        wait_s: float = 0.0,
    ) -> None:
        """`clock` gives the verbs' `now`; `wait_s`: how long a call may wait for objects that it names, 0 not at all."""
        self.draining = False
        self._verbs = verbs
        self._wait_s = wait_s
        self._calls = {"/filter": ("filter", verbs.filter), "/prioritize": ("prioritize", verbs.prioritize)}
        self._metrics = metrics
        self._decisions = decisions
        self._limits = limits
        self._clock = clock

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request. Never raises."""
        began = time.perf_counter()
        verb = "none"
        try:
            verb, decide = self._call(request)
            body = await self._body(request)
        except _Refused as refused:
            outcome = refused.outcome
            response: web.Response = Answer(status=refused.status)
            if refused.status == 405:
                response.headers[hdrs.ALLOW] = hdrs.METH_POST
        else:
            response, outcome = await self._answer(request, verb, decide, body)
        if self.draining or not request.content.is_eof():
            # the next call goes to another replica; or the rest of this body stands in the way of a next call
            response.force_close()
        self._metrics.request(verb, outcome, time.perf_counter() - began)
        return response

    def _call(self, request: web.BaseRequest) -> tuple[str, _Decide]:
        """The verb that is asked for, and what decides it."""
        call = self._calls.get(request.path)
        if call is None:
            raise _Refused(404, "not_found")
        if request.method != hdrs.METH_POST:
            raise _Refused(405, "not_post")
        return call

    async def _answer(
        self, request: web.BaseRequest, verb: str, decide: _Decide, body: bytes
    ) -> tuple[web.Response, str]:
        """Read the call, wait for what it has overtaken, decide it."""
        try:
            call = self._verbs.read(body)
            if not isinstance(call, Unreadable):
                mark_used(request)
            if self._wait_s and (missing := self._verbs.missing(call)) is not None:
                await self._wait(missing)
            # No await from here to the reply.
            self._decisions.begin()
            reply = decide(call, self._clock())
        except Exception:  # noqa: BLE001 - a fault with one pod must not stop the others
            _log.exception("a verb failed", verb=verb, body_bytes=len(body))
            if verb == "filter":
                return Answer(body=_FILTER_FAULT, headers=_HEADERS), "fault"
            return Answer(status=500), "fault"
        if reply.status != 200:
            return Answer(status=reply.status), reply.outcome
        return Answer(body=reply.body, headers=_HEADERS), reply.outcome

    async def _wait(self, missing: MissingObjects) -> None:
        """Give objects that the pod has overtaken a moment to come. Other calls are answered meanwhile."""
        came = asyncio.Event()
        missing.on_arrival(came.set)
        try:
            async with asyncio.timeout(self._wait_s):
                while not missing.complete:
                    came.clear()
                    await came.wait()
        except TimeoutError:
            pass
        finally:
            missing.close()
        self._metrics.waited(missing.complete)

    async def _body(self, request: web.BaseRequest) -> bytes:
        """The whole body, bounded in size and time."""
        limit = self._limits.body_bytes
        length = request.content_length
        if length is not None and length > limit:
            raise _Refused(413, "too_large")
        content = request.content
        chunks: list[bytes] = []
        size = 0
        try:
            if content.is_eof():
                chunks.append(content.read_nowait())
                size = len(chunks[0])
            else:
                async with asyncio.timeout(self._limits.request_seconds):
                    await _expected(request)
                    while size <= limit and not content.at_eof():
                        chunks.append(await content.readany())
                        size += len(chunks[-1])
        except TimeoutError:
            raise _Refused(408, "too_slow") from None
        except (ConnectionError, web.RequestPayloadError):
            raise _Refused(400, "broken") from None
        if size > limit:
            raise _Refused(413, "too_large")
        return b"".join(chunks)


async def _expected(request: web.BaseRequest) -> None:
    """Ask for the body if the caller waits for that; curl does before a large one, and else waits a second."""
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # these bytes are not part of the reply
        request.writer.output_size = 0
