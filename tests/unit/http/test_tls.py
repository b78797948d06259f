"""TLS of the scheduler port: client certificates, files that cannot be used, and files that change."""

import asyncio
import shutil
import socket
import ssl

import pytest

from extender.config import Tls
from extender.errors import ConfigError
from extender.http.tls import ServerTls
from tests.unit.http.support import Raw, head, issue, running, settings

NAMES = {"server": "ca", "client": "ca", "stranger": "other", "server2": "ca"}


@pytest.fixture(scope="module")
def issued(tmp_path_factory):
    """A CA, another CA, and certificates of both."""
    directory = tmp_path_factory.mktemp("pki")
    for name in ("ca", "other"):
        issue(directory, name)
    for name, ca in NAMES.items():
        issue(directory, name, ca)
    return directory


@pytest.fixture
def files(issued, tmp_path):
    """The server's files, to be changed by a test."""
    for source, target in (("server.crt", "tls.crt"), ("server.key", "tls.key"), ("ca.crt", "ca.crt")):
        shutil.copy(issued / source, tmp_path / target)
    return Tls(
        cert_file=str(tmp_path / "tls.crt"), key_file=str(tmp_path / "tls.key"), client_ca_file=str(tmp_path / "ca.crt")
    )


def client(issued, name=None, ca="ca"):
    """A client's context that trusts `ca` and shows NAME's certificate."""
    context = ssl.create_default_context(cafile=issued / f"{ca}.crt")
    if name is not None:
        context.load_cert_chain(issued / f"{name}.crt", issued / f"{name}.key")
    return context


async def call(port, context, **options):
    """The status of one call over TLS, and the common name in the server's certificate."""
    peer = Raw(*await asyncio.open_connection("127.0.0.1", port, ssl=context, **options))
    try:
        status = (await peer.post("/filter", b"{}"))[0]
        subject = peer.writer.get_extra_info("peercert")["subject"]
        return status, dict(pair[0] for pair in subject)["commonName"]
    finally:
        await peer.close()


