"""The log of the last decisions, for /debug/decisions: the call, the answer, and what the kubelet then did."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import orjson

__all__ = ["Decision", "DecisionLog"]

#: Characters that are kept of what happened to a pod.
_AFTERWARDS: Final = 1000


@dataclass(slots=True)
class Decision:
    """One answered call. `time` is set when it is added to the log."""

    verb: str
    namespace: str
    name: str
    uid: str
    #: what the pod asks of zones, as a short text
    demand: str
    #: mode of the best node, else the global one
    mode: str
    #: generation of the table that was read
    generation: int
    #: nodes in the call
    offered: int = 0
    #: nodes per code name; codes that no node got are left out
    counts: dict[str, int] = field(default_factory=dict)
    #: the best node and the zones predicted there; "" and () if no node is left
    best: str = ""
    zones: tuple[int, ...] = ()
    #: as in the metric: ok, error, bad_request, not_ready, passed
    outcome: str = "ok"
    #: what happened to the pod afterwards ("" until known)
    afterwards: str = ""
    #: seconds since the epoch
    time: float = 0.0
    #: microseconds from the whole body to the reply
    micros: int = 0


class DecisionLog:
    """A ring buffer of the last `capacity` decisions."""

    def __init__(self, capacity: int, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._ring: deque[Decision] = deque(maxlen=max(1, capacity))
        #: the newest record of each pod UID in the ring
        self._latest: dict[str, Decision] = {}
        self._began_ns = 0

    def __len__(self) -> int:
        return len(self._ring)

    def begin(self) -> None:
        """A call begins."""
        self._began_ns = time.perf_counter_ns()

    def micros(self) -> int:
        """Microseconds since the last `begin`, 0 if there was none."""
        return (time.perf_counter_ns() - self._began_ns) // 1000 if self._began_ns else 0

    def add(self, decision: Decision) -> None:
        """Keep a decision, stamped with the time of day."""
        decision.time = self._clock()
        if len(self._ring) == self._ring.maxlen:
            oldest = self._ring[0]
            if self._latest.get(oldest.uid) is oldest:
                del self._latest[oldest.uid]
        self._ring.append(decision)
        self._latest[decision.uid] = decision

    def note_outcome(self, uid: str, text: str) -> Decision | None:
        """Note what happened to a pod after its last decision; returns that decision, None if it is no longer kept."""
        decision = self._latest.get(uid)
        if decision is not None:
            decision.afterwards = text[:_AFTERWARDS]
        return decision

    def select(self, pod: str | None = None) -> Iterator[Decision]:
        """Newest first; `pod` ("namespace/name") keeps that pod's only."""
        for decision in reversed(self._ring):
            if pod is None or f"{decision.namespace}/{decision.name}" == pod:
                yield decision

    def to_json(self, pod: str | None = None) -> bytes:
        """`{"decisions": [...]}`, newest first."""
        return orjson.dumps({"decisions": list(self.select(pod))})
