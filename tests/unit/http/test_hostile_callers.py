"""Callers that send too much, too slowly, nothing, or nonsense; and floods of them."""

import asyncio

import pytest

from extender.http import scheduler_connections as connections
from tests.unit.http.support import Raw, head, raw, running, settings

pytestmark = pytest.mark.asyncio

SMALL = settings(limits={"body_bytes": 1000, "request_seconds": 1}, server={"drain_seconds": 0})


async def test_a_body_announced_too_large_is_refused_unread():
    """413 comes before the body, empty, and closes the connection."""
    async with running(SMALL) as it, raw(it.port) as peer:
        await peer.send(head("/filter", 1001))
        status, headers, body = await peer.reply()
        assert (status, body, headers["connection"]) == (413, b"", "close")
        assert await peer.closed()
        assert it.verbs.asked == []
        assert it.count("fastfit_requests_total", verb="filter", outcome="too_large") == 1


async def test_a_body_of_exactly_the_limit_is_read():
    """The limit itself is allowed."""
    async with running(SMALL) as it, raw(it.port) as peer:
        assert (await peer.post("/filter", b"x" * 1000))[0] == 200


@pytest.mark.parametrize("pause", [0.0, 0.02], ids=["at once", "bit by bit"])
async def test_a_chunked_body_is_refused_when_it_grows_too_large(pause):
    """Without a length the count decides."""
    async with running(SMALL) as it, raw(it.port) as peer:
        await peer.send(b"POST /filter HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(6):
            await peer.send(b"c8\r\n" + b"x" * 200 + b"\r\n")
            await asyncio.sleep(pause)
        await peer.send(b"0\r\n\r\n")
        assert (await peer.reply())[0] == 413
        assert it.verbs.asked == []


async def test_an_endless_body_is_cut():
    """Refused at the limit, read on for a moment so that the sender sees it, then closed."""
    async with running(SMALL) as it, raw(it.port) as peer:
        await peer.send(b"POST /filter HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")

        async def feed():
            while True:
                await peer.send(b"400\r\n" + b"x" * 1024 + b"\r\n")
                await asyncio.sleep(0.01)

        feeder = asyncio.create_task(feed())
        assert (await peer.reply())[0] == 413
        assert await peer.closed()
        feeder.cancel()
        await asyncio.gather(feeder, return_exceptions=True)


async def test_a_slow_body_is_cut_after_request_seconds():
    """One byte now and then does not hold a connection for ever."""
    async with running(SMALL) as it, raw(it.port) as peer:
        await peer.send(head("/filter", 900))
        feeder = asyncio.create_task(_drip(peer))
        status, _, body = await peer.reply()
        assert (status, body) == (408, b"")
        assert await peer.closed()
        feeder.cancel()
        await asyncio.gather(feeder, return_exceptions=True)
        assert it.count("fastfit_requests_total", verb="filter", outcome="too_slow") == 1


async def _drip(peer):
    while True:
        await peer.send(b"x")
        await asyncio.sleep(0.1)


async def test_a_slow_caller_does_not_hold_up_another():
    """While one body trickles in, calls of others are answered."""
    async with running() as it, raw(it.port) as slow, raw(it.port) as quick:
        await slow.send(head("/filter", 900) + b"x")
        for _ in range(20):
            assert (await quick.post("/filter", b"{}"))[0] == 200


async def test_a_caller_that_goes_away_in_its_body_leaves_no_trace_but_a_count():
    """No fault is logged, no verb is called."""
    async with running() as it:
        peer = await Raw.open(it.port)
        await peer.send(head("/filter", 900) + b"x")
        await asyncio.sleep(0.05)
        peer.writer.transport.abort()
        for _ in range(100):
            if it.count("fastfit_requests_total", verb="filter", outcome="broken"):
                break
            await asyncio.sleep(0.02)
        assert it.count("fastfit_requests_total", verb="filter", outcome="broken") == 1
        assert it.verbs.asked == []
        async with raw(it.port) as other:
            assert (await other.post("/filter", b"{}"))[0] == 200


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS hello on the plain port
        b"GET\r\n\r\n",
        b"POST /filter HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /filter HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"POST /filter HTTP/1.1\r\nContent-Length: ten\r\n\r\n",
        b"POST /filter HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
        b"POST /filter HTTP/9.9\r\nContent-Length: 0\r\n\r\n",
        b"POST /" + b"a" * 20000 + b" HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        b"POST /filter HTTP/1.1\r\n" + b"X-A: b\r\n" * 500 + b"Content-Length: 0\r\n\r\n",
        b"POST /filter HTTP/1.1\r\nX: " + b"b" * 20000 + b"\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_what_is_not_http_gets_a_400_or_a_closed_connection(nonsense):
    """And the port goes on answering others."""
    async with running() as it, raw(it.port) as peer:
        await peer.send(nonsense)
        answer = b""
        try:
            answer = await asyncio.wait_for(peer.reader.readuntil(b"\r\n"), 1)
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            pass
        assert answer == b"" or answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
        assert it.verbs.asked == []
        async with raw(it.port) as other:
            assert (await other.post("/filter", b"{}"))[0] == 200


async def test_a_broken_chunk_ends_like_a_slow_body():
    """The parser gives up on it without ending the body, so the time limit ends the call."""
    async with running(SMALL) as it, raw(it.port) as peer:
        await peer.send(b"POST /filter HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        await asyncio.sleep(0.05)
        await peer.send(b"zz\r\nabc\r\n0\r\n\r\n")
        assert (await peer.reply())[0] in (400, 408)
        assert await peer.closed()
        assert it.verbs.asked == []


async def test_half_open_connections_cannot_lock_the_scheduler_out():
    """When the port is full, connections that never sent a request give way, oldest first."""
    async with running(settings(limits={"connections": 4}, server={"drain_seconds": 0})) as it:
        silent = [await Raw.open(it.port) for _ in range(4)]
        await asyncio.sleep(0.05)
        async with raw(it.port) as scheduler:
            assert (await scheduler.post("/filter", b"{}"))[0] == 200
            assert await silent[0].closed()
            # the scheduler's idle connection is used, so it stays while others come
            late = [await Raw.open(it.port) for _ in range(8)]
            await asyncio.sleep(0.05)
            assert (await scheduler.post("/filter", b"{}"))[0] == 200
        for peer in silent + late:
            await peer.close()


async def test_half_a_head_counts_as_silent():
    """A caller that never finishes its headers gives way too."""
    async with running(settings(limits={"connections": 4}, server={"drain_seconds": 0})) as it:
        slow = [await Raw.open(it.port) for _ in range(4)]
        for peer in slow:
            await peer.send(b"POST /filter HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        await asyncio.sleep(0.05)
        async with raw(it.port) as scheduler:
            assert (await scheduler.post("/filter", b"{}"))[0] == 200
        for peer in slow:
            await peer.close()


async def test_connections_in_use_are_not_cut_for_new_ones():
    """At the limit a new connection is refused while all others have made calls just now; these go on working."""
    async with running(settings(limits={"connections": 4}, server={"drain_seconds": 0})) as it:
        peers = [await Raw.open(it.port) for _ in range(4)]
        for peer in peers:
            await peer.post("/filter", b"{}")
        extra = await Raw.open(it.port)
        assert await extra.closed()
        for peer in peers:
            assert (await peer.post("/filter", b"{}"))[0] == 200
        # one that goes makes room
        await peers[0].close()
        await asyncio.sleep(0.05)
        async with raw(it.port) as next_one:
            assert (await next_one.post("/filter", b"{}"))[0] == 200
        for peer in [*peers[1:], extra]:
            await peer.close()


async def test_of_idle_connections_the_least_used_gives_way(monkeypatch):
    """Whoever has called most stays, though others came later: that is the scheduler."""
    monkeypatch.setattr(connections, "_REST_S", 0.0)
    async with running(settings(limits={"connections": 4}, server={"drain_seconds": 0})) as it:
        peers = [await Raw.open(it.port) for _ in range(4)]
        for calls, peer in zip((5, 2, 1, 3), peers, strict=True):
            for _ in range(calls):
                await peer.post("/filter", b"{}")
        async with raw(it.port) as fifth:
            assert await peers[2].closed()
            assert (await fifth.post("/filter", b"{}"))[0] == 200
            for peer in (peers[0], peers[1], peers[3]):
                assert (await peer.post("/filter", b"{}"))[0] == 200
        for peer in peers:
            await peer.close()


async def test_what_is_refused_earns_a_connection_no_place():
    """Unknown paths and bodies that never end give way like silence does."""
    async with running(settings(limits={"connections": 4}, server={"drain_seconds": 0})) as it:
        strangers = [await Raw.open(it.port) for _ in range(4)]
        for peer in strangers[:2]:
            await peer.send(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await peer.reply())[0] == 404
        for peer in strangers[2:]:
            await peer.send(head("/filter", 900) + b"x")
        await asyncio.sleep(0.05)
        schedulers = []
        for stranger in strangers:
            schedulers.append(await Raw.open(it.port))
            assert (await schedulers[-1].post("/filter", b"{}"))[0] == 200
            assert await stranger.closed()
        for peer in strangers + schedulers:
            await peer.close()


async def test_a_burst_of_connections_is_limited_too():
    """Connections that arrive in one turn of the loop are counted before they are made."""
    async with running(settings(limits={"connections": 4}, server={"drain_seconds": 0})) as it:
        peers = await asyncio.gather(*(Raw.open(it.port) for _ in range(60)))
        await asyncio.sleep(0.1)
        assert it.server.scheduler_connections <= 4
        for peer in peers:
            await peer.close()
        await asyncio.sleep(0.05)
        assert it.server.scheduler_connections == 0
