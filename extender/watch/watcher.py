"""All watched kinds together: runs their reflectors, and says whether their pictures can be used."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

from extender.cache.events import Sink, Source
from extender.kubeapi.transport import Transport
from extender.watch.kinds import KINDS, Need
from extender.watch.observer import NoObserver, WatchObserver
from extender.watch.reflector import Reflector, Tuning
from extender.watch.status import SourceStatus, State

__all__ = ["Watcher"]

#: Without its own entry a kind is required: nodes and pods always are.
_ALWAYS: Final = frozenset({Source.NODES, Source.PODS})


class Watcher:
    """One reflector per kind that is not off, each a task of its own."""

    def __init__(
        self,
        transport: Transport,
        sink: Sink,
        needs: Mapping[Source, Need],
        *,
        stale_after_s: float = 180.0,
        tuning: Tuning | None = None,
        clock: Callable[[], float] = time.monotonic,
        observer: WatchObserver | None = None,
        lag_every_s: float = 0.25,
    ) -> None:
        """`needs` for the optional kinds (absent: optional); nodes and pods are always required.

        `stale_after_s`: age of a required picture above which we are not ready.
        `lag_every_s`: how often the lateness of the event loop is measured; 0 = never.
        """
        self._sink = sink
        self._stale_after_s = stale_after_s
        self._observer = observer or NoObserver()
        self._lag_every_s = lag_every_s
        self._off: list[Source] = []
        self._reflectors: dict[Source, Reflector] = {}
        for source, kind in KINDS.items():
            need = Need.REQUIRED if source in _ALWAYS else needs.get(source, Need.OPTIONAL)
            if need is Need.OFF:
                self._off.append(source)
                continue
            self._reflectors[source] = Reflector(
                kind, transport, sink, need=need, tuning=tuning, clock=clock, observer=self._observer
            )

    async def run(self) -> None:
        """Watch until cancelled. Kinds that are off are declared absent to the sink first."""
        for source in self._off:
            self._sink.absent(source)
            self._observer.state(source, State.OFF)
        async with asyncio.TaskGroup() as tasks:
            for source, reflector in self._reflectors.items():
                tasks.create_task(reflector.run(), name=f"watch {source}")
            if self._lag_every_s:
                tasks.create_task(self._measure_lag(), name="loop lag")

    def status(self) -> list[SourceStatus]:
        """Every kind, in the order of KINDS."""
        return [
            self._reflectors[source].status()
            if source in self._reflectors
            else SourceStatus(source, Need.OFF, State.OFF, None, 0, 0, 0, "", settled=True)
            for source in KINDS
        ]

    def not_ready(self) -> list[str]:
        """One text for each source that keeps us from being ready; empty when we are."""
        return [text for status in self.status() if (text := status.obstacle(self._stale_after_s))]

    @property
    def ready(self) -> bool:
        """Whether every required picture is there and fresh, and every optional kind has been heard of once."""
        return not self.not_ready()

    async def _measure_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._lag_every_s
            await asyncio.sleep(self._lag_every_s)
            self._observer.loop_lag(max(0.0, loop.time() - due))
