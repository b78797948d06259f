"""How fast one node is judged: `python -m bench.fit [--quick] [--json F]`.

life/*: recordings of nodes with KubeVirt VMs (tests/golden/kubelet/vm.jsonl.gz), every admission once. The oracle is
the real kubelet managers behind a pipe (start of each node and JSON included). The twin plays the same recordings. The
kernel gets the counts of each state as a row and judges it in a call of its own. Where kernel or twin decide otherwise
than the recording, the run ends with an error.
rows/kernel: the same states as one table, each VM size asked of all of them, as kube-scheduler asks.
wide/*: one node of 8 zones under restricted, 4 resources that every set of zones can hold (the real Topology Manager
walks the product of their hint lists, 255^4 for small VMs); `fits` on an empty node, `refused` on a fragmented one.
The oracle's row has 3 resources, 255^3, once.
"""

import argparse
import itertools
from pathlib import Path
from typing import Final

from _fastfit import BACKEND
from bench.fit.recordings import Recording, recording_lines
from bench.fit.wide import wide_lines, wide_oracle
from bench.shared.report import progress, show, write
from tests.kit import golden
from tests.kit.cluster.build import DEFAULT_VERSION, RELEASES
from tests.kit.oracle.kubelet.build import CACHE, NAME

__all__ = ["main"]

_GOLDEN: Final = Path("tests/golden/kubelet/vm.jsonl.gz")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.fit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer recordings and rounds: about half a minute")
    parser.add_argument("--json", metavar="F", help="write the rows there")
    options = parser.parse_args()
    if BACKEND != "cython":
        raise RuntimeError("the compiled kernel is not loaded: run `make install`")
    oracle = _built_oracle()
    stride, rounds = (20, 5) if options.quick else (4, 15)
    recordings = [Recording(scenario) for scenario in itertools.islice(golden.scenarios(str(_GOLDEN)), 0, None, stride)]
    lines = recording_lines(recordings, rounds, oracle)
    progress("8 zones")
    lines += wide_lines(rounds * 4)
    if oracle is not None and not options.quick:
        lines.append(wide_oracle(oracle))
    show(lines)
    write(lines, options.json)


def _built_oracle() -> Path | None:
    """The binary of the real managers; None if it is not built."""
    binary = CACHE / RELEASES[DEFAULT_VERSION].version / NAME
    if binary.exists():
        return binary
    progress("the oracle is not built, so its rows are left out: run `make oracle` (needs Go)")
    return None


if __name__ == "__main__":
    main()
