"""`python -m tests.fuzz --bodies N --seed S`: N bodies of campaign S, in processes that may crash; `--seconds`: as many
as that time allows.

A crash, an exception and a finding each end the run with the body's number and a file with the body; put that file
into tests/fuzz/corpus, where it stays a seed.
"""

import argparse
import hashlib
import math
import mmap
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.campaign import Campaign
from tests.fuzz.mutator import body, corpus

#: Bodies per process: a crash costs no more than these.
_SHARE = 25_000


def _work(campaign: int, first: int, last: int, until: float, place: str) -> None:
    """A process: tries bodies until that moment, and writes the number of each into a shared file before it does."""
    seeds = corpus()
    run = Campaign()
    with Path(place).open("r+b") as file, mmap.mmap(file.fileno(), 8) as at:
        for number in range(first, last):
            if time.monotonic() > until:
                break
            at[:8] = struct.pack("<q", number)
            run.try_body(body(seeds, campaign, number))
    print(" ".join(f"{outcome}={count}" for outcome, count in sorted(run.counts.items())))


def _save(text: bytes) -> Path:
    path = Path(tempfile.gettempdir()) / f"fastfit-fuzz-{hashlib.sha256(text).hexdigest()[:16]}.json"
    path.write_bytes(text)
    return path


def main() -> int:
    """Reads the command line, runs and reports; 1 for the first fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bodies", type=int, help="how many (100000, or as many as --seconds allow)")
    parser.add_argument("--seconds", type=float, default=math.inf, help="end after so many")
    parser.add_argument("--seed", type=int, default=1, help="which campaign (default %(default)s)")
    parser.add_argument("--share", nargs=4, metavar=("FIRST", "LAST", "UNTIL", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.share:
        first, last, until, place = options.share
        _work(options.seed, int(first), int(last), float(until), place)
        return 0
    enough = 100_000 if options.seconds == math.inf else sys.maxsize
    return _run(options.bodies or enough, options.seconds, options.seed)


def _run(bodies: int, seconds: float, seed: int) -> int:
    """Shares of a campaign, one after the other."""
    began = time.monotonic()
    total: dict[str, int] = {}
    with tempfile.NamedTemporaryFile() as place:
        place.write(bytes(8))
        place.flush()
        for first in range(0, bodies, _SHARE):
            if time.monotonic() - began >= seconds:
                break
            last = min(bodies, first + _SHARE)
            command = [
                sys.executable, "-X", "faulthandler", "-m", "tests.fuzz",
                "--seed", str(seed), "--share", str(first), str(last), str(began + seconds), place.name,
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                (number,) = struct.unpack("<q", Path(place.name).read_bytes()[:8])
                path = _save(body(corpus(), seed, number))
                print(f"{done.stderr}\nbody {number} of campaign {seed}: status {done.returncode}; {path}")
                return 1
            for outcome, count in (word.split("=") for word in done.stdout.split()):
                total[outcome] = total.get(outcome, 0) + int(count)
            print(
                f"{sum(total.values())} bodies, {time.monotonic() - began:.0f} s, {total}", file=sys.stderr, flush=True
            )
    print(f"{sum(total.values())} bodies of campaign {seed}: no crash, no silent pass; answers {total}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
