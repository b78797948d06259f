"""Crowds at the operations port: probes are answered, and kube-scheduler's calls do not wait for them."""

import asyncio
import os
import socket
import sys
import time
from pathlib import Path

import pytest

from extender.http import ops_connections
from extender.http.ops_connections import OPS_CONNECTIONS, OPS_PER_ADDRESS, Budget, BusiestAddressFirst, Turns
from tests.unit.http.support import Raw, raw, running

pytestmark = pytest.mark.asyncio

PROBE = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
METRICS = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"

#: How long the crowd of test_probes_among_a_thousand_connections stays; 300 is the long run outside CI.
CROWD_S = float(os.environ.get("FASTFIT_CROWD_SECONDS", "30"))


async def dial(port: int, source: str) -> Raw:
    """A connection from another loopback address."""
    return Raw(*await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0)))


async def ask(port: int, request: bytes, source: str = "127.0.0.1") -> int:
    """The status that one request on a connection of its own gets; raises ConnectionError for a reset."""
    peer = await dial(port, source)
    try:
        await peer.send(request)
        return (await peer.reply())[0]
    except asyncio.IncompleteReadError:
        raise ConnectionResetError from None
    finally:
        await peer.close()


async def test_a_newcomer_is_always_admitted():
    """With the port full of idle connections of one address the probe gets its answer, and so does the next one."""
    async with running() as it:
        crowd = [await dial(it.ops_port, f"127.0.1.{number % 250 + 1}") for number in range(2 * OPS_CONNECTIONS)]
        for _ in range(12):
            assert await ask(it.ops_port, PROBE) == 200
        for peer in crowd:
            await peer.close()


async def test_an_address_over_its_limit_loses_its_own():
    """Its oldest goes, and no other address notices."""
    async with running() as it:
        other = await dial(it.ops_port, "127.0.0.9")
        busy = [await dial(it.ops_port, "127.0.0.8") for _ in range(OPS_PER_ADDRESS + 1)]
        assert await busy[0].closed()
        for peer in (other, busy[1], busy[-1]):
            await peer.send(METRICS)
            assert (await peer.reply())[0] == 200
        for peer in (other, *busy):
            await peer.close()


async def test_of_a_full_port_the_busiest_address_loses_one(monkeypatch):
    """An address with one connection keeps it while another holds ten."""
    monkeypatch.setattr("extender.http.server.OPS_CONNECTIONS", 12)
    async with running() as it:
        single = await dial(it.ops_port, "127.0.0.9")
        busy = [await dial(it.ops_port, "127.0.0.8") for _ in range(11)]
        late = await dial(it.ops_port, "127.0.0.7")
        assert await busy[0].closed()
        for peer in (single, late, busy[1]):
            await peer.send(METRICS)
            assert (await peer.reply())[0] == 200
        for peer in (single, late, *busy):
            await peer.close()


async def test_one_that_is_being_answered_goes_last():
    """Of the busiest address an idle connection goes before one whose reply is on its way."""

    class Peer:
        def __init__(self, busy: bool) -> None:
            self.address, self.busy = "a", busy

    policy = BusiestAddressFirst(per_address=2)
    running_one, idle = Peer(True), Peer(False)
    policy.came(running_one)
    policy.came(idle)
    assert policy.give_way("b", full=False) is None
    assert policy.give_way("a", full=False) is idle
    policy.gone(idle)
    assert policy.give_way("b", full=True) is running_one


