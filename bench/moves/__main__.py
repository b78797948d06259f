"""Where a real kube-scheduler sends live migrations, and what becomes of them: `python -m bench.moves [--seeds 1,2]`.

Thirty nodes of ten real shapes and four Topology Manager policies, filled with VMs and thinned out again; then 200
migrations, some of them to grow the VM. Every contestant meets the same VMs on the same CPUs and the same list. Hollow
kubelets (the real resource managers) give the CPUs; KubeVirt's and libvirt's rules on these say what happened. Shares are
of the guests with cells. `foreseen`: bound targets whose outcome, zones and vCPUs per zone are what the extender said
(`fastfit targets`) as kube-scheduler asked for them. `in vain`: targets that waited though some node would have done.
Needs Go and openssl (tests/kit/cluster); a run of 200 takes about two minutes.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path

from bench.moves.report import table
from bench.shared.report import progress
from bench.shared.seeds import seeds
from tests.kit.cluster.build import BuildError, ensure_binary
from tests.kit.moves.plan import Plan
from tests.kit.moves.run import Result, misses, run

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the plans and print the table; 1 if fastfit missed anything."""
    options = _parser().parse_args(arguments)
    try:
        ensure_binary(say=progress)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    schedulers = ("fastfit", "default") if options.scheduler == "both" else (options.scheduler,)
    results: list[Result] = []
    missed: list[str] = []
    for seed, scheduler in product(options.seeds, schedulers):
        plan = Plan(seed, scheduler, options.moves)
        result = run(plan, options.keep / f"{scheduler}-{seed}" if options.keep else None)
        results.append(result)
        if scheduler == "fastfit":
            missed += misses(result)
        progress(f"{scheduler}, seed {seed}: {len(result.moved)} migrations in {result.seconds:.0f} s")
        if options.json:
            options.json.write_text(json.dumps([asdict(each) for each in results], indent=1) + "\n", encoding="utf-8")
    print(table(results))
    for line in missed:
        print(line)
    return 1 if missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.moves", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--moves", type=int, default=200, metavar="N", help="migrations of each run, default: 200")
    parser.add_argument("--seeds", "--seed", type=seeds, default=[1], metavar="N,N,..", help="default: 1")
    parser.add_argument("--scheduler", choices=("fastfit", "default", "both"), default="both")
    parser.add_argument("--json", type=Path, metavar="F", help="write every migration there")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep logs and state of every run below DIR")
    return parser


if __name__ == "__main__":
    sys.exit(main())
