"""Turns decided calls into decisions and metrics, once their replies are on the way."""

import asyncio
from collections.abc import Callable
from typing import Final

from _fastfit.codes import Code
from extender.api.objects import Pod
from extender.observe.decisions import Decision, DecisionLog
from extender.observe.metrics import Metrics
from extender.verbs.call import Summary

__all__ = ["CallRecorder"]

#: Characters of a demand that a decision keeps; a pod may ask for thousands of kinds of devices.
_DEMAND: Final = 512


class CallRecorder:
    """Records calls (verbs.call.Recorder).

    `mode`: the global mode now; `remember` is given the pod of every call; `done` is called after work that was put off.
    """

    def __init__(
        self,
        metrics: Metrics,
        decisions: DecisionLog,
        *,
        mode: Callable[[], str],
        remember: Callable[[Pod], None],
        done: Callable[[], None],
    ) -> None:
        self._metrics = metrics
        self._decisions = decisions
        self._mode = mode
        self._remember = remember
        self._done = done
        self._micros: int | None = None

    def later(self, work: Callable[[], None]) -> None:
        """See Recorder: after the reply was written, which happens before the loop gets control back."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            work()
        else:
            loop.call_soon(self._do, work, self._decisions.micros())

    def _do(self, work: Callable[[], None], micros: int) -> None:
        self._micros = micros
        work()
        self._micros = None
        self._done()

    def decided(self, summary: Summary) -> None:
        """See Recorder."""
        meta = summary.pod.metadata
        self._remember(summary.pod)
        if summary.verb == "filter" and summary.counts:
            self._metrics.verdicts(summary.offered, summary.counts)
        self._decisions.add(
            Decision(
                verb=summary.verb,
                namespace=meta.namespace,
                name=meta.name,
                uid=meta.uid,
                demand=summary.demand[:_DEMAND],
                mode=summary.mode or self._mode(),
                generation=summary.generation,
                offered=summary.offered,
                counts={Code(code).name: count for code, count in summary.counts.items()},
                best=summary.best,
                zones=summary.zones,
                outcome=summary.outcome,
                micros=self._decisions.micros() if self._micros is None else self._micros,
            )
        )
