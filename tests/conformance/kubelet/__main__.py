"""A long run of the twin against the real managers: `python -m tests.conformance.kubelet --admissions N --zones 1-4`.

Closes with `scenarios N admissions M differences D`; the exit code is 1 if D is above 0. The first differing
scenarios are minimised and written to tests/conformance/kubelet/regression.
"""

import argparse
import random
import re
import sys
from typing import Any

from tests.conformance.kubelet.campaign import Totals, keep, run
from tests.conformance.kubelet.generator import scenarios
from tests.kit.cluster.build import DEFAULT_VERSION, BuildError
from tests.kit.oracle.kubelet.build import RELEASES
from tests.kit.oracle.kubelet.process import Oracle

#: Differing scenarios that are minimised and kept; the rest is only counted.
_KEPT = 3
_PROGRESS = 5000


def main(arguments: list[str]) -> int:
    """The exit code for the command line `arguments`."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.kubelet", description=__doc__)
    parser.add_argument("--admissions", type=int, default=5000, help="at least so many (default 5000)")
    parser.add_argument("--zones", type=_range, default=(1, 4), help="zones of the machines (default 1-4)")
    parser.add_argument("--seed", type=int, default=None, help="replays a run (default: a new one)")
    parser.add_argument("--version", choices=RELEASES, default=DEFAULT_VERSION, help="Kubernetes minor release")
    parser.add_argument("--no-restarts", action="store_true", help="the kubelets never restart")
    options = parser.parse_args(arguments)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    zones: tuple[int, int] = options.zones
    print(f"seed {seed} zones {zones[0]}-{zones[1]} Kubernetes {RELEASES[options.version].version}", flush=True)
    found: list[dict[str, Any]] = []
    told = 0

    def differing(played: dict[str, Any], differences: tuple[str, ...]) -> None:
        found.append(played)
        print("\n".join(differences[:3]), flush=True)

    def progress(totals: Totals) -> None:
        nonlocal told
        if totals.admissions // _PROGRESS > told:
            told = totals.admissions // _PROGRESS
            print(f"  {totals}", flush=True)

    try:
        with Oracle(options.version) as oracle:
            lives = scenarios(seed, zones, options.admissions, restarts=not options.no_restarts)
            totals = run(oracle, lives, differing, progress)
            for played in found[:_KEPT]:
                print(f"kept, minimised: {keep(oracle, played)}", flush=True)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"restarts {totals.restarts}, undecided by the real kubelet itself {totals.undecided}")
    print(totals)
    return 1 if totals.differences else 0


def _range(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d)(?:-(\d))?", text)
    least, most = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= least <= most <= 8:
        raise argparse.ArgumentTypeError(f"{text!r} is not a range such as 1-4, within 1-8")
    return least, most


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