@pytest.mark.asyncio
async def test_the_client_certificate_decides(issued, files):
    """The CA's client is answered; none, and one of another CA, are not; nor is plain HTTP."""
    async with running(settings(tls=files, server={"drain_seconds": 0})) as it:
        assert it.server.url.startswith("https://")
        assert await call(it.port, client(issued, "client")) == (200, "server")
        for name in (None, "stranger"):
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await call(it.port, client(issued, name))
        plain = await Raw.open(it.port)
        await plain.send(b"POST /filter HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        assert await plain.closed()
        await plain.close()
        assert len(it.verbs.asked) == 1


@pytest.mark.asyncio
async def test_without_a_client_ca_everybody_is_answered(issued, files):
    """TLS alone encrypts; whether that is enough was asked before the port was opened."""
    alone = Tls(cert_file=files.cert_file, key_file=files.key_file)
    async with running(settings(tls=alone, server={"drain_seconds": 0})) as it:
        assert await call(it.port, client(issued)) == (200, "server")


def at_most(context, version):
    """The context, limited to one version of TLS."""
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.asyncio
async def test_http_1_1_is_agreed(issued, files):
    """Of h2 and http/1.1, as Go offers them, the second."""
    async with running(settings(tls=files, server={"drain_seconds": 0})) as it:
        modern = client(issued, "client")
        modern.set_alpn_protocols(["h2", "http/1.1"])
        peer = Raw(*await asyncio.open_connection("127.0.0.1", it.port, ssl=modern))
        assert peer.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        assert peer.writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        await peer.close()


@pytest.mark.asyncio
async def test_client_certificates_need_tls_1_3(issued, files):
    """With a client CA 1.2 is refused; without one it is answered, and 1.1 never."""
    async with running(settings(tls=files, server={"drain_seconds": 0})) as it:
        assert (await call(it.port, at_most(client(issued, "client"), ssl.TLSVersion.TLSv1_3)))[0] == 200
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await call(it.port, at_most(client(issued, "client"), ssl.TLSVersion.TLSv1_2))
    alone = Tls(cert_file=files.cert_file, key_file=files.key_file)
    assert ServerTls(alone).context.minimum_version is ssl.TLSVersion.TLSv1_2
    async with running(settings(tls=alone, server={"drain_seconds": 0})) as it:
        assert (await call(it.port, at_most(client(issued), ssl.TLSVersion.TLSv1_2)))[0] == 200


def resumed_call(port, context, session):
    """One call on a connection that offers an earlier session; the session after it, and whether it was resumed."""
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        with context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as peer:
            peer.sendall(head("/filter", 2) + b"{}")
            # with TLS 1.3 a refused certificate shows at the first read
            assert peer.recv(65536).startswith(b"HTTP/1.1 200")
            return peer.session, peer.session_reused


@pytest.mark.asyncio
async def test_no_session_outlives_its_ca(issued, files):
    """No session is ever resumed: not while the CA is in force, and not after it was removed."""
    async with running(settings(tls=files, server={"drain_seconds": 0})) as it:
        context = client(issued, "client")
        session, _ = await asyncio.to_thread(resumed_call, it.port, context, None)
        assert session is None or not session.has_ticket
        session, reused = await asyncio.to_thread(resumed_call, it.port, context, session)
        assert not reused
        shutil.copy(issued / "other.crt", files.client_ca_file)
        assert it.server._tls.refresh()
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            await asyncio.to_thread(resumed_call, it.port, context, session)


@pytest.mark.asyncio
async def test_a_changed_certificate_serves_new_connections(issued, files):
    """Old connections stay; the next handshake, with or without a server name, shows the new certificate."""
    given = settings(tls=files, server={"drain_seconds": 0})
    async with running(given) as it:
        context = client(issued, "client")
        old = Raw(*await asyncio.open_connection("127.0.0.1", it.port, ssl=context))
        assert not it.server._tls.refresh()
        shutil.copy(issued / "server2.crt", files.cert_file)
        shutil.copy(issued / "server2.key", files.key_file)
        assert it.server._tls.refresh()
        assert await call(it.port, context) == (200, "server2")
        context.check_hostname = False
        assert await call(it.port, context, server_hostname="") == (200, "server2")
        assert (await old.post("/filter", b"{}"))[0] == 200
        await old.close()


@pytest.mark.asyncio
async def test_a_removed_client_ca_is_gone(issued, files):
    """After the CA is exchanged its old clients are refused, and the new CA's are answered."""
    async with running(settings(tls=files, server={"drain_seconds": 0})) as it:
        assert (await call(it.port, client(issued, "client")))[0] == 200
        shutil.copy(issued / "other.crt", files.client_ca_file)
        assert it.server._tls.refresh()
        assert (await call(it.port, client(issued, "stranger")))[0] == 200
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            await call(it.port, client(issued, "client"))


@pytest.mark.asyncio
async def test_half_a_change_leaves_the_old_pair_in_force(issued, files):
    """A new certificate beside the old key is reported and not used; when the key follows, both are."""
    async with running(settings(tls=files, server={"drain_seconds": 0})) as it:
        shutil.copy(issued / "server2.crt", files.cert_file)
        assert not it.server._tls.refresh()
        assert await call(it.port, client(issued, "client")) == (200, "server")
        shutil.copy(issued / "server2.key", files.key_file)
        assert it.server._tls.refresh()
        assert await call(it.port, client(issued, "client")) == (200, "server2")


def test_a_vanished_file_leaves_the_old_one_in_force(files, tmp_path):
    """A volume that is being remounted does not end the service."""
    tls = ServerTls(files)
    (tmp_path / "tls.crt").unlink()
    assert not tls.refresh()


@pytest.mark.parametrize(
    ("field", "content", "text"),
    [
        ("cert_file", None, r"\$\.tls\.certFile .*cannot be read \(No such file"),
        ("key_file", None, r"\$\.tls\.keyFile .*cannot be read"),
        ("client_ca_file", None, r"\$\.tls\.clientCAFile .*cannot be read"),
        ("cert_file", b"", r"\$\.tls\.certFile .*not a certificate in PEM"),
        ("cert_file", b"nonsense", r"\$\.tls\.certFile .*not a certificate in PEM"),
        ("key_file", b"nonsense", r"\$\.tls\.keyFile .*unencrypted key"),
        ("client_ca_file", b"", r"\$\.tls\.clientCAFile .*no CA certificate in PEM"),
        ("client_ca_file", b"nonsense", r"\$\.tls\.clientCAFile .*no CA certificate in PEM"),
    ],
)
def test_files_that_cannot_be_used_are_named_before_anything_starts(files, field, content, text):
    """Path in the configuration, file, reason and remedy."""
    from pathlib import Path

    path = Path(getattr(files, field))
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ConfigError, match=text) as caught:
        ServerTls(files)
    assert ";" in str(caught.value)


def test_a_key_of_another_certificate_is_named(issued, files):
    """The pair must belong together."""
    shutil.copy(issued / "client.key", files.key_file)
    with pytest.raises(ConfigError, match="the pair that was issued together"):
        ServerTls(files)


@pytest.mark.asyncio
async def test_failed_and_unfinished_handshakes_do_not_lock_the_scheduler_out(issued, files):
    """Only connections with a finished handshake count."""
    given = settings(tls=files, server={"drain_seconds": 0}, limits={"connections": 4})
    async with running(given) as it:
        unfinished = [await Raw.open(it.port) for _ in range(8)]
        for _ in range(6):
            bad = await Raw.open(it.port)
            await bad.send(b"this is not TLS at all\r\n\r\n")
            assert await bad.closed()
            await bad.close()
        assert it.server.scheduler_connections == 0
        assert (await call(it.port, client(issued, "client")))[0] == 200
        for peer in unfinished:
            await peer.close()
