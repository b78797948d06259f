"""How many connections one port keeps, and which one gives way.

aiohttp has no such limit, and closes a connection that never sends a request only after the keep-alive
time. Here, when the port is full, the connection that has waited longest without a first request gives way
to the new one; a connection that was used is never cut for another. So half-open connections cannot lock
kube-scheduler out, and its own idle ones live as long as promised.

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
    """Every request handler says this first: its connection is in use and gives way to no other."""
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
        #: those of them that have not sent a request yet, oldest first (a dict as ordered set)
        self._silent: dict[web.RequestHandler, None] = {}
        self._warned_at = float("-inf")

    def __len__(self) -> int:
        return len(self._open)

    def __call__(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        return _Handler(self, self._server, loop=asyncio.get_running_loop(), **self._options)

    def admit(self, handler: web.RequestHandler) -> bool:
        """Count a connection that now stands; False if there is no room for it."""
        if len(self._open) >= self._limit and not self._make_room():
            return False
        self._open.add(handler)
        self._silent[handler] = None
        return True

    def used(self, handler: web.RequestHandler) -> None:
        """A request came in on this connection."""
        self._silent.pop(handler, None)

    def lost(self, handler: web.RequestHandler) -> None:
        """The connection is gone."""
        self._open.discard(handler)
        self._silent.pop(handler, None)

    def _make_room(self) -> bool:
        oldest = next(iter(self._silent), None)
        if oldest is not None:
            self.lost(oldest)
            oldest.force_close()
            return True
        now = asyncio.get_running_loop().time()
        if now - self._warned_at >= _WARN_EVERY_S:
            self._warned_at = now
            _log.warning("connection refused: the port has as many as it may keep", port=self._port, limit=self._limit)
        return False
