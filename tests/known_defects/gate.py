"""A relay in front of the API server that can hold back what the server says, as a slow or busy one would."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from unittest.mock import patch

import yaml

from tests.kit.cluster.control_plane import ControlPlane

__all__ = ["Gate", "behind"]

CHUNK = 1 << 16


class Gate:
    """Listens on a port of its own for as long as the `with` block, and relays to `target` of loopback.

    What the client says passes always. What the server says passes while the gate is open, in order.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def close(self) -> None:
        """Hold back what the server says from now on."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def open(self) -> None:
        """Let pass what was held back, and all that follows."""
        self._loop.call_soon_threadsafe(self._open.set)

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _end(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return

        async def forth() -> None:
            while data := await reader.read(CHUNK):
                up_writer.write(data)
                await up_writer.drain()

        async def back() -> None:
            while data := await up_reader.read(CHUNK):
                await self._open.wait()
                writer.write(data)
                await writer.drain()

        ways = [asyncio.ensure_future(forth()), asyncio.ensure_future(back())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for each in (up_writer, writer):
                each.close()


@contextmanager
def behind(plane: ControlPlane) -> Iterator[Gate]:
    """A gate; users whose kubeconfig is written inside the block reach the API server through it."""
    direct = plane.kubeconfig_for
    with Gate(plane.port) as gate:

        def through(user: str, groups: Sequence[str] = ()) -> Path:
            path = direct(user, groups)
            config = yaml.safe_load(path.read_text())
            for each in config["clusters"]:
                each["cluster"]["server"] = f"https://127.0.0.1:{gate.port}"
            path.write_text(yaml.safe_dump(config))
            return path

        with patch.object(plane, "kubeconfig_for", through):
            yield gate
