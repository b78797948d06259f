"""Do VMs start where they are placed? Real kube-scheduler, real kubelet managers as judges.

Thirty simulated nodes of real shapes and 150 VMs created at once, per seed; the hollow kubelets admit or refuse each pod
with the kubelet's own CPU, Memory and Topology Managers. The default scheduler alone is run too. Needs Go and
openssl (tests/kit/cluster); a run takes about half a minute. `--matrix --markdown` makes the table of the README.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path

from bench.admission.report import markdown, table
from bench.shared.seeds import seeds
from tests.kit.admission.run import Outcome, Plan, refusals, run
from tests.kit.cluster.build import BuildError, ensure_binary

__all__ = ["main"]

_COUNTS_FROM = 50


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the plans and print the table; 1 if a seed does not count (the default scheduler did too well on it)."""
    options = _parser().parse_args(arguments)
    try:
        ensure_binary(say=lambda text: print(text, file=sys.stderr, flush=True))
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    outcomes: list[Outcome] = []
    for seed in options.seeds:
        for plan in _plans(options, seed):
            directory = options.keep / f"{plan.scheduler}-{plan.nrt}-{plan.lag:g}-{seed}" if options.keep else None
            outcome = run(plan, directory)
            outcomes.append(outcome)
            if options.json:
                options.json.write_text(json.dumps([asdict(each) for each in outcomes], indent=1) + "\n")
            print(table([outcome], heading=len(outcomes) == 1), flush=True)
            for line in refusals(outcome):
                print(line, flush=True)
    print()
    print(markdown(outcomes) if options.markdown else table(outcomes, heading=True, medians=True))
    easy = [o.plan.seed for o in outcomes if o.plan.scheduler == "default" and len(o.refusals) < _COUNTS_FROM]
    if easy:
        print(f"seeds that do not count, the default scheduler had less than {_COUNTS_FROM} refused: {easy}")
    return 1 if easy else 0


def _plans(options: argparse.Namespace, seed: int) -> Iterator[Plan]:
    """The runs of one seed. The default scheduler reads no NRTs: one run of it is compared with all runs of fastfit."""
    nrts = product(("exact", "nfd"), (0, 10)) if options.matrix else [(options.nrt, options.lag)]
    if options.scheduler != "default":
        for nrt, lag in nrts:
            yield Plan(seed, "fastfit", nrt, lag, options.facts)
    if options.scheduler != "fastfit":
        yield Plan(seed, "default", options.nrt, options.lag, options.facts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.admission", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=seeds, default=[1, 2, 3, 4, 5], metavar="N,N,..", help="default: 1,2,3,4,5")
    parser.add_argument("--nrt", choices=("exact", "nfd"), default="exact", help="what exporters count of a pod")
    parser.add_argument("--lag", type=float, default=0, metavar="S", help="seconds until an NRT shows a change")
    parser.add_argument("--matrix", action="store_true", help="fastfit on exact and nfd NRTs, 0 and 10 s late")
    parser.add_argument("--scheduler", choices=("fastfit", "default", "both"), default="both")
    parser.add_argument("--facts", action=argparse.BooleanOptionalAction, default=True, help="nodes state their facts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every outcome, refusals explained")
    parser.add_argument("--markdown", action="store_true", help="print the table of medians for the README")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep logs and state of every run below DIR")
    return parser


if __name__ == "__main__":
    sys.exit(main())
