"""One run: all pods are pending, a scheduler starts, and the API server's audit log says when each pod was bound."""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from bench.throughput.cluster import Vms, clear
from bench.throughput.contestants import Contestant, beside, consulted, scheduling
from tests.kit.cluster.control_plane import ControlPlane
from tests.kit.cluster.processes import wait_for

__all__ = ["RunFailed", "run"]

#: Seconds in which the cluster comes to rest before the scheduler starts.
_REST_S: Final = 3.0
#: Seconds for all bindings: a bound against hanging, several times what the slowest contestant needs.
_PATIENCE_S: Final = 1800.0


class RunFailed(Exception):
    """A run that measures nothing; the text says why."""


def run(plane: ControlPlane, contestant: Contestant, vms: Vms, directory: Path) -> float:
    """Pods bound per second, from the first binding to the last; the pods are gone afterwards.

    Counting from the first binding leaves out how long the scheduler needs to read the cluster. Raises RunFailed.
    """
    directory.mkdir(parents=True)
    vms.pend()
    with beside(plane, contestant, directory) as extender:
        time.sleep(_REST_S)
        bindings = _Bindings(plane.audit_log)
        with scheduling(plane, contestant, extender, directory) as scheduler:

            def done() -> bool:
                scheduler.process.check()
                return bindings.read() >= len(vms)

            try:
                wait_for(done, f"{len(vms)} bindings", _PATIENCE_S, pause=0.25)
            except TimeoutError as error:
                raise RunFailed(f"{contestant.name}: {bindings.read()} of {len(vms)} pods were bound") from error
            asked = consulted(contestant, extender, scheduler)
    if asked < len(vms) * contestant.adds:
        raise RunFailed(f"{contestant.name}: the scheduler asked {asked} times for {len(vms)} pods")
    clear(plane)
    return bindings.rate()


class _Bindings:
    """Bindings that the API server accepted since this was made, read from its audit log.

    A watch, or questions to the scheduler, would take CPU time from what is measured.
    """

    def __init__(self, audit_log: Path) -> None:
        self._log = audit_log
        self._at = audit_log.stat().st_size
        self._rest = b""
        self._times: dict[str, float] = {}

    def read(self) -> int:
        """Read on; how many pods are bound."""
        for line in self._lines():
            if b'"subresource":"binding"' in line:
                event = json.loads(line)
                if event["responseStatus"]["code"] == 201:
                    bound = datetime.fromisoformat(event["stageTimestamp"]).timestamp()
                    self._times[event["objectRef"]["name"]] = bound
        return len(self._times)

    def rate(self) -> float:
        """Pods per second."""
        return (len(self._times) - 1) / (max(self._times.values()) - min(self._times.values()))

    def _lines(self) -> Iterator[bytes]:
        with self._log.open("rb") as log:
            log.seek(self._at)
            new = log.read()
        self._at += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        yield from lines
