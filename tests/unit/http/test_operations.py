"""The operations port: probes, metrics, and the debug pages with their guard."""

import asyncio

import orjson
import pytest

from extender.http import ops
from extender.observe.decisions import Decision
from tests.unit.http.support import raw, running, settings

pytestmark = pytest.mark.asyncio


async def get(port, target, headers=""):
    """Status, headers and body of one GET."""
    async with raw(port) as peer:
        await peer.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
        return await peer.reply()


async def test_readyz_names_what_is_missing():
    """503 with words until everything is there, then 200; startupz stays 200 once it was."""
    async with running(about={"backend": "python"}) as it:
        it.missing.append("pods: not synced yet")
        for probe in ("/readyz", "/startupz"):
            status, _, body = await get(it.ops_port, probe)
            assert status == 503
            assert orjson.loads(body) == {"ok": False, "missing": ["pods: not synced yet"], "backend": "python"}
        it.missing.clear()
        assert (await get(it.ops_port, "/readyz"))[0] == 200
        it.missing.append("nodes: nothing heard for 181 s")
        assert (await get(it.ops_port, "/readyz"))[0] == 503
        assert (await get(it.ops_port, "/startupz"))[0] == 200


async def test_livez_is_about_the_loop_alone():
    """Alive while nothing is synced; dead when the loop hangs for 5 s."""
    async with running() as it:
        it.missing.append("pods: not synced yet")
        assert (await get(it.ops_port, "/livez"))[0] == 200
        it.metrics.pulse._last_lag_s = 5.5
        it.metrics.pulse.run = None
        status, _, body = await get(it.ops_port, "/livez")
        assert status == 503
        assert orjson.loads(body)["missing"] == ["event loop: 5.5 s late"]


async def test_metrics_come_as_prometheus_asks():
    """Text by default, OpenMetrics on request, both with our names."""
    async with running() as it:
        status, headers, body = await get(it.ops_port, "/metrics")
        assert status == 200
        assert headers["content-type"].startswith("text/plain")
        assert b'fastfit_build_info{backend="python",version="0.0"} 1.0' in body
        accept = "Accept: application/openmetrics-text; version=1.0.0\r\n"
        _, headers, body = await get(it.ops_port, "/metrics", accept)
        assert headers["content-type"].startswith("application/openmetrics-text")
        assert body.endswith(b"# EOF\n")


async def test_the_loop_and_the_collector_are_measured_while_serving():
    """Lag is counted every quarter of a second, pauses at each collection."""
    import gc

    async with running() as it:
        await asyncio.sleep(0.6)
        gc.collect()
        assert it.count("fastfit_loop_lag_seconds_count") >= 1
        assert it.count("fastfit_gc_pause_seconds_count") >= 1


async def test_decisions_can_be_narrowed_to_a_pod():
    """Newest first; ?pod= keeps one."""
    async with running() as it:
        for name in ("a", "b", "a"):
            it.decisions.add(Decision("filter", "ns", name, name, "", "enforce", 1))
        everything = orjson.loads((await get(it.ops_port, "/debug/decisions"))[2])["decisions"]
        assert [entry["name"] for entry in everything] == ["a", "b", "a"]
        narrowed = orjson.loads((await get(it.ops_port, "/debug/decisions?pod=ns/b"))[2])["decisions"]
        assert [entry["name"] for entry in narrowed] == ["b"]


async def test_explain_answers_for_a_named_pod():
    """200, 404 for a pod that is not there, 400 without a name, 500 for a fault."""

    def explain(namespace, name):
        if name == "bad":
            raise KeyError(name)
        return b'{"pod":"%s/%s"}' % (namespace.encode(), name.encode()) if name == "vm" else None

    async with running(explain=explain) as it:
        assert (await get(it.ops_port, "/debug/explain?pod=ns/vm"))[::2] == (200, b'{"pod":"ns/vm"}')
        assert (await get(it.ops_port, "/debug/explain?pod=ns/other"))[0] == 404
        for wrong in ("", "?pod=", "?pod=vm", "?pod=/vm", "?pod=ns/"):
            assert (await get(it.ops_port, "/debug/explain" + wrong))[0] == 400
        status, _, body = await get(it.ops_port, "/debug/explain?pod=ns/bad")
        assert (status, b"KeyError" in body) == (500, False)
        assert (await get(it.ops_port, "/livez"))[0] == 200


