"""The compiled kernel against its plain twin on the same rows, asks and names."""

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

#: Asks before the timed ones: a table keeps the answers to 64, and takes no fresh memory from then on.
_SETTLED = 80
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
    """Milliseconds for all rows. The twin is timed on every ninth node of them, in the same run."""
    if BACKEND != "cython":
        raise RuntimeError("the compiled kernel is not loaded: run `make install`")
    cluster = Cluster()
    fill(cluster, nodes, zones)
    twin = _fit_py.Table(wire_texts())
    for state in cluster.nodes.values():
        if state.row is not None:
            twin.put(state.row)
    names = json.dumps([node_name(number) for number in range(nodes)]).encode()
    few = range(0, nodes, 9)  # nodes come in eights that differ
    some = json.dumps([node_name(number) for number in few]).encode()
    # Each in a row of its own, as calls of a busy scheduler follow one another.
    fast: list[float] = []
    slow: list[float] = []
    for number in range(_SETTLED + rounds):
        query = cluster.table.prepare(_ask(number))
        began = time.perf_counter()
        cluster.table.fit(query, names)
        fast.append(time.perf_counter() - began)
    for number in range(rounds):
        twin_query = twin.prepare(_ask(number))
        began = time.perf_counter()
        twin.fit(twin_query, some)
        slow.append((time.perf_counter() - began) * nodes / len(few))
    del fast[:_SETTLED]
    value = statistics.median(fast)
    return Row(f"kernel/{nodes}x{zones}", value * 1000, "ms", "python", value / statistics.median(slow), spread(fast))
