"""The running service without its ports and watches: cache, verbs, metrics, decisions, and what keeps them current."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from typing import Final

import structlog

import _fastfit
from extender import __version__
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.cache.nodes.node import stand_in_nodes
from extender.config import Settings
from extender.garbage_collector import Collector, collector_paused
from extender.observe.decisions import DecisionLog
from extender.observe.metrics import Metrics
from extender.pace import Pace
from extender.placement.answer_json import as_json
from extender.placement.decide import Decider
from extender.placement.evacuable import Evacuability
from extender.placement.explain import explain, explain_subject
from extender.placement.subject import find_vm, target_of
from extender.runtime.asked_pods import AskedPods
from extender.runtime.evacuable_rounds import EvacuableRounds
from extender.runtime.recorder import CallRecorder
from extender.runtime.sink import CacheSink
from extender.verbs.call import Context
from extender.verbs.service import Verbs
from extender.watch.status import SourceStatus

__all__ = ["Service"]

#: Seconds that events are gathered before rows are made: most bursts are of one node, whose row is made once.
_GATHER_S: Final = 0.02
#: Seconds between two ticks of the cluster's clock; and between two looks for the first lists.
_TICK_S: Final = 1.0
_FIRST_LISTS_S: Final = 0.1

_log = structlog.stdlib.get_logger(__name__)


class Service:
    """Everything but the ports and the watches. `sources` says which kinds are not listed yet, or too old."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.metrics = Metrics(__version__, _fastfit.BACKEND)
        self.decisions = DecisionLog(settings.debug.decisions)
        self.cluster = Cluster()
        self.sources: Callable[[], Sequence[str]] = tuple
        self._statuses: Callable[[], Iterable[SourceStatus]] = tuple
        self._clock = clock
        self.cluster.epoch = time.time() - clock()
        self._rows_made = False
        #: set when a node became dirty
        self._work = asyncio.Event()
        self._evacuability = Evacuability(self.cluster)
        self._collector = Collector()
        #: pods of the last calls, for /debug/explain; as many as decisions are kept
        self._asked = AskedPods(settings.debug.decisions)
        decider = Decider(self.cluster)
        recorder = CallRecorder(
            self.metrics,
            self.decisions,
            mode=lambda: self.settings.mode,
            remember=self._asked.keep,
            done=self._wake_if_dirty,
        )
        self.verbs = Verbs(Context(decider, recorder, lambda: "; ".join(self.not_ready())))
        #: where the watches put their objects
        self.sink = CacheSink(self.cluster, decider, self.metrics, self.decisions, self._work.set)
        self.metrics.ask_charged(self.cluster.tracked_pods)
        self.metrics.ask_stand_ins(lambda: stand_in_nodes(self.cluster.nodes.values()))
        self.metrics.ask_evacuable(lambda: (self._evacuability.summary, self.cluster.now))
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Take over what may change while we run."""
        self.settings = settings
        self._asked.limit = settings.debug.decisions
        self.verbs.configure(settings)
        self.metrics.modes(settings.mode, {pool.name: settings.mode_of(pool) for pool in settings.pools})
        self._wake_if_dirty()

    def watched(self, sources: Callable[[], Sequence[str]], statuses: Callable[[], Iterable[SourceStatus]]) -> None:
        """Where to ask about the watched kinds."""
        self.sources = sources
        self._statuses = statuses
        self.metrics.ask_sources(statuses)

    def not_ready(self) -> list[str]:
        """What is missing before calls can be answered: kinds, and once the rows of the first lists."""
        missing = list(self.sources())
        if not missing and not self._rows_made:
            missing.append("rows of the first picture are being made")
        return missing

    # --- keeping current -----------------------------------------------------------------------------------

    def make_rows_now(self) -> None:
        """Make every row at once; for a cluster that came from a file."""
        self.cluster.tick(self._clock())
        self.cluster.make_rows()
        self._rows_made = True

    def background(self) -> list[Coroutine[None, None, None]]:
        """What has to run while calls are answered, each a task of its own that ends by cancellation."""
        rounds = EvacuableRounds(self._evacuability, lambda: self._rows_made, self._clock)
        return [self._tick(), self._make_rows(), rounds.run()]

    async def _tick(self) -> None:
        """Tick the cluster's clock, and collect garbage."""
        while True:
            now = self._clock()
            # The machine's time may be set while we run.
            self.cluster.epoch = time.time() - now
            self.cluster.tick(now, self._pods_known_until(now))
            self._collector.look(now)
            self._wake_if_dirty()
            await asyncio.sleep(_TICK_S)

    async def _make_rows(self) -> None:
        """Make rows as nodes become dirty, in small steps.

        A call makes what is still dirty itself; this keeps that little. Before the first lists are complete no row is made:
        most would have to be made again.
        """
        pace = Pace()
        while self.sources():  # noqa: ASYNC110 - what it says depends on several tasks
            await asyncio.sleep(_FIRST_LISTS_S)
        if not self._rows_made:
            with collector_paused():
                await self._make_dirty_rows(pace)
            self._rows_made = True
            _log.info("cache complete", nodes=len(self.cluster.nodes), tracked_pods=self.cluster.tracked_pods())
        while True:
            await self._work.wait()
            await asyncio.sleep(_GATHER_S)
            self._work.clear()
            await self._make_dirty_rows(pace)

    async def _make_dirty_rows(self, pace: Pace) -> None:
        while self.cluster.make_rows(1):
            if pace.due():
                await pace.rest()

    def _wake_if_dirty(self) -> None:
        if self.cluster.has_work:
            self._work.set()

    def _pods_known_until(self, now: float) -> float:
        """When the watch of pods last brought something; now, where nothing is watched."""
        for status in self._statuses():
            if status.source is Source.PODS:
                return now - status.age_seconds if status.age_seconds is not None else 0.0
        return now

    # --- what people ask -----------------------------------------------------------------------------------

    def explain(self, namespace: str, name: str) -> bytes | None:
        """The answer for a pod that kube-scheduler asked about lately, as JSON; None: it did not, or asked about no VM."""
        pod = self._asked.get(namespace, name)
        if pod is None:
            return None
        self.cluster.make_rows()
        return as_json(explain(self.cluster, pod))

    def targets(self, namespace: str, name: str, nodes: int) -> bytes | None:
        """What `fastfit targets` says of a running VM, as JSON, for the best `nodes` nodes; None: no such VM."""
        self.cluster.make_rows()
        pod = find_vm(self.cluster, namespace, name)
        if pod is None:
            return None
        answer = explain_subject(self.cluster, target_of(self.cluster, pod), nodes)
        return as_json(replace(answer, evacuable=self._evacuability.of(pod)))
