"""A client of prepared bytes: it only looks for the end of each reply."""

import socket

__all__ = ["Client", "request"]


class Client:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(1 << 20)

    def body(self, length: int) -> bytes:
        """The last reply's body, of that length."""
        begin = self._buffer.find(b"\r\n\r\n") + 4
        return bytes(self._buffer[begin : begin + length])

    def call(self, prepared: bytes) -> int:
        """Send a prepared request and read the whole reply; returns the length of its body."""
        self._socket.sendall(prepared)
        view, got, end, length = memoryview(self._buffer), 0, -1, 0
        while True:
            received = self._socket.recv_into(view[got:])
            if not received:
                raise ConnectionError("the server closed the connection")
            got += received
            if end < 0:
                end = self._buffer.find(b"\r\n\r\n", 0, got)
                if end >= 0:
                    head = bytes(self._buffer[:end]).lower()
                    if not head.startswith(b"http/1.1 200"):
                        raise ConnectionError(head.splitlines()[0].decode())
                    length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            if end >= 0 and got >= end + 4 + length:
                return length


def request(path: str, payload: bytes) -> bytes:
    """A POST with this body, ready to be sent."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
    )
    return head.encode() + payload
