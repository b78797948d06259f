"""The scheduler port as kube-scheduler's client uses it."""

import asyncio
import logging

import pytest

from extender.observe.decisions import Decision
from tests.unit.http.support import FakeReply, head, raw, running, settings

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("verb", ["filter", "prioritize"])
async def test_a_call_reaches_its_verb_and_its_reply_comes_back(verb):
    """Body in, body out, JSON with a length, and the clock is handed on."""
    async with running(clock=lambda: 42.0) as it, raw(it.port) as peer:
        it.verbs.reply = FakeReply(body=b'[{"Host":"n1","Score":7}]')
        status, headers, body = await peer.post(f"/{verb}", b'{"Pod":{}}')
        assert (status, body) == (200, b'[{"Host":"n1","Score":7}]')
        assert headers["content-type"] == "application/json"
        assert headers["content-length"] == str(len(body))
        assert "transfer-encoding" not in headers
        assert it.verbs.asked == [(verb, b'{"Pod":{}}', 42.0)]


async def test_one_connection_carries_200_calls():
    """Filter and prioritize of 100 pods in turn reuse the connection, with bodies of every size."""
    async with running() as it, raw(it.port) as peer:
        for number in range(200):
            body = b"x" * (number * 997)
            status, headers, _ = await peer.post("/prioritize" if number % 2 else "/filter", body)
            assert status == 200
            assert headers.get("connection", "keep-alive") == "keep-alive"
            assert it.verbs.asked[-1][1] == body
        assert len(it.verbs.asked) == 200


async def test_calls_sent_without_waiting_are_answered_in_order():
    """Two calls in one write get two replies on the same connection."""
    async with running() as it, raw(it.port) as peer:
        await peer.send(head("/filter", 1) + b"a" + head("/prioritize", 1) + b"b")
        assert (await peer.reply())[0] == 200
        assert (await peer.reply())[0] == 200
        assert [asked[:2] for asked in it.verbs.asked] == [("filter", b"a"), ("prioritize", b"b")]


