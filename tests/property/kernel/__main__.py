"""A long run of the kernel against the exact kubelet model: `python -m tests.property.kernel --admissions N --seed S`.

Histories of nodes are those of tests/conformance/kubelet's generator. Every admission that counts decide must have the model's
verdict, CPUs per zone and memory. Prints the share of unknown verdicts by cause; the exit code is 1 on a difference.
"""

import argparse
import random
import sys
from collections import Counter
from typing import Any

from _fastfit import Code
from extender.kubelet.admission import Kubelet
from extender.kubelet.facts_json import config_from_json, machine_from_json
from extender.kubelet.model import CannotStart
from tests.conformance.kubelet.generator import scenarios
from tests.kit import golden
from tests.kit.kernel.backends import Backend, compiled
from tests.kit.kernel.rows import answer, ask_of, place, row_of
from tests.unit.kernel.test_against_kubelet_model import _compare

_PROGRESS = 20_000


def _play(backend: Backend, scenario: dict[str, Any], seen: Counter[str]) -> None:
    node = Kubelet(machine_from_json(scenario["machine"], "machine"), config_from_json(scenario["kubelet"], "kubelet"))
    for step in scenario["steps"]:
        if "remove" in step:
            node.remove(step["remove"])
        if "admit" not in step:
            continue
        pod, hints = golden.demand(step["admit"]), golden.device_hints(step["admit"])
        if hints:
            node.admit(pod, hints)
            continue
        row, ask = row_of(node), ask_of(pod)
        entry = answer(backend, row, ask)
        outcome = _compare(node, pod, row, entry, place(backend, row, ask), pod.uid)
        seen[outcome if outcome != "unknown" else f"unknown {Code(entry.code).name}"] += 1


def main(arguments: list[str]) -> int:
    """Runs and prints; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.property.kernel", description=__doc__)
    parser.add_argument("--admissions", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args(arguments)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"seed {seed}", flush=True)
    backend = compiled()
    seen: Counter[str] = Counter()
    differences = told = 0
    for zones, share in (((1, 4), 0.9), ((5, 8), 0.1)):
        for life in scenarios(seed, zones, int(options.admissions * share), restarts=False):
            try:
                _play(backend, life, seen)
            except CannotStart:
                seen["cannot start"] += 1
            except AssertionError as difference:
                differences += 1
                print(str(difference)[:400], flush=True)
            if seen.total() // _PROGRESS > told:
                told = seen.total() // _PROGRESS
                print(f"  {seen.total()} admissions, {differences} differences", flush=True)
    for outcome, count in sorted(seen.items()):
        print(f"{outcome}: {count} ({count / seen.total():.2%})")
    print(f"admissions {seen.total()} differences {differences}")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
