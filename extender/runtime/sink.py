"""Between the watches and the cache: events go in, and the effects that the cache returns are carried out."""

from collections.abc import Callable, Iterable, Iterator

import structlog

from extender.cache.cluster import Cluster
from extender.cache.effects import Effect, Effects, PodAdmitted, PodBound, PodRefused
from extender.cache.events import Record, Relist, Source
from extender.cache.relist import ObjectRelist, PodRelist
from extender.observe.decisions import DecisionLog
from extender.observe.metrics import Metrics
from extender.placement.decide import Decider

__all__ = ["CacheSink"]

_log = structlog.stdlib.get_logger(__name__)


class CacheSink:
    """Takes events for the cache (cache.events.Sink). `wake` is called when rows may have to be made."""

    def __init__(
        self, cluster: Cluster, decider: Decider, metrics: Metrics, decisions: DecisionLog, wake: Callable[[], None]
    ) -> None:
        self._cluster = cluster
        self._decider = decider
        self._metrics = metrics
        self._decisions = decisions
        self._wake = wake

    def put(self, source: Source, record: Record) -> None:
        """See Sink."""
        self._carry_out(self._cluster.put(source, record))

    def delete(self, source: Source, record: Record) -> None:
        """See Sink."""
        self._carry_out(self._cluster.delete(source, record))

    def begin_relist(self, source: Source) -> Relist:
        """See Sink."""
        return _Relist(self._cluster.begin_relist(source), self._carry_out)

    def replace(self, source: Source, records: Iterable[Record]) -> None:
        """See Sink."""
        self._carry_out(self._cluster.replace(source, records))

    def absent(self, source: Source) -> None:
        """See Sink."""
        self._carry_out(self._cluster.absent(source))

    def _carry_out(self, effects: Effects) -> None:
        # At once: the verdict on a binding is of the row before it.
        for effect in effects:
            self._carry_out_one(effect)
        if self._cluster.has_work:
            self._wake()

    def _carry_out_one(self, effect: Effect) -> None:
        pod = effect.pod
        match effect:
            case PodBound():
                self._cluster.record_verdict(pod, self._decider.verdict_on_binding(pod))
            case PodAdmitted():
                self._decisions.note_outcome(pod.uid, f"admitted by the kubelet of {pod.node}")
            case PodRefused(reason=reason, message=message):
                self._metrics.kubelet_refusal(reason, pod.our_verdict)
                self._decisions.note_outcome(pod.uid, f"refused by the kubelet of {pod.node}: {reason}: {message}")
                _log.warning(
                    "kubelet refused a pod", node=pod.node, uid=pod.uid, reason=reason, our_verdict=pod.our_verdict
                )


class _Relist:
    """A list on its way into the cache; the effects of each step of its swap are carried out."""

    def __init__(self, relist: PodRelist | ObjectRelist[object, object], carry_out: Callable[[Effects], None]) -> None:
        self._relist = relist
        self._carry_out = carry_out

    def put(self, record: Record) -> None:
        """See Relist."""
        self._relist.put(record)

    def delete(self, record: Record) -> None:
        """See Relist."""
        self._relist.delete(record)

    def swap(self) -> Iterator[object]:
        """See Relist."""
        for effects in self._relist.swap():
            self._carry_out(effects)
            yield effects

    def discard(self) -> Iterator[None]:
        """See Relist."""
        return self._relist.discard()
