"""How many VM pods the real kube-scheduler binds per second, with us and with others.

Contestants, in every round each once and in turn: kube-scheduler alone; with fastfit as shipped, and without its
shortlist; with an extender in Go that echoes every name and scores every node; a kube-scheduler with the
NodeResourceTopologyMatch plugin (reserving cache), and the same binary without it. 1,000 pods on 1,000 nodes, 400 on
5,000; percentageOfNodesToScore 100; all pods wait before the scheduler starts. Needs Go and openssl; the whole takes
about an hour on two cores, and wants a machine that does nothing else.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from bench.shared.report import Row, progress, show, write
from bench.throughput.build import ensure_peer
from bench.throughput.chart import draw
from bench.throughput.cluster import Vms, clear, populate
from bench.throughput.contestants import CONTESTANTS, Contestant
from bench.throughput.rows import BASELINE, goals, rows
from bench.throughput.run import RunFailed, run
from tests.kit.cluster.build import BuildError, ensure_binary
from tests.kit.cluster.control_plane import ControlPlane

__all__ = ["main"]

#: Pods by nodes; for other sizes two in five nodes get one.
_PODS: Final = {1000: 1000, 5000: 400}
_QUICK_NODES: Final = 100
_UNCHARTED: Final = "plugin-bare"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 if a goal is missed, 2 if nothing could be measured."""
    options = _parser().parse_args(arguments)
    if options.draw:
        found = [Row(**each) for each in json.loads(options.draw.read_text())]
    else:
        try:
            found = _measure(options)
        except (BuildError, RunFailed) as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    show(found)
    if options.svg:
        titles = {each.name: each.title for each in CONTESTANTS if each.name != _UNCHARTED}
        options.svg.write_text(draw(found, titles), encoding="utf-8")
    lines, reached = goals(found)
    for line in lines:
        print(line)
    return 0 if reached else 1


def _measure(options: argparse.Namespace) -> list[Row]:
    contestants = [each for each in CONTESTANTS if each.name in {BASELINE, *options.contestants}]
    ensure_binary(say=progress)
    for name in sorted({each.peer for each in contestants} - {""}):
        ensure_peer(name, progress)
    if (load := os.getloadavg()[0]) > 0.5:
        progress(f"the machine is busy (load {load:.1f}): rates will be low, and ratios less certain")
    found: list[Row] = []
    for nodes in [_QUICK_NODES] if options.quick else options.nodes:
        size: list[Row] = []
        with tempfile.TemporaryDirectory(prefix="fastfit-throughput-") as logs:
            for size in _rounds(nodes, contestants, options, options.keep or Path(logs)):
                write(found + size, options.json)
        if not size:
            raise RunFailed(f"no round at {nodes} nodes counts")
        found += size
    return found


def _rounds(
    nodes: int, contestants: Sequence[Contestant], options: argparse.Namespace, directory: Path
) -> Iterator[list[Row]]:
    """The rows of one size, on one cluster, as they stand after every round. A round counts whole or not at all."""
    rounds = 1 if options.quick else options.rounds
    rates: list[dict[str, float]] = []
    with ControlPlane(directory=directory / f"{nodes}-cluster") as plane:
        progress(f"creating {nodes} nodes, each with a report and a running VM")
        populate(plane, nodes, legacy=options.legacy_reports)
        vms = Vms(plane, _PODS.get(nodes, nodes * 2 // 5))
        # The first run meets cold caches of the API server: it is not counted.
        progress(f"warm: {run(plane, contestants[0], vms, directory / f'{nodes}-warm'):.1f} pods/s")
        for number in range(rounds):
            turn = number % len(contestants)
            this: dict[str, float] = {}
            try:
                for each in [*contestants[turn:], *contestants[:turn]]:
                    began = time.monotonic()
                    this[each.name] = run(plane, each, vms, directory / f"{nodes}-{number + 1}-{each.name}")
                    progress(
                        f"{nodes} nodes, round {number + 1} of {rounds}: {each.name} {this[each.name]:.1f} pods/s "
                        f"({time.monotonic() - began:.0f} s)"
                    )
            except RunFailed as error:
                progress(f"{nodes} nodes, round {number + 1} of {rounds} DOES NOT COUNT: {error}")
                clear(plane)
                continue
            rates.append({each.name: this[each.name] for each in contestants})
            yield rows(nodes, rates)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.throughput", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="100 nodes, 40 pods, one round: does it work?")
    parser.add_argument("--nodes", type=_numbers, default=[5000, 1000], metavar="N,N,..", help="default: 5000,1000")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default: 5")
    known = [each.name for each in CONTESTANTS]
    parser.add_argument(
        "--contestants", type=_names, default=known, metavar="NAME,..", help=f"{BASELINE} and some of {','.join(known)}"
    )
    parser.add_argument(
        "--legacy-reports",
        action="store_true",
        help="reports with the deprecated topologyPolicies too, as NFD writes them: of each, the plugin logs two lines "
        "per pod and node. Left out by default, to its advantage",
    )
    parser.add_argument("--json", metavar="F", help="write the rows there")
    parser.add_argument("--svg", type=Path, metavar="F", help="draw the chart there")
    parser.add_argument("--draw", type=Path, metavar="F", help="measure nothing: take the rows of an earlier --json")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep logs and data of the cluster below DIR")
    return parser


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - {each.name for each in CONTESTANTS}:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return names


if __name__ == "__main__":
    sys.exit(main())
