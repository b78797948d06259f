"""Runs the reflectors of all watched kinds, and says whether the cache can be used."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

from extender.cache.events import Sink, Source
from extender.kubeapi.transport import Transport
from extender.watch.kinds import KINDS, Need
from extender.watch.observer import WatchObserver
from extender.watch.reflector import Reflector, Tuning
from extender.watch.status import SourceStatus, State

__all__ = ["Watcher"]

#: Kinds that are required whatever the configuration says.
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
    ) -> None:
        """`needs` for the optional kinds (absent: optional); nodes and pods are always required.

        `stale_after_s`: age of a required kind's objects above which we are not ready.
        """
        self._sink = sink
        self._stale_after_s = stale_after_s
        self._off: list[Source] = []
        self._reflectors: dict[Source, Reflector] = {}
        for source, kind in KINDS.items():
            need = Need.REQUIRED if source in _ALWAYS else needs.get(source, Need.OPTIONAL)
            if need is Need.OFF:
                self._off.append(source)
                continue
            self._reflectors[source] = Reflector(
                kind, transport, sink, need=need, tuning=tuning, clock=clock, observer=observer
            )

    async def run(self) -> None:
        """Watch until cancelled. Kinds that are off are declared absent to the sink first."""
        for source in self._off:
            self._sink.absent(source)
        async with asyncio.TaskGroup() as tasks:
            for source, reflector in self._reflectors.items():
                tasks.create_task(reflector.run(), name=f"watch {source}")

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
        """Whether every required kind is in the cache and fresh, and every optional one was answered for once."""
        return not self.not_ready()
