"""An API server with a large cluster whose objects are made as they are sent: run as a process by bench.memory.

It serves lists on the watch, or in pages if started so. `/churn?events=N&rate=R` makes N watch events. `/expire` ends
every watch, and watches that would resume from an earlier version get 410.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator

from aiohttp import web

from bench.memory.objects import Templates
from extender.cache.events import Source

_BATCH = 16
_BOOKMARK_S = 30.0
_KINDS = tuple(Source)
#: Of 20 events 7 are one VM replaced by another. The rest changes nothing of interest, as in a real cluster.
_HEARTBEATS, _NRTS = 7, 6


class Server:
    """One cluster; watches are queues of lines."""

    def __init__(self, nodes: int, pods: int, *, paged: bool = False) -> None:
        self._paged = paged
        self._make = Templates(nodes)
        self._nodes = nodes
        self._pods = pods
        #: VMs replaced so far: the oldest is deleted, one like it is created
        self._replaced = 0
        self._version = 1000
        self._expired = 0
        self._queues: dict[Source, set[asyncio.Queue[bytes | None]]] = {source: set() for source in _KINDS}

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """A list or watch, a patch (it changes nothing), a ConfigMap (there is none), or a command."""
        if request.method == "PATCH":
            return web.json_response({})
        if "/configmaps/" in request.path:
            return web.json_response({"kind": "Status", "code": 404, "reason": "NotFound"}, status=404)
        if request.path == "/churn":
            return web.json_response(await self._churn(int(request.query["events"]), float(request.query["rate"])))
        if request.path == "/expire":
            self._version += 1
            self._expired = self._version
            for queues in self._queues.values():
                for queue in queues:
                    queue.put_nowait(None)
            return web.Response()
        source = next(source for source in _KINDS if request.path.endswith(f"/{source}"))
        version = request.query.get("resourceVersion")
        if version and int(version) < self._expired:
            return web.json_response({"kind": "Status", "code": 410, "reason": "Expired"}, status=410)
        if "watch" not in request.query:
            return self._page(source, int(request.query["limit"]), int(request.query.get("continue", "0")))
        if self._paged and not version:
            return web.json_response({"kind": "Status", "code": 422, "reason": "Invalid"}, status=422)
        return await self._watch(request, source, listed=not version)

    def _page(self, source: Source, limit: int, start: int) -> web.Response:
        """A page of `limit` objects from number `start` on."""
        more = b',"continue":"%d"' % (start + limit) if start + limit < self._count(source) else b""
        items = b",".join(self._objects(source, start, start + limit))
        body = b'{"metadata":{"resourceVersion":"%d"%s},"items":[%s]}' % (self._version, more, items)
        return web.Response(body=body, content_type="application/json")

    async def _watch(self, request: web.BaseRequest, source: Source, *, listed: bool) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._queues[source].add(queue)
        try:
            if listed:
                for start in range(0, self._count(source), _BATCH):
                    lines = [_line(b"ADDED", obj) for obj in self._objects(source, start, start + _BATCH)]
                    await response.write(b"".join(lines))
                mark = b'{"metadata":{"resourceVersion":"%d","annotations":{"k8s.io/initial-events-end":"true"}}}'
                await response.write(_line(b"BOOKMARK", mark % self._version))
            while (line := await self._next(queue)) is not None:
                await response.write(line)
            await response.write_eof()
        except ConnectionError:
            pass
        finally:
            self._queues[source].discard(queue)
        return response

    async def _next(self, queue: "asyncio.Queue[bytes | None]") -> bytes | None:
        """The next line; a bookmark where there has been none for a while."""
        try:
            async with asyncio.timeout(_BOOKMARK_S):
                return await queue.get()
        except TimeoutError:
            return _line(b"BOOKMARK", b'{"metadata":{"resourceVersion":"%d"}}' % self._version)

    def _count(self, source: Source) -> int:
        return {Source.NODES: self._nodes, Source.NRTS: self._nodes, Source.MIGRATIONS: 0, Source.KUBEVIRTS: 0}.get(
            source, self._pods
        )

    def _objects(self, source: Source, start: int, end: int) -> Iterator[bytes]:
        make: Callable[[int, int], bytes] = {
            Source.NODES: self._make.node, Source.NRTS: self._make.nrt, Source.VMIS: self._make.vmi,
            Source.PODS: self._make.pod, Source.MIGRATIONS: self._make.vmi,
            Source.KUBEVIRTS: self._make.vmi,
        }[source]  # fmt: skip
        shift = self._replaced if source in {Source.PODS, Source.VMIS} else 0
        for number in range(start, min(end, self._count(source))):
            yield make(number + shift, self._version)

    async def _churn(self, events: int, rate: float) -> dict[str, int]:
        loop = asyncio.get_running_loop()
        source = self._changes()
        due = loop.time()
        for number in range(events):
            kind, change, obj = next(source)
            self._version += 1
            line = _line(change, obj)
            for queue in self._queues[kind]:
                queue.put_nowait(line)
            due += 1 / rate
            if number % 8 == 0:
                await asyncio.sleep(max(0.0, due - loop.time()))
        return {"replaced": self._replaced}

    def _changes(self) -> Iterator[tuple[Source, bytes, bytes]]:
        beat = 0
        while True:
            old, new = self._replaced, self._replaced + self._pods
            self._replaced += 1
            make, version = self._make, self._version
            yield Source.PODS, b"DELETED", make.pod(old, version)
            yield Source.VMIS, b"DELETED", make.vmi(old, version)
            yield Source.VMIS, b"ADDED", make.vmi(new, version)
            yield Source.PODS, b"ADDED", make.pod(new, version, "Pending")
            yield Source.PODS, b"MODIFIED", make.pod(new, version, "Bound")
            yield Source.PODS, b"MODIFIED", make.pod(new, version, "Running")
            yield Source.VMIS, b"MODIFIED", make.vmi(new, version)
            for _ in range(_HEARTBEATS):
                beat += 1
                yield Source.NODES, b"MODIFIED", make.node(beat % self._nodes, version)
            for _ in range(_NRTS):
                beat += 1
                yield Source.NRTS, b"MODIFIED", make.nrt(beat % self._nodes, version)


def _line(change: bytes, obj: bytes) -> bytes:
    return b'{"type":"' + change + b'","object":' + obj + b"}\n"


async def _main(nodes: int, pods: int, *, paged: bool) -> None:
    runner = web.ServerRunner(web.Server(Server(nodes, pods, paged=paged).handle, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2]), paged=sys.argv[3] == "1"))