async def test_targets_answers_for_a_named_vm():
    """200 with as many nodes as asked for, 404 in plain words, 400 for no number or too many, 500 for a fault."""

    def targets(namespace, name, nodes):
        if name == "bad":
            raise KeyError(name)
        return b'["%s","%s",%d]' % (namespace.encode(), name.encode(), nodes) if name == "vm" else None

    async with running(targets=targets) as it:
        assert (await get(it.ops_port, "/debug/targets/ns/vm"))[::2] == (200, b'["ns","vm",100]')
        assert (await get(it.ops_port, "/debug/targets/ns/vm?nodes=1000"))[2] == b'["ns","vm",1000]'
        status, _, body = await get(it.ops_port, "/debug/targets/ns/other")
        assert status == 404
        assert orjson.loads(body)["error"].startswith("no running VM ns/other that holds")
        for wrong in ("", "0", "-1", "1001", "99999", "x", "%D9%A1"):
            assert (await get(it.ops_port, f"/debug/targets/ns/vm?nodes={wrong}"))[0] == 400
        for nowhere in ("/debug/targets", "/debug/targets/ns", "/debug/targets/ns/vm/more"):
            assert (await get(it.ops_port, nowhere))[0] == 404
        status, _, body = await get(it.ops_port, "/debug/targets/ns/bad")
        assert (status, b"KeyError" in body) == (500, False)


async def test_before_the_first_picture_is_complete_nothing_is_worked_out():
    """503 with what is missing, and nobody is asked: the answer would make every row at once. Later it is asked again."""
    asked = []

    def answer(*about):
        asked.append(about)
        return b"{}"

    async with running(explain=answer, targets=answer) as it:
        it.missing.append("pods: not synced yet")
        for page in ("/debug/explain?pod=ns/vm", "/debug/targets/ns/vm"):
            status, _, body = await get(it.ops_port, page)
            assert (status, orjson.loads(body)["error"]) == (503, "not ready: pods: not synced yet")
        assert not asked
        it.missing.clear()
        assert (await get(it.ops_port, "/debug/targets/ns/vm"))[0] == 200
        it.missing.append("pods: nothing heard")
        assert (await get(it.ops_port, "/debug/targets/ns/vm"))[0] == 200


async def test_without_what_answers_them_the_pages_do_not_exist():
    """404."""
    async with running() as it:
        assert (await get(it.ops_port, "/debug/explain?pod=ns/vm"))[0] == 404
        assert (await get(it.ops_port, "/debug/targets/ns/vm"))[0] == 404


@pytest.mark.parametrize("headers", ["", "X-Forwarded-For: 127.0.0.1\r\n", "Forwarded: for=127.0.0.1\r\n"])
async def test_debug_is_for_this_machine_whatever_headers_say(monkeypatch, headers):
    """A peer elsewhere gets 403 for every debug page, known or not, and still gets the probes and metrics."""
    monkeypatch.setattr(ops, "_from_here", lambda _request: False)
    async with running(explain=lambda _ns, _name: b"{}", targets=lambda _ns, _name, _nodes: b"{}") as it:
        for page in (
            "/debug/decisions",
            "/debug/explain?pod=a/b",
            "/debug/targets/a/b",
            "/debug/other",
            "/%64ebug/decisions",
        ):
            assert (await get(it.ops_port, page, headers))[0] == 403
        for page in ("/livez", "/readyz", "/metrics"):
            assert (await get(it.ops_port, page, headers))[0] == 200


async def test_debug_can_be_opened_to_others(monkeypatch):
    """debug.remote: true."""
    monkeypatch.setattr(ops, "_from_here", lambda _request: False)
    async with running(settings(debug={"remote": True}, server={"drain_seconds": 0})) as it:
        assert (await get(it.ops_port, "/debug/decisions"))[0] == 200


async def test_the_peer_is_taken_from_the_connection():
    """What is judged is the other end of the socket."""

    class Transport:
        def __init__(self, peer):
            self.peer = peer

        def get_extra_info(self, name):
            return {"peername": self.peer}[name]

    class Request:
        def __init__(self, transport):
            self.transport = transport

    assert ops._from_here(Request(Transport(("127.0.0.1", 5))))
    assert ops._from_here(Request(Transport(("::1", 5, 0, 0))))
    assert not ops._from_here(Request(Transport(("10.0.0.1", 5))))
    assert not ops._from_here(Request(Transport("")))
    assert not ops._from_here(Request(Transport(None)))
    assert not ops._from_here(Request(None))


@pytest.mark.parametrize("page", ["/livez", "/metrics", "/debug/decisions", "/nowhere"])
async def test_every_answer_has_the_security_headers(page):
    """Also the refusals."""
    async with running() as it:
        _, headers, _ = await get(it.ops_port, page)
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


async def test_only_get_is_answered():
    """405 with Allow; bodies are not read."""
    async with running() as it, raw(it.ops_port) as peer:
        await peer.send(b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        status, headers, _ = await peer.reply()
        assert status == 405
        assert "GET" in headers["allow"]


async def test_the_verbs_are_not_on_the_operations_port():
    """Each port has its own paths."""
    async with running() as it, raw(it.ops_port) as peer:
        assert (await peer.post("/filter", b"{}"))[0] == 404
        assert it.verbs.asked == []
