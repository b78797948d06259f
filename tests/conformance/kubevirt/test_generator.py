"""The generator: replayable, wide, and within what KubeVirt's code survives."""

import json
from collections import Counter
from itertools import islice

import pytest

from extender.kubelet.cpuset import bits, parse_cpus
from tests.conformance.kubevirt.generator import cases
from tests.conformance.kubevirt.replay import predict
from tests.kit.generate.vms import cpus_asked


def test_a_seed_is_a_run() -> None:
    """The same seed gives the same cases, another one others; a longer run begins with the shorter one."""
    first = json.dumps(list(cases(7, 40)))
    assert json.dumps(list(islice(cases(7, 80), 40))) == first
    assert json.dumps(list(cases(8, 40))) != first


@pytest.mark.slow
def test_what_varies() -> None:
    """Boots and migrations, all errors of KubeVirt, up to many cells, refused targets, hotplug."""
    seen: Counter[str] = Counter()
    for case in cases(1, 1500):
        answer = predict(case)
        told = answer.get("observed") or answer["observedBoot"]
        seen[told.get("error", "domain").split(":")[0].split(",")[0][:24]] += 1
        seen[f"cells {len(told.get('memnodes', ()))}"] += 1
        seen[answer.get("libvirt", "boot")[:8]] += 1
        seen["hotplug"] += "boot" in case
    errors = {
        "no CPU allocated for the",
        "no second CPU allocated ",
        "not enough exclusive thr",
        "could not fit 1 core(s) ",
        "not enough memory reques",
        "requested memory can't b",
        "passing through a numa t",
        "domain is missing IOThre",
    }
    assert not [kind for kind in (*errors, "cells 1", "cells 2", "cells 4", "hotplug") if seen[kind] < 3]
    assert seen["domain"] > 700
    assert min(seen["accepted"], seen["boot"]) > 300
    assert seen["XML erro"] > 20


def test_cpusets_exist() -> None:
    """A cpuset names CPUs of its machine alone, and at least one."""
    for case in cases(2, 300):
        for place in (case.get("source"), case.get("target"), case if "machine" in case else None):
            if place is not None:
                there = {cpu for zone in place["machine"]["numa"] for core in zone["cores"] for cpu in core["threads"]}
                cpus = set(bits(parse_cpus(place["cpuset"], "cpuset")))
                assert cpus and cpus <= there, case["name"]


@pytest.mark.parametrize(
    ("sockets", "pool", "isolate", "parity", "asked"),
    [
        (8, 0, False, True, 8),
        (8, 0, True, False, 9),
        (8, 0, True, True, 10),
        (8, 1, True, True, 11),
        (7, 1, True, True, 9),
    ],
)
def test_cpus_asked(sockets: int, pool: int, isolate: bool, parity: bool, asked: int) -> None:
    """The pod's CPUs, with KubeVirt's parity of an odd pool."""
    vm = {"sockets": sockets, "cores": 1, "threads": 1, "isolateEmulatorThread": isolate, "evenParity": parity}
    assert cpus_asked(vm | {"supplementalPoolThreadCount": pool}) == asked
