"""Takes what the other rooms report and turns it into metrics and decision records.

The rooms below know nothing of metrics: each declares a small protocol of what it reports. `Recorder` serves
those of the verbs and of the state, `WatchMetrics` that of the watch.
"""

from collections.abc import Mapping
from typing import Protocol

from extender.api.objects import Pod
from extender.observe.decisions import Decision, DecisionLog
from extender.observe.metrics import Metrics
from extender.reasons import REASONS
from extender.state.events import Source
from extender.watch.status import State

__all__ = ["Decided", "Recorder", "WatchMetrics"]

#: Code names by value; REASONS has every code.
_NAMES: Mapping[int, str] = {code: code.name for code in REASONS}


class Decided(Protocol):
    """One decided call, as the verbs tell it. `counts` has nodes per code."""

    @property
    def verb(self) -> str:
        """Either filter or prioritize."""

    @property
    def pod(self) -> Pod:
        """The pod that was asked about."""

    @property
    def outcome(self) -> str:
        """As in the metric."""

    @property
    def demand(self) -> str:
        """What the pod asks of zones, in words."""

    @property
    def generation(self) -> int:
        """Of the table that was read."""

    @property
    def offered(self) -> int:
        """Nodes in the call."""

    @property
    def counts(self) -> Mapping[int, int]:
        """Nodes per code."""

    @property
    def best(self) -> str:
        """The best node, or nothing."""

    @property
    def zones(self) -> tuple[int, ...]:
        """Zones predicted on the best node."""

    @property
    def mode(self) -> str:
        """Of the best node, else the global one."""


class _Placed(Protocol):
    """A pod on a node."""

    @property
    def uid(self) -> str:
        """Of the pod."""


class Recorder:
    """Serves `verbs.call.Recorder` and the observer of `state.cluster`."""

    def __init__(self, metrics: Metrics, decisions: DecisionLog) -> None:
        self._metrics = metrics
        self._decisions = decisions

    def decided(self, summary: Decided) -> None:
        """A call was decided: count filter's verdicts, keep the record."""
        if summary.verb == "filter" and summary.counts:
            self._metrics.verdicts(summary.offered, summary.counts)
        meta = summary.pod.metadata
        self._decisions.add(
            Decision(
                verb=summary.verb,
                namespace=meta.namespace,
                name=meta.name,
                uid=meta.uid,
                demand=summary.demand,
                mode=summary.mode,
                generation=summary.generation,
                offered=summary.offered,
                counts={_NAMES[code]: count for code, count in summary.counts.items() if count},
                best=summary.best,
                zones=summary.zones,
                outcome=summary.outcome,
            )
        )

    def kubelet_refused(self, reason: str, our_verdict: str, pod: _Placed, message: str) -> None:
        """A kubelet failed a pod that we know."""
        self._metrics.kubelet_refusal(reason, our_verdict)
        self._decisions.note_outcome(pod.uid, f"refused by the kubelet: {reason}: {message} (we said: {our_verdict})")

    def kubelet_admitted(self, our_verdict: str, pod: _Placed) -> None:
        """A kubelet started a pod that we know."""
        self._decisions.note_outcome(pod.uid, f"admitted by the kubelet (we said: {our_verdict})")


class WatchMetrics:
    """Serves `watch.observer.WatchObserver`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def state(self, source: Source, state: State) -> None:
        """Nothing to count: states are read when somebody asks (`Metrics.ask_sources`)."""

    def event(self, source: Source, change: str, seconds: float) -> None:
        """A line was read and applied."""
        self._metrics.watch_event(source, change, seconds)

    def resync(self, source: Source, cause: str) -> None:
        """A new list is needed."""
        self._metrics.resync(source, cause)

    def swapped(self, source: Source, objects: int, seconds: float) -> None:
        """Nothing to count: a swap that holds the loop shows in fastfit_loop_lag_seconds."""

    def skipped(self, source: Source) -> None:
        """An object could not be read."""
        self._metrics.object_skipped(source)

    def failed(self, source: Source, cause: str) -> None:
        """An attempt failed."""
        self._metrics.watch_failure(source, cause)

    def loop_lag(self, seconds: float) -> None:
        """Nothing to count: `LoopPulse` measures it, also while nothing is watched."""
