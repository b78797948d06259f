"""Where live migrations go: `python -m bench.migration [--quick] [--json F] [--svg F] [--markdown F]`.

Contestants, each on a cluster of its own with the same machines and the same list of arrivals, ends and migrations: the
default scheduler (sums of a node, least allocated first), our filter and score with the guest's cells ignored
(`migration: off`), and ours. All are judged alike: the kubelet twin gives CPUs, KubeVirt's rules pins, libvirt's the rest.
share/<policy>/<zones>x<load>/<contestant>/<outcome>: percent of the migrations, median over the seeds, `all` over the
settings of a policy too; outcomes are symmetric, degraded, refused (bound, and failed) and waits (no node chosen).
missed/...: percent that were not symmetric though some node would have made it so; in_vain/...: percent that wait though
some node would have taken them. most/...: the largest value of any seed in place of the median.
latency/*, evacuable/*: see bench/migration/latency.py.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from bench.migration.chart import draw
from bench.migration.contestants import CONTESTANTS, TITLES
from bench.migration.latency import GOAL, latency_rows
from bench.migration.plan import LOADS, POLICIES, ZONES, Setting
from bench.migration.run import Tally, run
from bench.migration.world import Outcome
from bench.shared.report import Row, progress, show, spread, write

__all__ = ["main"]

#: What must not happen at all: of these the largest value of any seed is shown beside the median.
_MOST = ("missed/{}", "in_vain/{}", f"share/{{}}/{Outcome.REFUSED}")

#: Tallies of one contestant by seed, for one policy and one pair of zones and load.
_Tallies = dict[tuple[str, int, int, str], list[Tally]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, write; 1 if a goal is missed."""
    options = _parser().parse_args(arguments)
    if options.draw:
        rows = [Row(**each) for each in json.loads(options.draw.read_text())]
    else:
        rows = [] if options.latency else list(_rows(_measure(options)))
        rows += latency_rows(500 if options.quick else 5000, 10 if options.quick else 60)
        write(rows, options.json)
    show([row for row in rows if "/all/" in row.name or row.name.startswith(("latency/", "evacuable/"))])
    if options.svg:
        note = f"{', '.join(map(str, LOADS))} % of the CPUs requested; machines of {', '.join(map(str, ZONES))} zones."
        options.svg.write_text(draw(rows, TITLES, f"Medians over the seeds. {note}"), encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(_markdown(rows), encoding="utf-8")
    late = [row.name for row in rows if row.name.startswith("latency/") and row.ratio > GOAL]
    if late:
        print(f"more than {GOAL:g} times a first boot: {', '.join(late)}")
    return 1 if late else 0


def _measure(options: argparse.Namespace) -> _Tallies:
    seeds = range(1, 2 if options.quick else options.seeds + 1)
    loads, zones = (LOADS[1:2], (2,)) if options.quick else (LOADS, tuple(ZONES))
    settings = list(product(seeds, POLICIES, zones, loads))
    tallies: _Tallies = {}
    began = time.monotonic()
    for done, (seed, policy, count, load) in enumerate(settings, 1):
        for who in CONTESTANTS:
            tally = run(Setting(policy, count, load, seed, options.nodes, options.moves), who)
            tallies.setdefault((policy, count, load, who), []).append(tally)
        progress(
            f"{done} of {len(settings)} ({time.monotonic() - began:.0f} s): seed {seed}, {policy}, {count} zones, "
            f"load {load} %: symmetric "
            + ", ".join(
                f"{who} {tallies[policy, count, load, who][-1].share(Outcome.SYMMETRIC):.0f} %" for who in CONTESTANTS
            )
        )
    return tallies


def _rows(tallies: _Tallies) -> Iterator[Row]:
    """Per setting, then per policy over all its settings: of each seed the sum of its migrations."""
    policies = list(dict.fromkeys(policy for policy, *_ in tallies))
    for policy, count, load, _ in dict.fromkeys((*key[:3], "") for key in tallies):
        yield from _shares(policy, f"{count}x{load}", {who: tallies[policy, count, load, who] for who in CONTESTANTS})
    for policy in policies:
        together: dict[str, list[Tally]] = {}
        for who in CONTESTANTS:
            settings = [found for (name, _, _, whose), found in tallies.items() if (name, whose) == (policy, who)]
            together[who] = [_sum(of_seed) for of_seed in zip(*settings, strict=True)]
        yield from _shares(policy, "all", together)


def _sum(tallies: Sequence[Tally]) -> Tally:
    whole = Tally()
    for tally in tallies:
        whole.outcomes.update(tally.outcomes)
        whole.missed += tally.missed
        whole.in_vain += tally.in_vain
    return whole


def _shares(policy: str, setting: str, found: dict[str, list[Tally]]) -> Iterator[Row]:
    base: dict[str, float] = {}
    for who, tallies in found.items():
        parts = {f"share/{{}}/{outcome}": [tally.share(outcome) for tally in tallies] for outcome in Outcome}
        totals = [max(1, tally.outcomes.total()) for tally in tallies]
        for name in ("missed", "in_vain"):
            parts[f"{name}/{{}}"] = [
                100 * getattr(tally, name) / total for tally, total in zip(tallies, totals, strict=True)
            ]
        for name, values in parts.items():
            median = statistics.median(values)
            first = base.setdefault(name, median)
            ratio = median / first if first else 1.0
            wide = spread(values) if median else 0.0
            row = name.format(f"{policy}/{setting}/{who}")
            against = "" if who == CONTESTANTS[0] else CONTESTANTS[0]
            yield Row(row, median, "%", against, ratio, wide)
            if name in _MOST:
                yield Row(f"most/{row}", max(values), "%", "", 1.0, 0.0)


def _markdown(rows: Sequence[Row]) -> str:
    """The table of all settings for the docs: symmetric / degraded / refused / waits in percent."""
    cells = {row.name: row.value for row in rows}
    lines = ["| policy | zones | load | " + " | ".join(TITLES.values()) + " |", "|---|---|---|" + "---|" * len(TITLES)]
    for policy, count, load in product(POLICIES, ZONES, LOADS):
        shown = []
        for who in CONTESTANTS:
            values = [cells.get(f"share/{policy}/{count}x{load}/{who}/{outcome}") for outcome in Outcome]
            shown.append(" / ".join("-" if value is None else f"{value:.0f}" for value in values))
        lines.append(f"| {policy} | {count} | {load} % | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.migration", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one seed, 2 zones, 75 %%, 500 nodes: about half a minute")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="default: 5")
    parser.add_argument("--nodes", type=int, default=12, metavar="N", help="nodes of each cluster, default: 12")
    parser.add_argument("--moves", type=int, default=40, metavar="N", help="migrations per run, default: 40")
    parser.add_argument("--json", metavar="F", help="write the rows there")
    parser.add_argument("--svg", type=Path, metavar="F", help="draw the chart there")
    parser.add_argument("--markdown", type=Path, metavar="F", help="write the table of all settings there")
    parser.add_argument("--latency", action="store_true", help="the latencies alone")
    parser.add_argument("--draw", type=Path, metavar="F", help="run nothing: take the rows of an earlier --json")
    return parser


if __name__ == "__main__":
    sys.exit(main())
