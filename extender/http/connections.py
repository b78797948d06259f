"""How many connections a port keeps, and which one gives way.

aiohttp has no such limit, and closes a connection that never sends a request only after the keep-alive
time. Here, when a port is full, one gives way to a new one; which one is for the port to say
(`scheduler_connections.py`, `ops_connections.py`).

TLS handshakes do not count before they are done: strangers without a certificate must not fill the port.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from extender.http.answers import Answer, refusal

__all__ = [
    "ACCEPTS_PER_TURN",
    "BACKLOG",
    "HANDSHAKE_S",
    "Connection",
    "Connections",
    "LimitedLog",
    "Policy",
    "mark_used",
]

#: Seconds that a TLS handshake may take (`ssl_handshake_timeout` of the listener).
HANDSHAKE_S: Final = 10.0

#: Connections that one turn of the event loop accepts. A flood of them must not hold up calls for longer than this takes,
#: nor push a new connection out before its request is read, which takes four turns.
ACCEPTS_PER_TURN: Final = 16

#: Connections that Linux keeps waiting meanwhile (it lowers this to net.core.somaxconn).
BACKLOG: Final = 1024

_log = structlog.get_logger(__name__)


class LimitedLog:
    """Logs an event once per `every_s` at most; the next line says how many were left out."""

    def __init__(self, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._every_s = every_s
        self._clock = clock
        self._at = float("-inf")
        self._left_out = 0

    def warning(self, event: str, **fields: object) -> None:
        """As a logger's, but for the limit."""
        now = self._clock()
        if now - self._at < self._every_s:
            self._left_out += 1
            return
        more = {"left_out": self._left_out} if self._left_out else {}
        self._at, self._left_out = now, 0
        _log.warning(event, **fields, **more)


class Connection(web.RequestHandler):
    """aiohttp's connection, admitted and counted by its `Connections`."""

    __slots__ = ("_owner", "address", "busy", "requests")

    def __init__(self, owner: "Connections", server: web.Server, **options: Any) -> None:
        super().__init__(server, **options)
        self._owner = owner
        #: the IP address of the other side
        self.address = ""
        #: requests that came in whole; and whether one of them is being answered
        self.requests = 0
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit it, or cut it at once."""
        assert isinstance(transport, asyncio.Transport)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) else ""
        if self._owner.admit(self):
            super().connection_made(transport)
        else:
            transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """It no longer counts."""
        super().connection_lost(exc)
        self._owner.lost(self)

    def mark_used(self) -> None:
        """See the function of that name."""
        self._owner.used(self)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's; it repeats parts of the request
    ) -> web.StreamResponse:
        """An empty refusal. Of what is not HTTP the log gets the class of the error, a line per second, no traceback."""
        if exc is None or isinstance(exc, HttpProcessingError):
            self._owner.bad_request(exc)
        else:
            _log.error("a fault in a request", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the reply has been sent")
        return refusal(status)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the response; one that aiohttp made (an Expect that it does not know) becomes a plain refusal."""
        answer = resp if isinstance(resp, Answer) else refusal(getattr(resp, "status", 500))
        return await super().finish_response(request, answer, start_time)


class Policy(Protocol):
    """Which connection gives way. It is told of every one that comes, is used and goes."""

    def came(self, connection: Connection) -> None:
        """A connection was admitted."""

    def used(self, connection: Connection) -> None:
        """A call that could be read came in on this connection."""

    def gone(self, connection: Connection) -> None:
        """The connection no longer counts."""

    def give_way(self, address: str, *, full: bool) -> Connection | None:
        """The one that makes room for a new one from `address`. None: none need go, or where it is full, none may."""


class Connections:
    """A protocol factory for `loop.create_server`: the connections of one web.Server."""

    def __init__(self, server: web.Server, limit: int, port: str, policy: Policy, **options: Any) -> None:
        """`port` names the port in the log; `options` go to aiohttp's RequestHandler."""
        self._server = server
        self._limit = limit
        self._port = port
        self._policy = policy
        self._options = options
        self._open: set[Connection] = set()
        self._refused = LimitedLog(60.0)
        self._bad = LimitedLog(1.0)

    def __len__(self) -> int:
        return len(self._open)

    def __call__(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        return Connection(self, self._server, loop=asyncio.get_running_loop(), **self._options)

    def admit(self, connection: Connection) -> bool:
        """Count a connection that is open now; False if there is no room for it."""
        full = len(self._open) >= self._limit
        chosen = self._policy.give_way(connection.address, full=full)
        if chosen is not None:
            self._cut(chosen)
        elif full:
            self._refused.warning(
                "connection refused: the port has as many as it may keep", port=self._port, limit=self._limit
            )
            return False
        self._open.add(connection)
        self._policy.came(connection)
        return True

    def used(self, connection: Connection) -> None:
        """A call that could be read came in on this connection."""
        if connection in self._open:
            self._policy.used(connection)

    def lost(self, connection: Connection) -> None:
        """The connection is gone."""
        if connection in self._open:
            self._open.discard(connection)
            self._policy.gone(connection)

    def bad_request(self, error: BaseException | None) -> None:
        """Something came that is not HTTP."""
        self._bad.warning("bad request", port=self._port, error=type(error).__name__)

    def _cut(self, connection: Connection) -> None:
        transport = connection.transport
        self.lost(connection)
        connection.force_close()
        if transport is not None:
            # a reply that nobody reads would keep it open for ever
            transport.abort()


def mark_used(request: web.BaseRequest) -> None:
    """A call that can be read has come: from now on the connection is a known one."""
    if isinstance(request.protocol, Connection):
        request.protocol.mark_used()
