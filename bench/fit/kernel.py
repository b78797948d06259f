"""What the kernel is given: rows made of the twin's nodes, asks, tables. Also how a call is timed."""

import json
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Final

from _fastfit import Ask, Policy, Row, Scope, Table
from bench.shared.report import Row as Line
from bench.shared.report import spread
from extender.cache.nodes.zone_rows import zone_rows
from extender.kubelet.admission import Kubelet
from extender.kubelet.pod import PodDemand
from extender.kubevirt.demand import question_for
from extender.kubevirt.launcher_pod import PodRole
from extender.reasons import wire_texts

__all__ = ["ask_for", "judge_all", "line", "names_of", "row_of", "seconds", "table_of"]

_POLICIES: Final = {
    "none": Policy.NONE,
    "best-effort": Policy.BEST_EFFORT,
    "restricted": Policy.RESTRICTED,
    "single-numa-node": Policy.SINGLE_NUMA_NODE,
}


def row_of(kubelet: Kubelet, name: str) -> Row:
    """The row of a node, made of the counts of its twin."""
    counts, settings = kubelet.counts(), kubelet.config
    options = settings.cpu_manager_policy_options
    return Row(
        name=name,
        zones=zone_rows(counts),
        distances=tuple(tuple(zone.distances) for zone in kubelet.machine.zones),
        policy=_POLICIES[settings.topology_manager_policy],
        scope=Scope.POD if settings.topology_manager_scope == "pod" else Scope.CONTAINER,
        prefer_closest=settings.topology_manager_policy_options.get("prefer-closest-numa-nodes") == "true",
        cpu_static=settings.cpu_manager_policy == "static",
        memory_static=settings.memory_manager_policy == "Static",
        full_pcpus_only=options.get("full-pcpus-only") == "true",
        align_by_socket=options.get("align-by-socket") == "true",
        spread=options.get("distribute-cpus-across-cores") == "true",
        distribute=options.get("distribute-cpus-across-numa") == "true",
        uncore=options.get("prefer-align-cpus-by-uncorecache") == "true",
        threads_per_core=counts.threads_per_core,
        physical_free=counts.physical_free,
        page_sizes=frozenset(f"hugepages-{size}" for zone in kubelet.machine.zones for size in zone.hugepages),
    )


def ask_for(demand: PodDemand, devices: frozenset[str] = frozenset()) -> Ask:
    """The ask of a pod at its first boot, without a VMI; `devices` are those that have zones."""
    return question_for(demand, PodRole.FIRST_BOOT, None, devices, dedicated=False).ask


def table_of(rows: Sequence[Row]) -> Table:
    """A new table of these rows. It keeps no answers yet."""
    table = Table(wire_texts())
    for row in rows:
        table.put(row)
    return table


def names_of(rows: Sequence[Row]) -> bytes:
    """The names of the rows, as a call gives them."""
    return json.dumps([row.name for row in rows]).encode()


def line(name: str, values: Sequence[float], unit: str, against: str, baseline: float) -> Line:
    """The median of `values` as a line of the report; a `baseline` of 0 means that there is none."""
    value = statistics.median(values)
    return Line(name, value, unit, against, value / baseline if baseline else 1.0, spread(values))


def seconds(work: Callable[..., object], *given: object) -> float:
    """How long the call takes."""
    began = time.perf_counter()
    work(*given)
    return time.perf_counter() - began


def judge_all(table: Table, asks: Sequence[Ask], names: bytes) -> None:
    """Judge every ask on all named rows."""
    for ask in asks:
        table.fit(table.prepare(ask), names)
