"""Start, drain, stop: ports, addresses, signals."""

import asyncio
import os
import signal
import socket

import pytest

from extender.config import Settings, Tls
from extender.errors import ConfigError
from extender.http.address import Address, check_exposure, is_loopback, parse
from extender.http.server import stop_on_signals
from tests.unit.http.support import LOOPBACK, raw, running, settings
from tests.unit.http.test_operations import get


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8888", Address("127.0.0.1", 8888)),
        ("0.0.0.0:0", Address("0.0.0.0", 0)),
        ("[::1]:65535", Address("::1", 65535)),
        ("[::]:80", Address("::", 80)),
        ("localhost:8888", Address("127.0.0.1", 8888)),
    ],
)
def test_addresses_are_read(text, address):
    """IPv4, IPv6 in brackets, localhost; written back in the same form."""
    assert parse(text, "--bind") == address
    assert parse(str(address), "--bind") == address


@pytest.mark.parametrize(
    "text",
    [
        "", "8888", ":8888", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1",
        "127.0.0.1: 80", "::1:8888", "[::1]", "[::1]:", "[127.0.0.1:80", "node1:8888", "300.0.0.1:80", "[zz]:80",
        "127.0.0.1:8\u0668", "http://127.0.0.1:80",
    ],
)  # fmt: skip
def test_addresses_that_cannot_be_read_are_named_with_a_remedy(text):
    """Flag, value, and what to write instead."""
    with pytest.raises(ConfigError, match=r"--bind .*; (write|an IPv6)?") as caught:
        parse(text, "--bind")
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("::ffff:10.0.0.1", False), ("fe80::1%eth0", False),
        ("localhost", False), ("", False),
    ],
)  # fmt: skip
def test_loopback_is_told_from_the_rest(host, loopback):
    """Also IPv4 written as IPv6, as a dual-stack socket reports it."""
    assert is_loopback(host) is loopback


MUTUAL = Tls(cert_file="c", key_file="k", client_ca_file="a")


@pytest.mark.parametrize(
    ("host", "given", "missing"),
    [
        ("127.0.0.1", Settings(), None),
        ("::1", Settings(), None),
        ("0.0.0.0", Settings(), "without TLS"),
        ("::", Settings(), "without TLS"),
        ("10.0.0.1", Settings(tls=Tls(cert_file="c", key_file="k")), "without client certificates"),
        ("10.0.0.1", Settings(tls=MUTUAL), None),
        ("0.0.0.0", Settings(allow_remote_without_client_certificates=True), None),
    ],
)
def test_an_exposed_scheduler_port_needs_client_certificates_or_a_word(host, given, missing):
    """Loopback is free; beyond it mTLS, or the setting that says so."""
    if missing is None:
        check_exposure(Address(host, 1), given, "--bind")
        return
    with pytest.raises(ConfigError, match=missing) as caught:
        check_exposure(Address(host, 1), given, "--bind")
    assert "allowRemoteWithoutClientCertificates" in str(caught.value)


@pytest.mark.asyncio
async def test_an_exposed_port_is_refused_before_it_is_opened():
    """The server does not even come into being."""
    with pytest.raises(ConfigError, match="reachable from other machines"):
        async with running(bind=Address("0.0.0.0", 0)):
            pass


@pytest.mark.asyncio
async def test_a_port_in_use_is_named():
    """Flag, address and remedy; the other port is not left open."""
    with socket.socket() as other:
        other.bind(LOOPBACK)
        other.listen()
        taken = Address(*other.getsockname())
        async with running(start=False, bind=taken) as it:
            with pytest.raises(ConfigError, match=rf"--bind {taken}: the port is in use; .*another port"):
                await it.server.start()
            assert it.server.url == f"http://{taken}"


@pytest.mark.asyncio
async def test_an_address_of_another_machine_is_named():
    """192.0.2.0/24 belongs to nobody."""
    given = settings(allow_remote_without_client_certificates=True)
    async with running(given, start=False, bind=Address("192.0.2.1", 0)) as it:
        with pytest.raises(ConfigError, match=r"no such address; bind one that it has"):
            await it.server.start()


@pytest.mark.asyncio
async def test_ipv6_is_served():
    """On [::1], where the machine has it."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs IPv6 on loopback")
        pytest.skip("this machine has no IPv6: listening on [::1] is not tested")
    async with running(bind=Address("::1", 0)) as it:
        assert it.server.url.startswith("http://[::1]:")
        _, writer = await asyncio.open_connection("::1", it.port)
        writer.close()
        await writer.wait_closed()


@pytest.mark.asyncio
async def test_draining_answers_on_and_closes_connections():
    """Un-ready at once; calls still work, and each reply says that the connection ends."""
    async with running(settings(server={"drain_seconds": 1})) as it, raw(it.port) as old:
        await old.post("/filter", b"{}")
        drain = asyncio.create_task(it.server.drain())
        await asyncio.sleep(0.05)
        status, _, body = await get(it.ops_port, "/readyz")
        assert (status, b"draining" in body) == (503, True)
        assert (await get(it.ops_port, "/livez"))[0] == 200
        status, headers, _ = await old.post("/filter", b"{}")
        assert (status, headers["connection"]) == (200, "close")
        assert await old.closed()
        async with raw(it.port) as new:
            assert (await new.post("/prioritize", b"{}"))[0] == 200
        assert not drain.done()
        await drain


@pytest.mark.asyncio
async def test_closing_ends_idle_connections_and_frees_the_ports():
    """And may be done twice."""
    async with running() as it, raw(it.port) as idle:
        await idle.post("/filter", b"{}")
        port = it.port
        await it.server.close()
        assert await idle.closed()
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", port))
        await it.server.close()


@pytest.mark.asyncio
async def test_a_call_that_is_being_read_while_closing_is_not_waited_for_long():
    """A body that never ends does not keep the process."""
    async with running() as it, raw(it.port) as peer:
        await peer.send(b"POST /filter HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx")
        await asyncio.sleep(0.05)
        await asyncio.wait_for(it.server.close(), 15)
        assert await peer.closed()
        assert it.verbs.asked == []


@pytest.mark.asyncio
async def test_a_signal_drains_and_a_second_one_hurries():
    """SIGTERM starts a long drain; SIGINT ends it."""
    async with running(settings(server={"drain_seconds": 300}), start=False) as it:
        stop, hurry = stop_on_signals()
        try:
            run = asyncio.create_task(it.server.run(stop, hurry))
            await asyncio.sleep(0.1)
            assert (await get(it.ops_port, "/readyz"))[0] == 200
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0.1)
            assert (await get(it.ops_port, "/readyz"))[0] == 503
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.wait_for(run, 20)
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().remove_signal_handler(number)


@pytest.mark.asyncio
async def test_a_signal_during_a_short_drain_changes_nothing():
    """The drain ends by itself and everything is closed."""
    async with running(start=False) as it:
        stop, hurry = asyncio.Event(), asyncio.Event()
        stop.set()
        await asyncio.wait_for(it.server.run(stop, hurry), 20)
        assert it.health.draining
        assert it.server.scheduler_connections == 0
