"""Records how kubelets of a release answer: `python -m tests.conformance.kubelet.record --version 1.33`.

Builds the oracle on that release's managers, plays the lives below and writes them with the answers to
`tests/golden/kubelet/releases-<release>.jsonl.gz`, which test_releases.py replays through the twin. The lives are the
same at every run: some of the recorded VMs, random ones with restarts, and those of which releases make something else.
"""

import argparse
import gzip
import json
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.conformance.kubelet.generator import scenario
from tests.kit.go_build import BuildError
from tests.kit.golden import KUBELET as GOLDEN
from tests.kit.golden import scenarios
from tests.kit.oracle.kubelet.build import RELEASES
from tests.kit.oracle.kubelet.process import Oracle

__all__ = ["RECORDED", "lives", "main", "recording"]

#: The minors that have a file. 1.36 and 1.37 have their own (tests/golden/kubelet/README.md).
RECORDED: Final = ("1.33", "1.34", "1.35")
#: The managers of these read from a pod's status what was allocated; later kubelets put it into the spec before.
_READS_STATUS: Final = ("1.33", "1.34")
_ZONES: Final = (1, 4)
_VM_STRIDE: Final = 16
_RANDOM, _CACHES, _POD_LEVEL, _RESIZED = 160, 80, 60, 40

Life = dict[str, Any]


def recording(version: str) -> Path:
    """The file of a minor."""
    return GOLDEN / f"releases-{RELEASES[version].version.removeprefix('v')}.jsonl.gz"


def lives(version: str) -> Iterator[Life]:
    """The lives that a minor is asked about, without answers."""
    for recorded in islice(scenarios(GOLDEN / "vm.jsonl.gz"), 0, None, _VM_STRIDE):
        yield {**recorded, "steps": [_asked(step) for step in recorded["steps"]]}
    kinds = [("random", _RANDOM), ("caches", _CACHES), ("pod-level", _POD_LEVEL)]
    if version in _READS_STATUS:
        kinds.append(("resized", _RESIZED))
    for kind, count in kinds:
        for number in range(count):
            rng = Random(f"{kind} {number}")
            life = scenario(rng, _ZONES)
            if kind == "caches":
                _by_caches(rng, life)
            for step in life["steps"]:
                if kind == "pod-level" and "admit" in step and rng.random() < 0.6:
                    _with_resources_of_its_own(rng, step["admit"])
                elif kind == "resized" and "admit" in step and rng.random() < 0.6:
                    _with_wish(rng, step["admit"])
            yield {**life, "name": f"{kind} {number}"}


def _asked(step: Mapping[str, Any]) -> Life:
    return {"state": {}} if "state" in step else {name: value for name, value in step.items() if name != "observed"}


def _by_caches(rng: Random, life: Life) -> None:
    """Caches of two to four cores, threads of which are asked for in odd numbers."""
    config, size = life["kubelet"], rng.choice((2, 3, 4))
    for zone in life["machine"]["numa"]:
        for position, core in enumerate(zone["cores"]):
            core["l3"] = 100 * zone["id"] + position // size
    config["cpuManagerPolicy"] = "static"
    config["cpuManagerPolicyOptions"] = {"prefer-align-cpus-by-uncorecache": "true"}
    for step in life["steps"]:
        for container in step["admit"]["spec"]["containers"] if "admit" in step else ():
            for amounts in container["resources"].values():
                amounts["cpu"] = str(rng.choice((1, 2, 3, 5, 7, 9)))


def _with_resources_of_its_own(rng: Random, admit: Life) -> None:
    """A pod with spec.resources: Guaranteed or not, which the API server says or the kubelet finds out."""
    amounts = {"cpu": str(rng.randint(1, 8)), "memory": "4294967296"}
    limits = amounts if rng.random() < 0.7 else {**amounts, "cpu": "9"}
    admit["spec"]["resources"] = {"requests": amounts, "limits": limits}
    if rng.random() < 0.5:
        admit["status"] = {"qosClass": "Guaranteed" if limits is amounts else "Burstable"}


def _with_wish(rng: Random, admit: Life) -> None:
    """A running pod whose spec asks for another size than the kubelet has given it."""
    given = []
    for container in admit["spec"]["containers"]:
        requests = container["resources"].get("requests")
        if not requests:
            return
        allocated = {**requests, "cpu": str(rng.randint(1, 6)), "memory": str(rng.randint(1, 64) << 26)}
        given.append({"name": container["name"], "allocatedResources": allocated})
    admit["status"] = {"qosClass": "Guaranteed", "containerStatuses": given}


def main(arguments: list[str]) -> int:
    """The exit code for the command line `arguments`."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.kubelet.record", description=__doc__)
    parser.add_argument("--version", choices=RECORDED, required=True, help="Kubernetes minor release")
    version = parser.parse_args(arguments).version
    path = recording(version)
    try:
        with Oracle(version) as oracle:
            lines = [json.dumps(oracle.play(life), sort_keys=True, separators=(",", ":")) for life in lives(version)]
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    # No time and no name in the file: the same answers give the same bytes.
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0))
    print(f"{path.name}: {len(lines)} lives, {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
