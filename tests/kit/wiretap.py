"""A relay between kube-scheduler and the extender that passes every byte on, as it comes, and keeps a record.

It ends a connection when either side does, so keep-alive is theirs, not the relay's.
"""

import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

__all__ = ["Call", "Message", "Wiretap"]

CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Message:
    """One HTTP message: its first line, its headers in lower case, and its body."""

    first: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Call:
    """One call and its reply. `at` is monotonic time of the whole request; `connection` counts from 1."""

    connection: int
    at: float
    request: Message
    reply: Message

    @property
    def verb(self) -> str:
        return self.request.first.split()[1].rpartition("/")[2]

    @property
    def status(self) -> int:
        return int(self.reply.first.split()[1])

    @property
    def args(self) -> dict[str, Any]:
        args: dict[str, Any] = json.loads(self.request.body)
        return args

    @property
    def uid(self) -> str:
        return str(self.args["Pod"]["metadata"]["uid"])

    @property
    def answer(self) -> Any:
        return json.loads(self.reply.body)


class Stream:
    """Cuts one direction of a connection into messages. A body without Content-Length is an error of the test."""

    def __init__(self) -> None:
        self.buffer = b""

    def feed(self, data: bytes) -> Iterator[Message]:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            first, *lines = self.buffer[:end].decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            size = int(headers.get("content-length", "-1"))
            assert size >= 0, f"no Content-Length: {first} {headers}"
            if len(self.buffer) < end + 4 + size:
                return
            body, self.buffer = self.buffer[end + 4 : end + 4 + size], self.buffer[end + 4 + size :]
            yield Message(first, headers, body)


@dataclass
class Wiretap:
    """Listens on a port of its own for as long as the `with` block. `target` is the extender's port.

    `before` is called with every request, before the last of it is passed on.
    """

    target: int
    before: Callable[["Message"], None] | None = None
    calls: list[Call] = field(default_factory=list)
    connections: int = 0
    faults: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # A blocked accept() does not notice a close; it notices the end of listening.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        assert not self.faults, self.faults

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def of(self, pod: dict[str, Any], verb: str = "") -> list[Call]:
        """The calls so far for a pod, in order; all verbs or one."""
        uid = pod["metadata"]["uid"]
        return [call for call in list(self.calls) if call.uid == uid and verb in {"", call.verb}]

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._guarded, args=(client, self.connections), daemon=True).start()

    def _guarded(self, client: socket.socket, number: int) -> None:
        with client:
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return  # nobody listens: the caller sees its connection closed
            with server:
                try:
                    self._relay(client, server, number)
                except (OSError, AssertionError) as fault:
                    if isinstance(fault, AssertionError):
                        self.faults.append(str(fault))

    def _relay(self, client: socket.socket, server: socket.socket, number: int) -> None:
        asked, answered = Stream(), Stream()
        waiting: list[tuple[float, Message]] = []
        while True:
            ready, _, _ = select.select([client, server], [], [])
            for source in ready:
                data = source.recv(CHUNK)
                if not data:
                    return
                if source is client:
                    for message in asked.feed(data):
                        waiting.append((time.monotonic(), message))
                        if self.before is not None:
                            self.before(message)
                    server.sendall(data)
                else:
                    for message in answered.feed(data):
                        at, request = waiting.pop(0)
                        self.calls.append(Call(number, at, request, message))
                    client.sendall(data)
