"""How fast one node is judged: `python -m bench.fit [--quick] [--json F]`.

life/*: recorded lives of nodes with KubeVirt VMs (tests/golden/kubelet/vm.jsonl.gz), every admission once. The oracle is
the real kubelet managers behind a pipe (start of each node and JSON included), the twin plays the same lives, the
kernel gets each state's counts as a row and judges it in a call of its own. Where kernel or twin decide otherwise than
the recording, the run ends with an error.
rows/kernel: the same states as one table, each VM size asked of all of them, as kube-scheduler asks.
wide/*: one node of 8 zones under restricted, 4 resources that every set of zones can hold (the real Topology Manager
walks the product of their hint lists, 255^4 for small VMs); `fits` on an empty node, `refused` on a fragmented one.
The oracle's row has 3 resources, 255^3, once.
"""

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from _fastfit import BACKEND, LAST_UNKNOWN, Ask, Code, Policy, Row, Scope, Table
from bench.report import Row as Line
from bench.report import progress, show, spread, write
from extender.cache.nodes.zone_rows import zone_rows
from extender.kubelet.admission import Kubelet
from extender.kubelet.pod import PodDemand
from extender.kubelet.results import Admitted
from extender.kubevirt.demand import ask_of
from extender.kubevirt.launcher_pod import PodRole
from extender.reasons import wire_texts
from tests.conformance.kubelet import replay
from tests.kit.cluster.build import DEFAULT_VERSION, RELEASES
from tests.kit.kubelet_nodes import DEVICE, config, container, machine, parse_config, parse_machine, pod
from tests.kit.oracle.kubelet.build import CACHE, NAME
from tests.kit.oracle.kubelet.process import Oracle

GOLDEN = Path("tests/golden/kubelet/vm.jsonl.gz")
_POLICIES = {
    "none": Policy.NONE,
    "best-effort": Policy.BEST_EFFORT,
    "restricted": Policy.RESTRICTED,
    "single-numa-node": Policy.SINGLE_NUMA_NODE,
}
#: Rows of one wide node, so that a call is long enough to be timed.
_COPIES = 64

#: One thing that happens to a node: a pod comes, or (str) goes.
Event = PodDemand | str


class Life:
    """A recorded life, read: what the twin plays, and what the recording says."""

    def __init__(self, scenario: dict[str, Any]) -> None:
        self.scenario = scenario
        self.machine = parse_machine(scenario["machine"])
        self.config = parse_config(scenario["kubelet"])
        self.events: list[Event] = []
        self.admitted: list[bool] = []
        for step in scenario["steps"]:
            if "admit" in step:
                self.events.append(replay._demand(step["admit"]))
                self.admitted.append(step["observed"]["admit"])
            elif "remove" in step:
                self.events.append(step["remove"])

    def play(self, before: Callable[[Kubelet, PodDemand], None] | None = None) -> list[bool]:
        """The twin's verdicts; `before` sees each state with the pod that comes next."""
        kubelet = Kubelet(self.machine, self.config, "1.36")
        verdicts = []
        for event in self.events:
            if isinstance(event, str):
                kubelet.remove(event)
                continue
            if before is not None:
                before(kubelet, event)
            verdicts.append(isinstance(kubelet.admit(event), Admitted))
        return verdicts


def row_of(kubelet: Kubelet, name: str) -> Row:
    """A node as the extender knows it: counts."""
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


def _ask(demand: PodDemand, devices: frozenset[str] = frozenset()) -> Ask:
    return ask_of(demand, PodRole.FIRST_BOOT, None, devices, dedicated=False)


def _table(rows: Sequence[Row]) -> Table:
    table = Table(wire_texts())
    for row in rows:
        table.put(row)
    return table


def _names(rows: Sequence[Row]) -> bytes:
    return json.dumps([row.name for row in rows]).encode()


def _line(name: str, values: Sequence[float], unit: str, against: str, baseline: float) -> Line:
    value = statistics.median(values)
    return Line(name, value, unit, against, value / baseline if baseline else 1.0, spread(values))


def _seconds(work: Callable[..., object], *given: object) -> float:
    began = time.perf_counter()
    work(*given)
    return time.perf_counter() - began


def _play(lives: Sequence[Life]) -> None:
    for life in lives:
        life.play()


def _play_real(oracle: Oracle, lives: Sequence[Life]) -> None:
    for life in lives:
        oracle.play(life.scenario)


def _one_by_one(table: Table, asks: Sequence[Ask], names: Sequence[bytes]) -> None:
    for ask, name in zip(asks, names, strict=True):
        table.fit(table.prepare(ask), name).entries()


def _on_all(table: Table, asks: Sequence[Ask], names: bytes) -> None:
    for ask in asks:
        table.fit(table.prepare(ask), names)


def _admit(node: Kubelet, demand: PodDemand) -> None:
    node.clone().admit(demand)


# --- recorded lives --------------------------------------------------------------------------------------------------


