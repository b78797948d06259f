"""The extender's scheduler port over a made-up cluster, with an echo beside it: run as a process by bench.latency."""

import asyncio
import contextlib
import sys
from collections.abc import Mapping
from typing import Final

import msgspec
from aiohttp import web

from bench.shared.filled_cluster import events, fill
from extender.api.objects import NodeResourceTopology, Pod
from extender.cache.events import Source
from extender.config import Settings
from extender.http.app import SchedulerApp
from extender.runtime.service import Service

#: Of the kinds that the watch events have.
_DECODERS: Final[Mapping[Source, msgspec.json.Decoder[Pod] | msgspec.json.Decoder[NodeResourceTopology]]] = {
    Source.PODS: msgspec.json.Decoder(Pod),
    Source.NRTS: msgspec.json.Decoder(NodeResourceTopology),
}


class Echo:
    """The extender and an echo. `/echo/N` reads the whole body and answers N bytes. `/events/N`: N watch events a second.

    `/shortlist/N`: filter leaves N nodes.
    """

    def __init__(self, app: SchedulerApp, service: Service, nodes: int) -> None:
        self._app = app
        self._service = service
        self._nodes = nodes
        self._replies: dict[str, bytes] = {}
        self._task: asyncio.Task[None] | None = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request."""
        if request.path.startswith("/echo/"):
            await request.read()
            size = request.path[6:]
            reply = self._replies.setdefault(size, b"x" * int(size))
            return web.Response(body=reply, content_type="application/json")
        if request.path.startswith("/events/"):
            await self._events(int(request.path[8:]))
            return web.Response()
        if request.path.startswith("/shortlist/"):
            self._service.verbs.context.shortlist = int(request.path[11:])
            return web.Response()
        return await self._app.handle(request)

    async def _events(self, rate: int) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if rate:
            self._task = asyncio.create_task(self._feed(rate))

    async def _feed(self, rate: int) -> None:
        source = events(self._nodes)
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            kind, line = next(source)
            self._service.sink.put(kind, _DECODERS[kind].decode(line))
            due += 1 / rate
            await asyncio.sleep(max(0.0, due - loop.time()))


async def _main(nodes: int, zones: int) -> None:
    service = Service(Settings())
    fill(service.cluster, nodes, zones)
    service.make_rows_now()
    limits = msgspec.structs.replace(Settings().limits, body_bytes=64 << 20)
    app = SchedulerApp(service.verbs, service.metrics, service.decisions, limits)
    runner = web.ServerRunner(web.Server(Echo(app, service, nodes).handle, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.gather(*service.background())


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2])))
