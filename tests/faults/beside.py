"""The service on an event loop in a thread of its own, beside a test that drives a real control plane."""

import asyncio
import json
import selectors
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from extender.cache.events import Source
from extender.config import Settings
from extender.kubeapi.credentials import Kubeconfig
from extender.kubeapi.transport import KubeTransport
from extender.runtime.service import Service
from extender.watch.kinds import KINDS
from extender.watch.status import State
from extender.watch.watcher import Watcher
from tests.faults.cluster_objects import Object, body
from tests.faults.truth import differences
from tests.kit.cluster.api import Api
from tests.kit.cluster.processes import wait_for
from tests.kit.watch import Hooks

__all__ = ["Beside", "beside"]

T = TypeVar("T")


class Beside:
    """A service at work. Every method may be called from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, service: Service, watcher: Watcher, hooks: Hooks) -> None:
        self._loop = loop
        self._service = service
        self._watcher = watcher
        self.hooks = hooks

    def on_loop(self, function: Callable[[], T]) -> T:
        """What the function returns when it runs on the service's loop."""

        async def main() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(main(), self._loop).result(60)

    def states(self) -> set[State]:
        """What the sources say."""
        return self.on_loop(lambda: {status.state for status in self._watcher.status()})

    def errors(self) -> list[str]:
        """The last errors of the sources that have one."""
        return self.on_loop(lambda: [status.last_error for status in self._watcher.status() if status.last_error])

    def not_ready(self) -> list[str]:
        """What keeps it from being ready."""
        return self.on_loop(self._service.not_ready)

    def call(self, pod: Object, names: list[str]) -> tuple[str, str]:
        """filter and prioritize: the outcome of the first, and the node to take ("": none)."""

        def both() -> tuple[str, str]:
            verbs = self._service.verbs
            asked = verbs.filter(verbs.read(body(pod, names)), self._loop.time())
            kept = json.loads(asked.body)["NodeNames"]
            if not kept:
                return asked.outcome, ""
            scores = json.loads(verbs.prioritize(verbs.read(body(pod, kept)), self._loop.time()).body)
            return asked.outcome, next(each["Host"] for each in scores if each["Score"] == 10)

        return self.on_loop(both)

    def recovered(self, api: Api) -> None:
        """Wait until all is as a fresh list shows it, and said to be so; otherwise fail with the differences."""
        found = ["not tried"]

        def same() -> bool:
            if self.states() != {State.LIVE} or self.not_ready():
                found[:] = [str(self.states()), *self.not_ready(), *self.errors()]
                return False
            lists = {source: api.items(kind.resource.collection) for source, kind in KINDS.items()}
            lists[Source.PODS] = [pod for pod in lists[Source.PODS] if pod["status"]["phase"] != "Succeeded"]
            found[:] = self.on_loop(lambda: differences(self._service.cluster, lists))
            return not found

        try:
            wait_for(same, "the picture to be true")
        except TimeoutError as error:
            raise AssertionError("\n".join(found)) from error


@contextmanager
def beside(kubeconfig: Path) -> Iterator[Beside]:
    """Run the service with these credentials."""
    sockets = selectors.DefaultSelector()
    loop = asyncio.SelectorEventLoop(sockets)
    thread = threading.Thread(target=loop.run_forever, name="service")
    thread.start()
    service, hooks = Service(Settings()), Hooks()
    transport = KubeTransport(Kubeconfig(str(kubeconfig)))
    watcher = Watcher(transport, service.sink, {}, observer=hooks)
    service.watched(watcher.not_ready, watcher.status)
    stop = asyncio.Event()

    async def main() -> None:
        tasks = [asyncio.ensure_future(each) for each in (watcher.run(), *service.background())]
        try:
            await stop.wait()
            assert not any(task.done() for task in tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await transport.close()
            # TLS takes its leave of the server before a socket is closed; the one that stays is the loop's own.
            async with asyncio.timeout(20):
                while len(sockets.get_map()) > 1:
                    await asyncio.sleep(0.01)

    ended = asyncio.run_coroutine_threadsafe(main(), loop)
    try:
        yield Beside(loop, service, watcher, hooks)
    finally:
        loop.call_soon_threadsafe(stop.set)
        try:
            ended.result(30)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
