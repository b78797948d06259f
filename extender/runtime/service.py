"""Puts a running extender together: picture, verbs, metrics, decisions, and the tasks that keep them current."""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import structlog

import _fastfit
from _fastfit.codes import Code
from extender import __version__
from extender.api.objects import Pod
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.cache.pods.pod import PodEntry
from extender.config import Settings
from extender.garbage_collector import Collector, collector_paused
from extender.observe.decisions import Decision, DecisionLog
from extender.observe.metrics import Metrics
from extender.pace import Pace
from extender.placement.answer_json import as_json
from extender.placement.decide import Decider
from extender.placement.evacuable import Evacuability
from extender.placement.explain import explain, explain_subject
from extender.placement.running import find_vm, target_of
from extender.verbs.call import Context, Summary
from extender.verbs.service import Verbs
from extender.watch.observer import NoObserver
from extender.watch.status import SourceStatus

__all__ = ["Service", "WatchCounter"]

#: Seconds between two looks at what changed, and between two ticks of the cluster's clock.
_EVERY_S: Final = 0.02
_TICK_S: Final = 1.0

#: Stands for the step after the last one.
_OVER: Final = object()

_log = structlog.stdlib.get_logger(__name__)


class Service:
    """Everything but the ports and the watches. `sources` says what keeps the picture from being complete."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.metrics = Metrics(__version__, _fastfit.BACKEND)
        self.decisions = DecisionLog(settings.debug.decisions)
        self.cluster = Cluster()
        self.cluster.observer = _Outcomes(self.metrics, self.decisions)
        self.sources: Callable[[], Sequence[str]] = tuple
        self._statuses: Callable[[], Iterable[SourceStatus]] = tuple
        self._clock = clock
        self._rows_made = False
        self._evacuability = Evacuability(self.cluster)
        self._counting = _Counting(self._evacuability)
        self._collector = Collector()
        #: pods of the last calls by (namespace, name), for /debug/explain
        self._asked: OrderedDict[tuple[str, str], Pod] = OrderedDict()
        context = Context(Decider(self.cluster), _Recorder(self), lambda: "; ".join(self.not_ready()))
        self.verbs = Verbs(context)
        self.metrics.ask_charged(self.cluster.tracked_pods)
        self.metrics.ask_evacuable(lambda: (self._evacuability.summary, self.cluster.now))
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Take over what may change while we run."""
        self.settings = settings
        self.verbs.configure(settings)
        self.metrics.modes(settings.mode, {pool.name: settings.mode_of(pool) for pool in settings.pools})

    def watched(self, sources: Callable[[], Sequence[str]], statuses: Callable[[], Iterable[SourceStatus]]) -> None:
        """Where to ask about the sources of the picture."""
        self.sources = sources
        self._statuses = statuses
        self.metrics.ask_sources(statuses)

    def not_ready(self) -> list[str]:
        """What is missing before calls can be answered: sources, and once the rows of the first picture."""
        missing = list(self.sources())
        if not missing and not self._rows_made:
            missing.append("rows of the first picture are being made")
        return missing

    def settle(self) -> None:
        """Make every row now; for a picture that came from a file."""
        self.cluster.tick(self._clock())
        self.cluster.work()
        self._rows_made = True

    async def keep_current(self) -> None:
        """Tick the cluster's clock and make rows as events come in, in small steps, until cancelled.

        A call makes what is still missing itself; this keeps that little. Before the first picture is complete no row
        is made: most would have to be made again.
        """
        next_tick = 0.0
        pace = Pace()
        while True:
            now = self._clock()
            if now >= next_tick:
                self.cluster.tick(now, self._pods_known_until(now))
                next_tick = now + _TICK_S
                self._collector.look(now)
            if self._rows_made:
                await self._make_rows(pace)
                self._counting.slice(now)
            elif not self.sources():
                with collector_paused():
                    await self._make_rows(pace)
                self._rows_made = True
                _log.info("picture complete", nodes=len(self.cluster.nodes), tracked_pods=self.cluster.tracked_pods())
            await asyncio.sleep(_EVERY_S)

    def _pods_known_until(self, now: float) -> float:
        """When the watch of pods last brought something; now, where nothing is watched."""
        for status in self._statuses():
            if status.source is Source.PODS:
                return now - status.age_seconds if status.age_seconds is not None else 0.0
        return now

    async def _make_rows(self, pace: Pace) -> None:
        while self.cluster.work(1):
            if pace.due():
                await pace.rest()

    def explain(self, namespace: str, name: str) -> bytes | None:
        """The answer for a pod that kube-scheduler asked about lately, as JSON."""
        pod = self._asked.get((namespace, name))
        return as_json(explain(self.cluster, pod)) if pod is not None else None

    def targets(self, namespace: str, name: str, nodes: int) -> bytes | None:
        """What `fastfit targets` says of a running VM, as JSON, for the best `nodes` nodes; None: no such VM."""
        pod = find_vm(self.cluster, namespace, name)
        if pod is None:
            return None
        answer = explain_subject(self.cluster, target_of(self.cluster, pod), nodes)
        return as_json(replace(answer, evacuable=self._evacuability.of(pod)))

    def remember(self, pod: Pod) -> None:
        """Keep a pod for `explain`; as many as decisions are kept."""
        key = (pod.metadata.namespace, pod.metadata.name)
        self._asked[key] = pod
        self._asked.move_to_end(key)
        if len(self._asked) > self.settings.debug.decisions:
            self._asked.popitem(last=False)


