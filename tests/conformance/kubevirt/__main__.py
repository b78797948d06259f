"""A long run of the guest model against KubeVirt's code: `python -m tests.conformance.kubevirt --cases N --seed S`.

Closes with `cases N differences D`; the exit code is 1 if D is above 0. The first differing cases are minimised and
written to tests/conformance/kubevirt/regression.
"""

import argparse
import random
import sys
from typing import Any, Final

from tests.conformance.kubevirt.campaign import Totals, keep, run
from tests.conformance.kubevirt.generator import cases
from tests.kit.cluster.build import BuildError
from tests.kit.oracle.kubevirt.build import RELEASE
from tests.kit.oracle.kubevirt.process import KubevirtOracle

#: Differing cases that are minimised and kept; the rest is only counted.
_KEPT: Final = 3
_PROGRESS: Final = 5000


def main(arguments: list[str]) -> int:
    """The exit code for the command line `arguments`."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.kubevirt", description=__doc__)
    parser.add_argument("--cases", type=int, default=2000, help="so many (default 2000)")
    parser.add_argument("--seed", type=int, default=None, help="replays a run (default: a new one)")
    options = parser.parse_args(arguments)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"seed {seed} KubeVirt {RELEASE}", flush=True)
    found: list[dict[str, Any]] = []

    def differing(answered: dict[str, Any], differences: tuple[str, ...]) -> None:
        if len(found) < _KEPT:
            found.append(answered)
            print("\n".join(differences[:3]), flush=True)

    def progress(totals: Totals) -> None:
        if totals.cases % _PROGRESS == 0:
            print(f"  {totals}", flush=True)

    try:
        with KubevirtOracle() as oracle:
            totals = run(oracle, cases(seed, options.cases), differing, progress)
            for answered in found:
                print(f"kept, minimised: {keep(oracle, answered)}", flush=True)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"domains {totals.domains}, errors of KubeVirt {totals.errors}")
    print(totals)
    return 1 if totals.differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
