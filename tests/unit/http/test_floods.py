"""Floods of hostile callers at the real verbs: kube-scheduler's calls are answered all the time, and rightly.

Its old connection goes on, and a scheduler that starts anew in the middle of the flood gets in.
"""

import asyncio
import json
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.http import scheduler_connections as connections
from extender.http.server import Server
from tests.kit.bodies import args, pod_json
from tests.kit.objects import KUBELET_A, machine, node
from tests.kit.verbs import make_verbs
from tests.unit.http.support import Raw, head, raw, serving

#: Floods of up to a thousand connections.
pytestmark = [pytest.mark.asyncio, pytest.mark.slow]

#: Long names make replies that fill a connection soon.
NODES = [f"node-{number:0120}" for number in range(200)]
CHUNKED = b"POST /filter HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@asynccontextmanager
async def flooded() -> AsyncIterator[Server]:
    """The server as shipped, but for a body limit that floods can reach."""
    cluster = Cluster()
    for name in NODES:
        cluster.put(Source.NODES, node(name, KUBELET_A, machine()))
    cluster.make_rows()
    try:
        async with serving(cluster) as server:
            # Replies that nobody reads are to pile up here, and not in megabytes of kernel memory.
            server._listeners[0].sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
            yield server
    finally:
        make_verbs.summaries.clear()


def port_of(server: Server) -> int:
    return int(server.url.rpartition(":")[2])


async def schedule(peer: Raw, name: str) -> None:
    """filter and prioritize of one VM, both answered in full, and one node is best."""
    status, _, reply = await peer.post("/filter", args(NODES, pod_json(name)))
    kept = json.loads(reply)["NodeNames"]
    assert (status, kept) == (200, NODES)
    status, _, reply = await peer.post("/prioritize", args(kept, pod_json(name)))
    assert status == 200
    assert [entry["Score"] for entry in json.loads(reply)].count(10) == 1


async def stalled() -> None:
    """Wait until callers that read nothing have got all the replies that find room."""
    seen = -1
    while seen != len(make_verbs.summaries):
        seen = len(make_verbs.summaries)
        await asyncio.sleep(0.5)


async def gone(server: Server) -> None:
    """Wait until no more connections are open than there may be."""
    async with asyncio.timeout(20):
        while len(server._runners[0].server.connections) > 64:
            await asyncio.sleep(0.05)


#: What a hostile caller does on its connection; it may fail when that is closed.
Caller = Callable[[Raw], Awaitable[None]]


async def half_open(_: Raw) -> None:
    """Says nothing."""


async def half_a_head(peer: Raw) -> None:
    """Never ends its headers."""
    await peer.send(b"POST /filter HTTP/1.1\r\nHost: x\r\nX-Slow: ")


async def slow_body(peer: Raw) -> None:
    """Sends a byte of its body now and then."""
    await peer.send(head("/filter", 60000) + b"{")
    await for_ever(peer, b" ", 0.1)


async def endless_body(peer: Raw) -> None:
    """Sends chunks for ever."""
    await peer.send(CHUNKED)
    await for_ever(peer, b"400\r\n" + b"[" * 1024 + b"\r\n", 0.01)


async def oversized_body(peer: Raw) -> None:
    """Announces far too much, and sends it whatever we say."""
    await peer.send(head("/filter", 1 << 33))
    await for_ever(peer, b"[" * 4096, 0.01)


async def slow_reader(peer: Raw) -> None:
    """Makes calls and reads no reply: our side of the connection fills up."""
    peer.writer.transport.pause_reading()
    call = args(NODES)
    await for_ever(peer, head("/filter", len(call)) + call, 0.01)


async def not_found(peer: Raw) -> None:
    """Asks for what we have not, and keeps its connection."""
    await peer.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")


async def idle_after_a_call(peer: Raw) -> None:
    """Makes one whole call and keeps its connection."""
    await peer.send(head("/filter", 2) + b"{}")


async def for_ever(peer: Raw, data: bytes, pause: float) -> None:
    while True:
        await peer.send(data)
        await asyncio.sleep(pause)


@asynccontextmanager
async def flood(caller: Caller, port: int, count: int) -> AsyncIterator[None]:
    """So many of them, for as long as the block runs; it begins when all have connected."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    peers = await asyncio.gather(*(Raw.open(port) for _ in range(count)))
    tasks = [asyncio.create_task(caller(peer)) for peer in peers]
    await asyncio.sleep(0.2)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for peer in peers:
            peer.writer.transport.abort()
            await peer.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("caller", "count"),
    [
        (half_open, 100),
        (half_a_head, 100),
        (slow_body, 100),
        (endless_body, 100),
        (oversized_body, 100),
        (slow_reader, 100),
        (not_found, 100),
        (idle_after_a_call, 1000),
    ],
)
async def test_the_schedulers_calls_are_answered_in_a_flood(
    caller: Caller, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On its old connection from before the flood on, and on a new one that it opens in the middle of it."""
    monkeypatch.setattr(connections, "_REST_S", 0.3, raising=False)
    async with flooded() as server, raw(port_of(server)) as scheduler:
        await schedule(scheduler, "before")
        await schedule(scheduler, "before")
        async with flood(caller, port_of(server), count):
            for number in range(20):
                await schedule(scheduler, f"meanwhile-{number}")
                await asyncio.sleep(0.02)
            assert server.scheduler_connections <= 64
            await stalled()
            async with raw(port_of(server)) as restarted:
                for number in range(5):
                    await schedule(restarted, f"restarted-{number}")
                    await schedule(scheduler, f"both-{number}")
                # Not only out of our count: none is kept open by a reply that nobody reads.
                await gone(server)
