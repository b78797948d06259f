"""Both ports: open, serve, drain, close. One process, one event loop, no worker processes."""

import asyncio
import signal
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Final

import structlog
from aiohttp import web

from extender.config import Settings
from extender.http.address import Address, check_exposure, listen
from extender.http.app import SchedulerApp
from extender.http.connections import ACCEPTS_PER_TURN, BACKLOG, HANDSHAKE_S, Connections, Policy
from extender.http.health import Health
from extender.http.ops import Explain, Targets, ops_app
from extender.http.ops_connections import OPS_CONNECTIONS, BusiestAddressFirst
from extender.http.scheduler_connections import LeastUsedFirst
from extender.http.tls import ServerTls
from extender.observe.decisions import DecisionLog
from extender.observe.metrics import Metrics
from extender.verbs.service import Verbs

__all__ = ["BIND_FLAG", "OPS_BIND_FLAG", "Server", "stop_on_signals"]

BIND_FLAG: Final = "--bind"
OPS_BIND_FLAG: Final = "--ops-bind"

_OPS_KEEP_ALIVE_S: Final = 75.0

#: Seconds for running requests to end while closing; a verb takes milliseconds.
_CLOSE_S: Final = 2.0

#: Seconds that the rest of a refused body is read and thrown away, so that its sender sees the status.
_LINGER_S: Final = 1.0

_log = structlog.get_logger(__name__)


class Server:
    """The scheduler port and the operations port. Call `start`, then `drain` and `close`, or `run` for all."""

    def __init__(
        self,
        settings: Settings,
        verbs: Verbs,
        *,
        metrics: Metrics,
        decisions: DecisionLog,
        health: Health,
        bind: Address,
        ops_bind: Address,
        explain: Explain | None = None,
        targets: Targets | None = None,
        about: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises ConfigError for an exposed port or unusable TLS files. `clock` gives the verbs' `now`."""
        check_exposure(bind, settings, BIND_FLAG)
        self._settings = settings
        self._metrics = metrics
        self._health = health
        self._bind = bind
        self._ops_bind = ops_bind
        self._tls = ServerTls(settings.tls) if settings.tls is not None else None
        self._listeners: list[asyncio.Server] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._runners: list[web.BaseRunner] = []
        self._connections: list[Connections] = []
        self._app = SchedulerApp(
            verbs, metrics, decisions, settings.limits, clock, wait_s=settings.wait_for_vm_milliseconds / 1000
        )
        self._ops = ops_app(
            health,
            metrics,
            decisions,
            remote_debug=settings.debug.remote,
            explain=explain,
            targets=targets,
            about=about,
        )

    async def start(self) -> None:
        """Open both ports; ConfigError if one cannot be had, and then neither is open."""
        sockets: list[socket.socket] = []
        try:
            sockets.append(listen(self._bind, BIND_FLAG))
            sockets.append(listen(self._ops_bind, OPS_BIND_FLAG))
        except Exception:
            for sock in sockets:
                sock.close()
            raise
        context = self._tls.context if self._tls is not None else None
        limits, keep_alive = self._settings.limits, float(self._settings.server.keep_alive_seconds)
        scheduler = web.ServerRunner(web.Server(self._app.handle), shutdown_timeout=_CLOSE_S)
        await self._open(
            scheduler,
            sockets[0],
            limit=limits.connections,
            port="scheduler",
            policy=LeastUsedFirst(),
            keep_alive_s=keep_alive,
            context=context,
        )
        operations = web.AppRunner(self._ops, shutdown_timeout=_CLOSE_S)
        await self._open(
            operations,
            sockets[1],
            limit=OPS_CONNECTIONS,
            port="operations",
            policy=BusiestAddressFirst(),
            keep_alive_s=_OPS_KEEP_ALIVE_S,
            context=None,
        )
        self._metrics.gc.start()
        self._tasks.append(asyncio.create_task(self._metrics.pulse.run(), name="pulse"))
        if self._tls is not None:
            self._tasks.append(asyncio.create_task(self._tls.run(), name="tls files"))
        _log.info("serving", scheduler=self.url, operations=self.ops_url)

    async def _open(
        self,
        runner: web.BaseRunner,
        sock: socket.socket,
        *,
        limit: int,
        port: str,
        policy: Policy,
        keep_alive_s: float,
        context: ssl.SSLContext | None,
    ) -> None:
        await runner.setup()
        self._runners.append(runner)
        assert runner.server is not None
        connections = Connections(
            runner.server,
            limit,
            port,
            policy,
            keepalive_timeout=keep_alive_s,
            access_log=None,
            lingering_time=_LINGER_S,
            # kube-scheduler never compresses; a small body must not become a large one
            auto_decompress=False,
        )
        listener = await asyncio.get_running_loop().create_server(
            connections,
            sock=sock,
            backlog=ACCEPTS_PER_TURN,
            ssl=context,
            ssl_handshake_timeout=HANDSHAKE_S if context is not None else None,
            ssl_shutdown_timeout=_CLOSE_S if context is not None else None,
        )
        # asyncio takes one number for both: what Linux keeps waiting, and what a turn of the loop accepts
        sock.listen(BACKLOG)
        self._listeners.append(listener)
        self._connections.append(connections)

    @property
    def url(self) -> str:
        """Where kube-scheduler reaches the verbs; the real port where 0 was asked for."""
        return f"{'http' if self._tls is None else 'https'}://{self._address(0, self._bind)}"

    @property
    def ops_url(self) -> str:
        """Where the operations port is."""
        return f"http://{self._address(1, self._ops_bind)}"

    @property
    def scheduler_connections(self) -> int:
        """Connections that the scheduler port holds now."""
        return len(self._connections[0]) if self._connections else 0

    def _address(self, at: int, asked: Address) -> Address:
        sockets = self._listeners[at].sockets if at < len(self._listeners) else ()
        return Address(*sockets[0].getsockname()[:2]) if sockets else asked

    async def drain(self) -> None:
        """Become un-ready and go on answering for `server.drainSeconds`; every reply closes its connection."""
        self._health.draining = True
        self._app.draining = True
        _log.info("draining", seconds=self._settings.server.drain_seconds)
        await asyncio.sleep(self._settings.server.drain_seconds)

    async def close(self) -> None:
        """Close both ports and everything that belongs to them. May be called twice."""
        for listener in self._listeners:
            listener.close()
        for runner in self._runners:
            await runner.cleanup()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._listeners, self._runners, self._tasks, self._connections = [], [], [], []
        self._metrics.gc.stop()

    async def run(self, stop: asyncio.Event, hurry: asyncio.Event) -> None:
        """Serve until `stop` is set, then drain and close; `hurry` cuts draining short."""
        try:
            await self.start()
            await stop.wait()
            drain, hurried = asyncio.create_task(self.drain()), asyncio.create_task(hurry.wait())
            await asyncio.wait((drain, hurried), return_when=asyncio.FIRST_COMPLETED)
            for task in (drain, hurried):
                task.cancel()
            await asyncio.gather(drain, hurried, return_exceptions=True)
        finally:
            await self.close()


def stop_on_signals() -> tuple[asyncio.Event, asyncio.Event]:
    """The events for `Server.run`: the first SIGTERM or SIGINT sets the one, a second one the other."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def note() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, note)
    return stop, hurry