def _life_lines(lives: Sequence[Life], rounds: int, oracle: Path | None) -> list[Line]:
    recorded = [verdict for life in lives for verdict in life.admitted]
    rows: list[Row] = []
    asks: list[Ask] = []

    def note(kubelet: Kubelet, demand: PodDemand) -> None:
        rows.append(row_of(kubelet, f"state-{len(rows)}"))
        asks.append(_ask(demand))

    if [verdict for life in lives for verdict in life.play(note)] != recorded:
        raise RuntimeError("the twin differs from the recording; see python -m tests.replay")
    _check_kernel(rows, asks, recorded)
    count = len(recorded)
    lines = []
    if oracle is not None:
        progress(f"oracle: {count} admissions")
        with Oracle(binary=oracle) as real:
            real.play(lives[0].scenario)
            speeds = [count / _seconds(_play_real, real, lives) for _ in range(3)]
        lines.append(_line("life/oracle", speeds, "admissions/s", "", 0))
    baseline = lines[0].value if lines else 0
    against = "oracle" if lines else ""
    progress(f"twin and kernel: {count} admissions")
    speeds = [count / _seconds(_play, lives) for _ in range(rounds)]
    lines.append(_line("life/twin", speeds, "admissions/s", against, baseline))
    against, baseline = against or "twin", baseline or lines[-1].value
    single = [_names([row]) for row in rows]
    # A table keeps answers, so each round has a new one.
    speeds = [count / _seconds(_one_by_one, _table(rows), asks, single) for _ in range(rounds)]
    lines.append(_line("life/kernel", speeds, "admissions/s", against, baseline))
    sizes = list(dict.fromkeys(asks))[:40]
    speeds = [len(sizes) * count / _seconds(_on_all, _table(rows), sizes, _names(rows)) for _ in range(rounds)]
    lines.append(_line("rows/kernel", speeds, "verdicts/s", against, baseline))
    return lines


def _check_kernel(rows: Sequence[Row], asks: Sequence[Ask], recorded: Sequence[bool]) -> None:
    table = _table(rows)
    unknown = 0
    for row, ask, admitted in zip(rows, asks, recorded, strict=True):
        code = table.fit(table.prepare(ask), _names([row])).entries()[0].code
        if Code.Fits < code <= LAST_UNKNOWN:
            unknown += 1
        elif (code == Code.Fits) is not admitted:
            raise RuntimeError(f"the kernel says {Code(code).name} where the kubelet answered {admitted}: {row}, {ask}")
    progress(f"kernel: {len(rows) - unknown} of {len(rows)} states decided, all as recorded")


# --- eight zones -----------------------------------------------------------------------------------------------------

_WIDE = machine(2, 4, 16, memory_gi=96, pages=64)
_WIDE_CONFIG = config("R", "0,128")


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


def _wide_lines(rounds: int) -> list[Line]:
    lines = []
    for name, fragmented, fewest in (("fits", False, 1), ("refused", True, 17)):
        node = _wide(fragmented=fragmented)
        rows = [_copy(row_of(node, f"node-{number}"), number) for number in range(_COPIES)]
        names = _names(rows)
        fast, slow = [], []
        for number in range(rounds):
            wanted = pod(f"p{number}", f"{fewest + number % 8}c/1Gi/1hp/1dev")
            asks = [_ask(wanted, frozenset({DEVICE}))]
            table = _table(rows)
            verdicts = {entry.code == Code.Fits for entry in table.fit(table.prepare(asks[0]), names).entries()}
            if verdicts != {isinstance(node.clone().admit(wanted), Admitted)} or fragmented in verdicts:
                raise RuntimeError(f"wide/{name}: {wanted} is answered otherwise")
            fast.append(_seconds(_on_all, _table(rows), asks, names) * 1000 / _COPIES)
            slow.append(_seconds(_admit, node, wanted) * 1000)
        lines += [
            _line(f"wide/{name}/twin", slow, "ms/node", "", 0),
            _line(f"wide/{name}/kernel", fast, "ms/node", "twin", statistics.median(slow)),
        ]
    return lines


def _wide_oracle(binary: Path) -> Line:
    progress("oracle: 8 zones, 3 resources (seconds)")
    spec = {"containers": [container("c", "1c/1Gi/1hp")]}
    empty = {"name": "empty", "machine": _WIDE, "kubelet": _WIDE_CONFIG, "steps": []}
    life = {**empty, "name": "wide", "steps": [{"admit": {"uid": "p", "spec": spec}}]}
    with Oracle(binary=binary) as real:
        seconds = -_seconds(real.play, empty)
        seconds += _seconds(real.play, life)
    return Line("wide/fits/oracle-3-resources", seconds * 1000, "ms/node", "", 1.0, 0.0)


def _built_oracle() -> Path | None:
    binary = CACHE / RELEASES[DEFAULT_VERSION].version / NAME
    if binary.exists():
        return binary
    progress("the oracle is not built, so its rows are left out: run `make oracle` (needs Go)")
    return None


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer lives and rounds: about half a minute")
    parser.add_argument("--json", metavar="F", help="write the rows there")
    options = parser.parse_args()
    if BACKEND != "cython":
        raise RuntimeError("the compiled kernel is not loaded: run `make install`")
    oracle = _built_oracle()
    stride, rounds = (20, 5) if options.quick else (4, 15)
    lives = [Life(scenario) for scenario in itertools.islice(replay.scenarios(str(GOLDEN)), 0, None, stride)]
    lines = _life_lines(lives, rounds, oracle)
    progress("8 zones")
    lines += _wide_lines(rounds * 4)
    if oracle is not None and not options.quick:
        lines.append(_wide_oracle(oracle))
    show(lines)
    write(lines, options.json)


if __name__ == "__main__":
    main()
