"""What is not HTTP, and headers that say nonsense: refused without a traceback, a text, or a name of what we run."""

import asyncio
import logging

import pytest
from structlog.testing import capture_logs

from extender.http.connections import LimitedLog
from tests.unit.http.support import Raw, raw, running, settings

pytestmark = pytest.mark.asyncio

NONSENSE = b"GET\r\n\r\n"


def port_of(it, name):
    return it.port if name == "scheduler" else it.ops_port


@pytest.mark.parametrize("port", ["scheduler", "operations"])
@pytest.mark.parametrize(
    "request_bytes",
    [
        NONSENSE,
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"b" * 20000 + b"\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nExpect: the unexpected\r\n\r\n",
        b"GET /metrics/<script> HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_refusals_say_nothing_of_us(port, request_bytes, caplog):
    """A status, no Server header, nothing of the request in the body, no traceback in the log."""
    async with running() as it, raw(port_of(it, port)) as peer:
        with caplog.at_level(logging.DEBUG):
            await peer.send(request_bytes)
            answer = await asyncio.wait_for(peer.reader.read(65536), 5)
        assert b" 4" in answer.split(b"\r\n")[0]
        assert b"server:" not in answer.lower()
        assert b"aiohttp" not in answer.lower()
        assert b"script" not in answer
    assert "Traceback" not in caplog.text
    assert not any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize("port", ["scheduler", "operations"])
async def test_bad_requests_log_a_line_per_second(port):
    """However many there are."""
    async with running() as it:
        with capture_logs() as logs:
            for _ in range(50):
                async with raw(port_of(it, port)) as peer:
                    await peer.send(NONSENSE)
                    await peer.closed()
    assert 1 <= len([line for line in logs if line["event"] == "bad request"]) <= 3


async def test_what_was_left_out_is_counted():
    """The next line says how many there were in between."""
    now = 0.0
    log = LimitedLog(1.0, lambda: now)
    with capture_logs() as lines:
        for _ in range(5):
            log.warning("event")
        now = 1.5
        log.warning("event")
    assert [line.get("left_out") for line in lines] == [None, 4]


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
        ";;;,,=",
        "text/plain; version=abc",
        "text/plain;version=1..0",
        "application/openmetrics-text; version=x",
        "application/openmetrics-text; version=99999999999999.1",
        "application/openmetrics-text; version=\u0661.0",
        "text/plain;version=1.0.0;escaping=bogus",
    ],
)
async def test_every_accept_gets_a_page(accept):
    """A missing header and a broken one alike; the content type repeats nothing of it."""
    line = b"" if accept is None else b"Accept: " + accept.encode() + b"\r\n"
    async with running() as it, raw(it.ops_port) as peer:
        await peer.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + line + b"\r\n")
        status, headers, body = await peer.reply()
        assert status == 200
        assert b"fastfit_build_info" in body
        assert headers["content-type"] in (
            "text/plain; version=0.0.4; charset=utf-8",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )


@pytest.mark.parametrize("path", ["/filter", "/nowhere"])
async def test_the_scheduler_port_sends_no_server_header(path):
    """Neither with an answer nor with a refusal."""
    async with running() as it, raw(it.port) as peer:
        assert "server" not in (await peer.post(path, b"{}"))[1]


async def test_garbage_bodies_earn_a_connection_no_place():
    """A caller whose bodies cannot be read gives way as if it were silent, however many it sends."""
    from extender.verbs.call import Unreadable

    async with running(settings(limits={"connections": 4}, server={"drain_seconds": 0})) as it:
        it.verbs.read = lambda body: Unreadable("x") if body == b"garbage" else body
        scheduler = await Raw.open(it.port)
        await scheduler.post("/filter", b"{}")
        strangers = [await Raw.open(it.port) for _ in range(3)]
        for _ in range(20):
            for peer in strangers:
                await peer.post("/filter", b"garbage")
        late = []
        for stranger in strangers:
            late.append(await Raw.open(it.port))
            assert (await late[-1].post("/filter", b"{}"))[0] == 200
            assert await stranger.closed()
        assert (await scheduler.post("/filter", b"{}"))[0] == 200
        for peer in (scheduler, *strangers, *late):
            await peer.close()
