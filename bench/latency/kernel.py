"""The compiled kernel against the plain kernel on the same rows, asks and names."""

import json
import statistics
import time

from _fastfit import BACKEND, _fit_py
from _fastfit.model import Ask, CellsAsk, ContainerAsk
from bench.shared.filled_cluster import fill, node_name
from bench.shared.report import Row, spread
from extender.cache.cluster import Cluster
from extender.reasons import wire_texts

__all__ = ["kernel_row"]

#: Asks before the timed ones. A table keeps the answers to 64 asks, and allocates no more memory after them.
_WARM_UP = 80
_GI = 2**30
_MI = 2**20


def _ask(number: int) -> Ask:
    """A VM with 8 vCPUs and an emulator thread; `number` makes it one that has not been asked before."""
    memory = (("hugepages-1Gi", 16 * _GI), ("memory", (444 + number) * _MI))
    return Ask(
        containers=(ContainerAsk(1, 0, (("memory", 60_000_000),)), ContainerAsk(2, 9, memory)),
        dedicated=True,
        cells=CellsAsk(1, 8, 1, "hugepages-1Gi", _GI, 16 * _GI),
    )


def kernel_row(nodes: int, zones: int, rounds: int) -> Row:
    """Milliseconds for all rows. The plain kernel is timed on every ninth node of them, in the same run."""
    if BACKEND != "cython":
        raise RuntimeError("the compiled kernel is not loaded: run `make install`")
    cluster = Cluster()
    fill(cluster, nodes, zones)
    plain = _fit_py.Table(wire_texts())
    for state in cluster.nodes.values():
        if state.row is not None:
            plain.put(state.row)
    names = json.dumps([node_name(number) for number in range(nodes)]).encode()
    few = range(0, nodes, 9)  # nodes come in eights that differ
    some = json.dumps([node_name(number) for number in few]).encode()
    # One kernel after the other, as the calls of a busy scheduler follow one another.
    fast: list[float] = []
    slow: list[float] = []
    for number in range(_WARM_UP + rounds):
        query = cluster.table.prepare(_ask(number))
        began = time.perf_counter()
        cluster.table.fit(query, names)
        fast.append(time.perf_counter() - began)
    for number in range(rounds):
        plain_query = plain.prepare(_ask(number))
        began = time.perf_counter()
        plain.fit(plain_query, some)
        slow.append((time.perf_counter() - began) * nodes / len(few))
    del fast[:_WARM_UP]
    value = statistics.median(fast)
    return Row(f"kernel/{nodes}x{zones}", value * 1000, "ms", "python", value / statistics.median(slow), spread(fast))