@pytest.mark.parametrize("request_line", ["GET /nowhere", "POST /livez", "GET /debug/explain"])
async def test_errors_earn_no_keep_alive(request_line):
    """Whoever is refused starts anew."""
    async with running(explain=lambda _ns, _name: None) as it, raw(it.ops_port) as peer:
        await peer.send(f"{request_line} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        status, headers, _ = await peer.reply()
        assert status >= 400
        assert headers["connection"] == "close"
        assert await peer.closed()


async def test_a_probe_that_fails_may_ask_again():
    """503 of /readyz is an answer."""
    async with running() as it, raw(it.ops_port) as peer:
        it.missing.append("pods: not synced yet")
        for _ in range(2):
            await peer.send(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await peer.reply())[0] == 503


async def test_the_page_of_metrics_is_made_a_few_times_a_second(monkeypatch):
    """A loop gets the last page again, in both formats; whoever asks now and then gets a new one."""
    monkeypatch.setattr(ops_connections, "_WAIT_S", 0.0)
    async with running() as it, raw(it.ops_port) as peer:
        made = []
        render = it.metrics.render
        it.metrics.render = lambda accept: made.append(accept) or render(accept)
        for number in range(100):
            accept = "Accept: application/openmetrics-text; version=1.0.0\r\n" if number % 2 else ""
            await peer.send(f"GET /metrics HTTP/1.1\r\nHost: x\r\n{accept}\r\n".encode())
            status, headers, body = await peer.reply()
            assert status == 200
            assert headers["content-type"].startswith("application/openmetrics" if number % 2 else "text/plain")
            assert body.endswith(b"# EOF\n") == bool(number % 2)
        assert 2 <= len(made) <= 20


async def test_a_loop_is_answered_so_often_a_second_and_probes_meanwhile():
    """Work is bounded by count: a client that never rests gets its burst and then four answers a second."""
    async with running() as it, raw(it.ops_port) as peer:
        answered = 0

        async def loop():
            nonlocal answered
            while True:
                await peer.send(METRICS)
                assert (await peer.reply())[0] == 200
                answered += 1

        task = asyncio.create_task(loop())
        await asyncio.sleep(1.5)
        for _ in range(5):
            assert await ask(it.ops_port, PROBE) == 200
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert answered <= 30 + 15 + 8


async def test_a_probe_on_a_new_connection_never_waits():
    """Though its address has spent everything; a second request on the same connection does."""

    class Peer:
        address, requests = "a", 1

    now = 0.0
    turns = Turns(lambda: now)
    peer = Peer()
    while turns.wait_s(peer, probe=False) == 0.0:
        pass
    assert turns.wait_s(peer, probe=True) == 0.0
    peer.requests = 2
    assert turns.wait_s(peer, probe=True) > 0.0
    now = 1.0
    assert turns.wait_s(peer, probe=False) == 0.0


async def test_addresses_that_are_counted_are_bounded():
    """A neighbour with a whole network of addresses fills no memory."""

    class Peer:
        requests = 1
        address = ""

    turns = Turns(lambda: 0.0)
    for number in range(10_000):
        Peer.address = str(number)
        turns.wait_s(Peer, probe=False)
    assert len(turns._budgets) <= 4096


async def test_a_budget_fills_up_to_its_burst():
    """Two a second, three at once."""
    now = 0.0
    budget = Budget(2.0, 3.0, lambda: now)
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]
    now = 0.5
    assert [budget.spend() for _ in range(2)] == [True, False]
    now = 100.0
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]


@pytest.mark.slow
async def test_probes_among_a_thousand_connections():
    """A thousand connections of other loopback addresses, opened again when they are cut: no probe is reset or late."""
    async with running() as it:
        crowd = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.unit.http.crowd", str(it.ops_port), "1000"),
            cwd=Path(__file__).parents[3],
            stdout=asyncio.subprocess.PIPE,
        )
        answered, until = 0, time.monotonic() + CROWD_S
        try:
            await asyncio.wait_for(crowd.stdout.readline(), 60)
            while time.monotonic() < until:
                assert await asyncio.wait_for(ask(it.ops_port, PROBE), 5) == 200
                answered += 1
                await asyncio.sleep(0.25)
        finally:
            crowd.kill()
            await crowd.communicate()
        assert answered > 10


async def test_one_turn_accepts_a_few_connections():
    """A flood of connections waits in the backlog of Linux, not in front of the calls."""
    async with running() as it:
        for listener in it.server._listeners:
            assert listener._backlog == 16
        turns: list[int] = []
        connections = it.server._connections[1]
        begun = [socket.socket() for _ in range(100)]
        for sock in begun:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", it.ops_port))
        last = 0
        for _ in range(50):
            await asyncio.sleep(0)
            turns.append(len(connections) - last)
            last = len(connections)
        assert max(turns) <= 17
        for sock in begun:
            sock.close()
