"""A running server around verbs that answer what a test tells them, and raw sockets to it."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import pytest

from extender.cache.cluster import Cluster
from extender.config import Settings
from extender.http.address import Address
from extender.http.health import Health
from extender.http.server import Server
from extender.observe.decisions import DecisionLog
from extender.observe.metrics import Metrics
from tests.kit.verbs import make_verbs

LOOPBACK = Address("127.0.0.1", 0)


@dataclass(frozen=True)
class FakeReply:
    status: int = 200
    body: bytes = b'{"NodeNames":[]}'
    outcome: str = "ok"


class FakeMissing:
    """Something that `come` brings."""

    def __init__(self) -> None:
        self.complete = False
        self.calls: list[Callable[[], None]] = []

    def on_arrival(self, call: Callable[[], None]) -> None:
        self.calls.append(call)

    def come(self, *, whole: bool = True) -> None:
        self.complete = whole
        for call in self.calls:
            call()

    def close(self) -> None:
        self.calls.clear()


@dataclass
class FakeVerbs:
    """Answers `reply`, or raises `fault`; keeps what it was asked."""

    reply: FakeReply = FakeReply()
    fault: Exception | None = None
    asked: list[tuple[str, bytes, float]] = field(default_factory=list)
    #: what is missing for a call, by body
    absent: dict[bytes, "FakeMissing"] = field(default_factory=dict)

    def read(self, body: bytes) -> bytes:
        return body

    def filter(self, body: bytes, now: float) -> FakeReply:
        return self._answer("filter", body, now)

    def prioritize(self, body: bytes, now: float) -> FakeReply:
        return self._answer("prioritize", body, now)

    def missing(self, body: bytes) -> "FakeMissing | None":
        return self.absent.pop(body, None)

    def _answer(self, verb: str, body: bytes, now: float) -> FakeReply:
        self.asked.append((verb, body, now))
        if self.fault is not None:
            raise self.fault
        return self.reply


@dataclass
class Running:
    """A server on free ports, and its parts."""

    server: Server
    verbs: FakeVerbs
    metrics: Metrics
    decisions: DecisionLog
    health: Health
    missing: list[str]

    @property
    def port(self) -> int:
        return int(self.server.url.rpartition(":")[2])

    @property
    def ops_port(self) -> int:
        return int(self.server.ops_url.rpartition(":")[2])

    def count(self, name: str, **labels: str) -> float:
        """The value of one sample; 0 if it does not exist yet."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


def settings(base: Settings | None = None, **changes: object) -> Settings:
    """Settings with fields of one level down replaced: `limits={"body_bytes": 10}`."""
    base = base or Settings()
    for name, value in changes.items():
        if isinstance(value, dict):
            value = msgspec.structs.replace(getattr(base, name), **value)
        base = msgspec.structs.replace(base, **{name: value})
    return base


@asynccontextmanager
async def running(given: Settings | None = None, *, start: bool = True, **options: object) -> AsyncIterator[Running]:
    """A server with fake verbs, closed at the end. Draining takes no time unless the settings say so."""
    given = given or settings(server={"drain_seconds": 0})
    verbs, metrics, decisions = FakeVerbs(), Metrics("0.0", "python"), DecisionLog(10)
    missing: list[str] = []
    health = Health(lambda: missing, metrics.pulse)
    server = Server(
        given,
        verbs,
        metrics=metrics,
        decisions=decisions,
        health=health,
        bind=options.pop("bind", LOOPBACK),
        ops_bind=LOOPBACK,
        **options,
    )
    if start:
        await server.start()
    try:
        yield Running(server, verbs, metrics, decisions, health, missing)
    finally:
        await server.close()


@asynccontextmanager
async def serving(cluster: Cluster) -> AsyncIterator[Server]:
    """A server with the real verbs around this cluster, as shipped, but for a body limit that hostile callers reach."""
    metrics = Metrics("0", "python")
    server = Server(
        settings(limits={"body_bytes": 65536}, server={"drain_seconds": 0}),
        make_verbs(cluster),
        metrics=metrics,
        decisions=DecisionLog(10),
        health=Health(list, metrics.pulse),
        bind=LOOPBACK,
        ops_bind=LOOPBACK,
    )
    await server.start()
    try:
        yield server
    finally:
        await server.close()


class Raw:
    """One TCP connection, spoken to in bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> "Raw":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def post(self, path: str, body: bytes, headers: str = "") -> tuple[int, dict[str, str], bytes]:
        """A whole call as kube-scheduler's client sends it; its reply."""
        await self.send(head(path, len(body), headers) + body)
        return await self.reply()

    async def reply(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (lower case) and body of the next reply."""
        text = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 20)).decode()
        first, *lines = text.strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(first.split()[1]), headers, body

    async def closed(self) -> bool:
        """Wait until the other side has closed."""
        try:
            while await asyncio.wait_for(self.reader.read(65536), 20):
                pass
        except ConnectionError:
            pass
        return True

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass


@asynccontextmanager
async def raw(port: int) -> AsyncIterator[Raw]:
    """One connection, closed at the end."""
    connection = await Raw.open(port)
    try:
        yield connection
    finally:
        await connection.close()


def head(path: str, length: int, headers: str = "") -> bytes:
    """Request line and headers as Go's client writes them."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Go-http-client/1.1\r\n"
        f"Content-Length: {length}\r\nContent-Type: application/json\r\n{headers}"
        f"Accept-Encoding: gzip\r\n\r\n"
    ).encode()


def openssl(*arguments: str, cwd: object) -> None:
    """Run openssl; without it the test is skipped aloud, and fails in CI."""
    program = shutil.which("openssl")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("openssl is needed in CI")
        pytest.skip("openssl is not installed: TLS is not tested")
    subprocess.run([program, *arguments], cwd=cwd, check=True, capture_output=True)


def issue(directory: object, name: str, ca: str | None = None) -> None:
    """NAME.crt and NAME.key for 127.0.0.1: signed by CA's, or a CA of its own."""
    common = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-days", "2"]
    signer = ["-CA", f"{ca}.crt", "-CAkey", f"{ca}.key", "-addext", "basicConstraints=critical,CA:false"] if ca else []
    # From Python 3.13 on a client refuses a CA that does not say that it may sign.
    usage = "keyUsage=critical,digitalSignature" + ("" if ca else ",keyCertSign")
    openssl(
        "req", "-x509", *common, *signer, "-addext", "subjectAltName=IP:127.0.0.1", "-addext", usage,
        "-keyout", f"{name}.key", "-out", f"{name}.crt", cwd=directory,
    )  # fmt: skip