class _Counting:
    """Counts evacuable targets all the time, a little between two looks at what changed."""

    #: Seconds of work at once; with the longest step of all (0.5 ms at 5,000 nodes) it stays below 1 ms.
    SLICE_S: Final = 0.0004
    #: Seconds from the begin of a round to that of the next, at least; and the share of all time that rounds may take.
    ROUND_S: Final = 5.0
    SHARE: Final = 0.005

    def __init__(self, numbers: Evacuability) -> None:
        self._numbers = numbers
        self._round: Iterator[None] = iter(())
        self._began = -math.inf
        #: seconds of work on the round that is under way, or the last
        self._worked = 0.0

    def slice(self, now: float) -> None:
        """Goes on with the round, or begins one where it is time."""
        began = at = time.perf_counter()
        if now >= self._began + max(self.ROUND_S, self._worked / self.SHARE) and self._is_over():
            self._round = self._numbers.round()
            self._began, self._worked = now, 0.0
        for _ in self._round:
            at = time.perf_counter()
            if at - began >= self.SLICE_S:
                break
        self._worked += at - began

    def _is_over(self) -> bool:
        return next(self._round, _OVER) is _OVER


class _Recorder:
    """Turns decided calls into decisions and metrics (verbs.call.Recorder)."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._micros: int | None = None

    def later(self, work: Callable[[], None]) -> None:
        """See Recorder: after the reply was written, which happens before the loop gets control back."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            work()
        else:
            loop.call_soon(self._do, work, self._service.decisions.micros())

    def _do(self, work: Callable[[], None], micros: int) -> None:
        self._micros = micros
        work()
        self._micros = None

    def decided(self, summary: Summary) -> None:
        """See Recorder."""
        meta = summary.pod.metadata
        self._service.remember(summary.pod)
        if summary.verb == "filter" and summary.counts:
            self._service.metrics.verdicts(summary.offered, summary.counts)
        self._service.decisions.add(
            Decision(
                verb=summary.verb,
                namespace=meta.namespace,
                name=meta.name,
                uid=meta.uid,
                demand=summary.demand,
                mode=summary.mode or self._service.settings.mode,
                generation=summary.generation,
                offered=summary.offered,
                counts={Code(code).name: count for code, count in summary.counts.items()},
                best=summary.best,
                zones=summary.zones,
                outcome=summary.outcome,
                micros=self._service.decisions.micros() if self._micros is None else self._micros,
            )
        )


class _Outcomes:
    """What kubelets did with pods (state.cluster.ClusterObserver)."""

    def __init__(self, metrics: Metrics, decisions: DecisionLog) -> None:
        self._metrics = metrics
        self._decisions = decisions

    def kubelet_refused(self, reason: str, our_verdict: str, pod: PodEntry, message: str) -> None:
        """See ClusterObserver."""
        self._metrics.kubelet_refusal(reason, our_verdict)
        self._decisions.note_outcome(pod.uid, f"refused by the kubelet of {pod.node}: {reason}: {message}")
        _log.warning("kubelet refused a pod", node=pod.node, uid=pod.uid, reason=reason, our_verdict=our_verdict)

    def kubelet_admitted(self, our_verdict: str, pod: PodEntry) -> None:  # noqa: ARG002 - the protocol's signature
        """See ClusterObserver."""
        self._decisions.note_outcome(pod.uid, f"admitted by the kubelet of {pod.node}")


class WatchCounter(NoObserver):
    """Counts what the watches do (watch.observer.WatchObserver)."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def event(self, source: Source, change: str, seconds: float) -> None:
        """See WatchObserver."""
        self._metrics.watch_event(source, change, seconds)

    def resync(self, source: Source, cause: str) -> None:
        """See WatchObserver."""
        self._metrics.resync(source, cause)

    def skipped(self, source: Source) -> None:
        """See WatchObserver."""
        self._metrics.object_skipped(source)

    def failed(self, source: Source, cause: str) -> None:
        """See WatchObserver."""
        self._metrics.watch_failure(source, cause)
