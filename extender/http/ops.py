"""The operations port: probes, metrics, and what people look at when a VM does not start.

GET only. /livez, /readyz and /startupz answer 200 or 503 and name what is missing; /metrics is Prometheus's;
/debug/* show names of pods and nodes, so they answer this machine alone unless `debug.remote` is set. Who
asks is judged by the connection's peer, never by a header.

The port shares the event loop with kube-scheduler's calls, so whoever asks too often waits (`ops_connections.py`),
the page of metrics is made twice a second at most, and a refusal ends the connection.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import orjson
import structlog
from aiohttp import hdrs, web

from extender.http.address import is_loopback
from extender.http.answers import Answer
from extender.http.connections import Connection
from extender.http.health import Health
from extender.http.ops_connections import Budget, Turns
from extender.observe.decisions import DecisionLog
from extender.observe.metrics import Metrics, wants_openmetrics

__all__ = ["Explain", "Targets", "ops_app"]

#: Explains a pod (namespace, name) as JSON; None: no such pod.
Explain = Callable[[str, str], bytes | None]

#: Tells a running VM's migration targets (namespace, name, at most so many nodes) as JSON; None: no such VM.
Targets = Callable[[str, str, int], bytes | None]

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_SECURITY: Final = {
    hdrs.CACHE_CONTROL: "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
#: Nodes that /debug/targets shows unless asked otherwise, and at most: each costs about 0.1 ms of the event loop.
_NODES: Final = 100
_MAX_NODES: Final = 1000

_JSON: Final = "application/json"

_PROBES: Final = frozenset({"/livez", "/readyz", "/startupz"})

#: Pages of metrics that are made per second, and at once after a rest; whoever asks more often gets the last one again.
_PAGES_PER_SECOND: Final = 2.0
_PAGES_AT_ONCE: Final = 5.0

_log = structlog.get_logger(__name__)


def ops_app(
    health: Health,
    metrics: Metrics,
    decisions: DecisionLog,
    *,
    remote_debug: bool,
    explain: Explain | None = None,
    targets: Targets | None = None,
    about: Mapping[str, str] | None = None,
) -> web.Application:
    """The application of the operations port.

    `about` (version, backend) is shown by /readyz. `explain` and `targets` run in the event loop: they delay
    scheduling by as long as they take, which is why they are behind /debug.
    """
    pages = _Pages(metrics)

    def probe(ask: Callable[[], list[str]]) -> _Handler:
        async def answer(_request: web.Request) -> web.StreamResponse:
            missing = ask()
            body = orjson.dumps({"ok": not missing, "missing": missing, **(about or {})})
            return Answer(status=503 if missing else 200, body=body, content_type=_JSON)

        return answer

    async def show_metrics(request: web.Request) -> web.StreamResponse:
        body, content_type = pages.render(request.headers.get(hdrs.ACCEPT) or "")
        return Answer(body=body, headers={hdrs.CONTENT_TYPE: content_type})

    async def show_decisions(request: web.Request) -> web.StreamResponse:
        return Answer(body=decisions.to_json(request.query.get("pod")), content_type=_JSON)

    async def show_explanation(request: web.Request) -> web.StreamResponse:
        namespace, slash, name = request.query.get("pod", "").partition("/")
        if not (namespace and slash and name):
            return _problem(400, "say which pod: ?pod=NAMESPACE/NAME")
        if missing := health.unstarted():
            return _problem(503, f"not ready: {'; '.join(missing)}")
        body = None if explain is None else explain(namespace, name)
        if body is None:
            return _problem(404, f"no pod {namespace}/{name}")
        return Answer(body=body, content_type=_JSON)

    async def show_targets(request: web.Request) -> web.StreamResponse:
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        nodes = request.query.get("nodes", str(_NODES))
        if not (nodes.isascii() and nodes.isdecimal() and 0 < len(nodes) <= 4 and 1 <= int(nodes) <= _MAX_NODES):
            return _problem(400, f"nodes: a number from 1 to {_MAX_NODES}, how many nodes to show")
        if missing := health.unstarted():
            return _problem(503, f"not ready: {'; '.join(missing)}")
        body = None if targets is None else targets(namespace, name, int(nodes))
        if body is None:
            text = f"no running VM {namespace}/{name} that holds CPUs, huge pages or devices of a node"
            return _problem(404, text)
        return Answer(body=body, content_type=_JSON)

    app = web.Application(middlewares=[_guard(remote=remote_debug)], client_max_size=1024)
    app.router.add_get("/livez", probe(health.dead))
    app.router.add_get("/readyz", probe(health.missing))
    app.router.add_get("/startupz", probe(health.unstarted))
    app.router.add_get("/metrics", show_metrics)
    app.router.add_get("/debug/decisions", show_decisions)
    if explain is not None:
        app.router.add_get("/debug/explain", show_explanation)
    if targets is not None:
        app.router.add_get("/debug/targets/{namespace}/{name}", show_targets)
    return app


class _Pages:
    """The pages of metrics, one per format, made anew as often as the budget allows."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._budget = Budget(_PAGES_PER_SECOND, _PAGES_AT_ONCE, time.monotonic)
        #: the last page and its content type, by whether it is OpenMetrics
        self._last: dict[bool, tuple[bytes, str]] = {}

    def render(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type."""
        form = wants_openmetrics(accept)
        if self._budget.spend() or form not in self._last:
            self._last[form] = self._metrics.render(accept)
        return self._last[form]


def _guard(*, remote: bool) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Keeps strangers from /debug, turns faults into plain statuses, adds the security headers."""
    turns = Turns(time.monotonic)

    @web.middleware
    async def guard(request: web.Request, handler: _Handler) -> web.StreamResponse:
        connection = request.protocol
        if not isinstance(connection, Connection):
            return await answer(request, handler)
        connection.requests += 1
        connection.busy = True
        try:
            if wait := turns.wait_s(connection, probe=request.path in _PROBES):
                await asyncio.sleep(wait)
            return await answer(request, handler)
        finally:
            connection.busy = False

    async def answer(request: web.Request, handler: _Handler) -> web.StreamResponse:
        if request.path.startswith("/debug/") and not (remote or _from_here(request)):
            response: web.StreamResponse = _problem(403, "answered on this machine alone; debug.remote opens it")
        else:
            try:
                response = await handler(request)
            except web.HTTPException as refused:
                response = _problem(refused.status, refused.reason)
                if isinstance(refused, web.HTTPMethodNotAllowed):
                    response.headers[hdrs.ALLOW] = refused.headers[hdrs.ALLOW]
            except Exception:  # noqa: BLE001 - a fault in a page is that page's alone
                _log.exception("an operations page failed", path=request.path)
                response = _problem(500, "internal error, see the log")
        response.headers.update(_SECURITY)
        if response.status >= 400 and response.status != 503:
            # what is refused earns no connection; a probe's 503 is an answer
            response.force_close()
        return response

    return guard


def _from_here(request: web.Request) -> bool:
    transport = request.transport
    peer = transport.get_extra_info("peername") if transport is not None else None
    return isinstance(peer, tuple) and is_loopback(str(peer[0]))


def _problem(status: int, text: str) -> web.Response:
    return Answer(status=status, body=orjson.dumps({"error": text}), content_type=_JSON)