async def test_a_body_in_chunks_is_put_together():
    """A chunked body reaches the verb whole; the reply still has a length."""
    async with running() as it, raw(it.port) as peer:
        await peer.send(b"POST /filter HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(3):
            await peer.send(b"4\r\nabcd\r\n")
            await asyncio.sleep(0.01)
        await peer.send(b"0\r\n\r\n")
        status, headers, body = await peer.reply()
        assert status == 200
        assert headers["content-length"] == str(len(body))
        assert it.verbs.asked[0][1] == b"abcd" * 3


async def test_an_empty_body_reaches_the_verb():
    """What an empty body means is for the verb to say."""
    async with running() as it, raw(it.port) as peer:
        assert (await peer.post("/filter", b""))[0] == 200
        assert it.verbs.asked[0][1] == b""


async def test_compressed_bodies_are_not_inflated():
    """A small body cannot become a large one: the verb gets the bytes as sent."""
    async with running() as it, raw(it.port) as peer:
        await peer.post("/filter", b"\x1f\x8b\x08abc", "Content-Encoding: gzip\r\n")
        assert it.verbs.asked[0][1] == b"\x1f\x8b\x08abc"


async def test_a_caller_that_waits_for_100_continue_gets_it():
    """curl announces large bodies and waits."""
    async with running() as it, raw(it.port) as peer:
        await peer.send(head("/filter", 5, "Expect: 100-continue\r\n"))
        assert await peer.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await peer.send(b"hello")
        assert (await peer.reply())[0] == 200
        assert it.verbs.asked[0][1] == b"hello"


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"POST /filters HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 404),
        (b"POST //filter HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 404),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 404),
        (b"GET /filter HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"PUT /prioritize HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405),
        (b"DELETE /filter HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    ],
)
async def test_other_paths_and_methods_get_a_status_and_no_body(request_head, status):
    """404 and 405 are empty, keep the connection, and never reach a verb."""
    async with running() as it, raw(it.port) as peer:
        await peer.send(request_head)
        got, headers, body = await peer.reply()
        assert (got, body, headers["content-length"]) == (status, b"", "0")
        assert headers.get("allow") == ("POST" if status == 405 else None)
        assert (await peer.post("/filter", b"{}"))[0] == 200
        assert len(it.verbs.asked) == 1


async def test_a_status_of_the_verb_travels_without_body():
    """kube-scheduler throws other bodies away, and unread ones cost the connection."""
    async with running() as it, raw(it.port) as peer:
        it.verbs.reply = FakeReply(400, b"never sent", "bad_request")
        assert (await peer.post("/filter", b"{}"))[::2] == (400, b"")
        it.verbs.reply = FakeReply()
        assert (await peer.post("/filter", b"{}"))[0] == 200
        assert it.count("fastfit_requests_total", verb="filter", outcome="bad_request") == 1


async def test_a_fault_in_filter_is_told_to_the_pod_and_logged(caplog):
    """The pod's event says something constant; the log has the traceback; the next call works."""
    async with running() as it, raw(it.port) as peer:
        it.verbs.fault = ZeroDivisionError("boom")
        with caplog.at_level(logging.ERROR):
            status, _, body = await peer.post("/filter", b"{}")
        assert status == 200
        assert body == b'{"Error":"fastfit: internal error, see the log of the extender"}'
        it.verbs.fault = None
        assert (await peer.post("/filter", b"{}"))[0] == 200
        assert it.count("fastfit_requests_total", verb="filter", outcome="fault") == 1


async def test_a_fault_in_prioritize_is_a_500(capsys):
    """kube-scheduler then goes on without our scores."""
    async with running() as it, raw(it.port) as peer:
        it.verbs.fault = RecursionError("deep")
        assert (await peer.post("/prioritize", b"{}"))[::2] == (500, b"")
        it.verbs.fault = None
        assert (await peer.post("/prioritize", b"{}"))[0] == 200


async def test_every_call_is_counted_by_verb_and_outcome():
    """Counter and histogram agree."""
    async with running() as it, raw(it.port) as peer:
        await peer.post("/filter", b"{}")
        it.verbs.reply = FakeReply(outcome="passed")
        await peer.post("/filter", b"{}")
        await peer.post("/nowhere", b"")
        assert it.count("fastfit_requests_total", verb="filter", outcome="ok") == 1
        assert it.count("fastfit_requests_total", verb="filter", outcome="passed") == 1
        assert it.count("fastfit_requests_total", verb="none", outcome="not_found") == 1
        assert it.count("fastfit_request_seconds_count", verb="filter") == 2


async def test_decisions_are_timed_from_the_whole_body():
    """A record that a verb adds during its call carries how long it took."""
    async with running() as it, raw(it.port) as peer:
        plain = it.verbs.reply

        def recording(_verb, _body, _now):
            it.decisions.add(Decision("filter", "ns", "vm", "u1", "", "enforce", 1))
            return plain

        it.verbs._answer = recording
        await peer.post("/filter", b"{}")
        (decision,) = it.decisions.select()
        assert 0 <= decision.micros < 20_000_000
        assert decision.time > 0


@pytest.mark.slow
async def test_the_idle_time_is_the_configured_one():
    """A connection is closed after keepAliveSeconds of silence, and not before."""
    async with running(settings(server={"keep_alive_seconds": 3, "drain_seconds": 0})) as it, raw(it.port) as peer:
        for _ in range(2):
            await peer.post("/filter", b"{}")
            await asyncio.sleep(1.6)
        began = asyncio.get_running_loop().time()
        await peer.post("/filter", b"{}")
        assert await peer.closed()
        assert asyncio.get_running_loop().time() - began >= 2.95


async def test_the_default_outlives_the_idle_time_of_go():
    """Go's client drops idle connections after 90 s; closing first would lose a call."""
    assert settings().server.keep_alive_seconds >= 120
