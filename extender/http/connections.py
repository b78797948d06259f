"""How many connections one port keeps, and which one gives way.

aiohttp has no such limit, and closes a connection that never sends a request only after the keep-alive
time. Here, when the port is full, one gives way to the new one: the oldest that has never sent a whole
request, else one that leaves its reply unread, else the one that has sent fewest. One that has sent a
request just now is spared, for its reply may be on its way. So neither half-open connections nor slow
bodies, unread replies or idle strangers can lock out a kube-scheduler that starts anew, and one that has
called for long is the last to be cut.

TLS handshakes do not count before they are done: strangers without a certificate must not fill the port.
"""

import asyncio
from typing import Any, Final

import structlog
from aiohttp import web

__all__ = ["HANDSHAKE_S", "Connections", "mark_used"]

#: Seconds that a TLS handshake may take (`ssl_handshake_timeout` of the listener).
HANDSHAKE_S: Final = 10.0

_WARN_EVERY_S: Final = 60.0

#: Seconds after a whole request for which a connection is not cut: more than a caller that reads needs for the reply.
_REST_S: Final = 2.0

_log = structlog.get_logger(__name__)


class _Handler(web.RequestHandler):
    """aiohttp's connection, admitted and counted by its `Connections`."""

    __slots__ = ("_owner",)

    def __init__(self, owner: "Connections", server: web.Server, **options: Any) -> None:
        super().__init__(server, **options)
        self._owner = owner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if self._owner.admit(self):
            super().connection_made(transport)
        else:
            transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._owner.lost(self)

    def mark_used(self) -> None:
        self._owner.used(self)


def mark_used(request: web.BaseRequest) -> None:
    """Every request handler says this once a whole request has come: from now on the connection is a known one."""
    if isinstance(request.protocol, _Handler):
        request.protocol.mark_used()


class Connections:
    """A protocol factory for `loop.create_server`: the connections of one web.Server."""

    def __init__(self, server: web.Server, limit: int, port: str, **options: Any) -> None:
        """`port` names the port in the log; `options` go to aiohttp's RequestHandler."""
        self._server = server
        self._limit = limit
        self._port = port
        self._options = options
        self._open: set[web.RequestHandler] = set()
        #: those of them that have not sent a whole request yet, oldest first (a dict as ordered set)
        self._silent: dict[web.RequestHandler, None] = {}
        #: of the others, how many requests they have sent, and when the last one came
        self._used: dict[web.RequestHandler, tuple[int, float]] = {}
        self._warned_at = float("-inf")

    def __len__(self) -> int:
        return len(self._open)

    def __call__(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        return _Handler(self, self._server, loop=asyncio.get_running_loop(), **self._options)

    def admit(self, handler: web.RequestHandler) -> bool:
        """Count a connection that is open now; False if there is no room for it."""
        if len(self._open) >= self._limit and not self._make_room():
            return False
        self._open.add(handler)
        self._silent[handler] = None
        return True

    def used(self, handler: web.RequestHandler) -> None:
        """A whole request came in on this connection."""
        if handler in self._open:
            self._silent.pop(handler, None)
            requests, _ = self._used.get(handler, (0, 0.0))
            self._used[handler] = requests + 1, self._now()

    def lost(self, handler: web.RequestHandler) -> None:
        """The connection is gone."""
        self._open.discard(handler)
        self._silent.pop(handler, None)
        self._used.pop(handler, None)

    def _make_room(self) -> bool:
        now = self._now()
        chosen = next(iter(self._silent), None) or self._dispensable(now)
        if chosen is not None:
            transport = chosen.transport
            self.lost(chosen)
            chosen.force_close()
            if transport is not None:
                # a reply that nobody reads would keep it open for ever
                transport.abort()
            return True
        if now - self._warned_at >= _WARN_EVERY_S:
            self._warned_at = now
            _log.warning("connection refused: the port has as many as it may keep", port=self._port, limit=self._limit)
        return False

    def _dispensable(self, now: float) -> web.RequestHandler | None:
        """The first whose reply is not read, else the one with fewest requests, if it rests; None if it does not."""
        resting = [handler for handler, (_, last) in self._used.items() if now - last >= _REST_S]
        for handler in resting:
            if handler.transport is not None and handler.transport.get_write_buffer_size():
                return handler
        least = min(self._used, key=self._used.__getitem__)
        return least if least in resting else None

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
