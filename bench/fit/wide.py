"""One node of eight zones, judged by the twin, the kernel and the real managers."""

import statistics
from dataclasses import replace
from pathlib import Path
from typing import Final

from _fastfit import Code, Row
from bench.fit.kernel import ask_for, judge_all, line, names_of, row_of, seconds, table_of
from bench.shared.report import Row as Line
from bench.shared.report import progress
from extender.kubelet.admission import Kubelet
from extender.kubelet.pod import PodDemand
from extender.kubelet.results import Admitted
from tests.kit.kubelet_nodes import DEVICE, config, container, machine, parse_config, parse_machine, pod
from tests.kit.oracle.kubelet.process import Oracle

__all__ = ["wide_lines", "wide_oracle"]

#: Rows of one wide node, so that a call is long enough to be timed.
_COPIES: Final = 64

_WIDE: Final = machine(2, 4, 16, memory_gi=96, pages=64)
_WIDE_CONFIG: Final = config("R", "0,128")


def _wide(*, fragmented: bool) -> Kubelet:
    """Eight zones of 32 CPUs with two devices each; `fragmented`: no zone has more than 15 CPUs left."""
    twin = Kubelet(parse_machine(_WIDE), parse_config(_WIDE_CONFIG), "1.36", {DEVICE: dict.fromkeys(range(8), 2)})
    for number in range(8 if fragmented else 0):
        twin.admit(pod(f"there{number}", "17c/1Gi/1hp"))
    return twin


def _copy(row: Row, number: int) -> Row:
    """The row with `number` bytes less in its first zone: the kernel judges equal rows once."""
    first, *others = row.zones
    free = {**first.memory_free, "memory": first.memory_free["memory"] - number}
    return replace(row, zones=(replace(first, memory_free=free), *others))


def wide_lines(rounds: int) -> list[Line]:
    """Milliseconds for one node, by the twin and the kernel. Raises RuntimeError where they decide otherwise."""
    lines: list[Line] = []
    for name, fragmented, fewest in (("fits", False, 1), ("refused", True, 17)):
        node = _wide(fragmented=fragmented)
        rows = [_copy(row_of(node, f"node-{number}"), number) for number in range(_COPIES)]
        names = names_of(rows)
        fast: list[float] = []
        slow: list[float] = []
        for number in range(rounds):
            wanted = pod(f"p{number}", f"{fewest + number % 8}c/1Gi/1hp/1dev")
            asks = [ask_for(wanted, frozenset({DEVICE}))]
            table = table_of(rows)
            verdicts = {entry.code == Code.Fits for entry in table.fit(table.prepare(asks[0]), names).entries()}
            if verdicts != {isinstance(node.clone().admit(wanted), Admitted)} or fragmented in verdicts:
                raise RuntimeError(f"wide/{name}: {wanted} is answered otherwise")
            fast.append(seconds(judge_all, table_of(rows), asks, names) * 1000 / _COPIES)
            slow.append(seconds(_admit, node, wanted) * 1000)
        lines += [
            line(f"wide/{name}/twin", slow, "ms/node", "", 0),
            line(f"wide/{name}/kernel", fast, "ms/node", "twin", statistics.median(slow)),
        ]
    return lines


def wide_oracle(binary: Path) -> Line:
    """Milliseconds of the real managers for an empty node, without its start."""
    progress("oracle: 8 zones, 3 resources (seconds)")
    spec = {"containers": [container("c", "1c/1Gi/1hp")]}
    empty = {"name": "empty", "machine": _WIDE, "kubelet": _WIDE_CONFIG, "steps": []}
    recording = {**empty, "name": "wide", "steps": [{"admit": {"uid": "p", "spec": spec}}]}
    with Oracle(binary=binary) as real:
        taken = -seconds(real.play, empty)
        taken += seconds(real.play, recording)
    return Line("wide/fits/oracle-3-resources", taken * 1000, "ms/node", "", 1.0, 0.0)


def _admit(node: Kubelet, demand: PodDemand) -> None:
    node.clone().admit(demand)
