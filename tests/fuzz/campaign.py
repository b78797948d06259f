"""Puts bodies to the scanner and both verbs, and holds every answer against the oracle."""

import json
from typing import Any

from _fastfit import ScanError, _wire_py, scan
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from tests.fuzz.oracle import MAX_DEPTH, MAX_NAMES, Finding, Truth, truth
from tests.kit.objects import KUBELET_A, machine, node
from tests.kit.verbs import AskedVerbs, make_verbs

__all__ = ["Campaign"]

#: Promises run out after 30 s on the cluster's clock, which one body moves by this much.
_STEP_S = 0.01
#: The plain twin is a hundred times slower, so it sees every so-manieth body.
_TWIN_EVERY = 64


class Campaign:
    """One picture under fire. `counts` has bodies by how they were answered."""

    def __init__(self, verbs: AskedVerbs | None = None) -> None:
        self.cluster = Cluster()
        for name, kubelet in (("a", KUBELET_A), ("b", {**KUBELET_A, "topologyManagerPolicy": "restricted"})):
            self.cluster.put(Source.NODES, node(name, kubelet, machine()))
        self.cluster.put(Source.NODES, node("node-é.example", KUBELET_A, machine(zones=4)))
        self.verbs = verbs or make_verbs(self.cluster)
        self.counts: dict[str, int] = {}
        self._now = 0.0
        self._tried = 0

    def try_body(self, body: bytes) -> None:
        """Raises Finding for an answer that is wrong, and lets through whatever our code raises, for it must not."""
        self._tried += 1
        self._now += _STEP_S
        if self._tried % 1000 == 0:
            self.cluster.tick(self._now)
        known = truth(body)
        self._scan(body, known)
        self._filter(body, known)
        self._prioritize(body, known)
        make_verbs.summaries.clear()

    def _scan(self, body: bytes, known: Truth) -> None:
        parts = _parts(scan, body)
        if (parts is None) is not bool(known.fault):
            raise Finding(f"scan {'refuses' if parts is None else 'takes'} a body that is {known.fault or 'good'}")
        if self._tried % _TWIN_EVERY == 0 and parts != _parts(_wire_py.scan, body):
            raise Finding("the scanner and its twin differ")

    def _filter(self, body: bytes, known: Truth) -> None:
        reply = self.verbs.filter(body, self._now)
        if reply.status != 200:
            raise Finding(f"filter: status {reply.status}")
        answer = _json(reply.body)
        if set(answer) - {"NodeNames", "FailedNodes", "FailedAndUnresolvableNodes", "Error"}:
            raise Finding(f"filter: {sorted(answer)}")
        self.counts[reply.outcome] = self.counts.get(reply.outcome, 0) + 1
        if answer["Error"]:
            if answer["NodeNames"]:
                raise Finding("filter: an error with survivors")
            return
        if known.fault:
            raise Finding(f"filter: a silent pass of a body that is {known.fault}")
        if reply.outcome == "passed":
            return
        if known.names is None:
            raise Finding("filter: a verdict on names that are none")
        kept = answer["NodeNames"]
        if not set(kept) <= set(known.names) or len(set(kept)) != len(kept):
            raise Finding("filter: survivors that nobody offered")
        failed = {**(answer.get("FailedNodes") or {}), **(answer.get("FailedAndUnresolvableNodes") or {})}
        if not kept and set(failed) != set(known.names):
            raise Finding("filter: nobody survives, and somebody has no reason")

    def _prioritize(self, body: bytes, known: Truth) -> None:
        reply = self.verbs.prioritize(body, self._now)
        if reply.status == 400:
            if reply.body:
                raise Finding("prioritize: an error with a body")
            return
        if known.fault:
            raise Finding(f"prioritize: a silent pass of a body that is {known.fault}")
        scores = _json(reply.body)
        if reply.outcome != "passed":
            hosts = [score["Host"] for score in scores]
            if not set(hosts) <= set(known.names or ()) or len(set(hosts)) != len(hosts):
                raise Finding("prioritize: scores of hosts that nobody offered")
        if any(type(score["Score"]) is not int or not 0 <= score["Score"] <= 10 for score in scores):
            raise Finding("prioritize: a score that kube-scheduler drops")


def _parts(scanner: Any, body: bytes) -> tuple[bytes, bytes] | None:
    try:
        found = scanner(body, MAX_NAMES, MAX_DEPTH)
    except ScanError:
        return None
    return found.pod, found.names


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Finding(f"a reply that is no JSON: {error}") from error
