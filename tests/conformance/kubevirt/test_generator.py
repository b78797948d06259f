"""The generator and the minimiser, without KubeVirt's code."""

import json
from collections import Counter
from itertools import islice
from typing import Any

import pytest

from extender.kubelet.cpuset import bits, parse_cpus
from tests.conformance.kubevirt import comparison
from tests.conformance.kubevirt.generator import cases
from tests.conformance.kubevirt.minimise import minimise
from tests.conformance.kubevirt.replay import predict
from tests.kit.generate.vms import cpus_asked


def answered(case: dict[str, Any]) -> dict[str, Any]:
    """The case as if KubeVirt had answered what the model says."""
    return case | {key: value for key, value in predict(case).items() if key != "libvirt"}


def test_a_seed_is_a_run() -> None:
    """The same seed gives the same cases, another one others; a longer run begins with the shorter one."""
    first = json.dumps(list(cases(7, 40)))
    assert json.dumps(list(islice(cases(7, 80), 40))) == first
    assert json.dumps(list(cases(8, 40))) != first


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


def test_compare_sees_every_key() -> None:
    """Equal answers have no difference; a changed, an absent and an extra key, a panic and a broken case have one."""
    case = answered(next(case for case in cases(1, 50) if "memnodes" in predict(case).get("observed", {})))
    assert comparison.compare(case) == ()
    observed = case["observed"]
    for wrong in (
        observed | {"pins": observed["pins"][::-1] + [0]},
        observed | {"more": 1},
        {key: value for key, value in observed.items() if key != "memnodes"},
    ):
        assert len(comparison.compare(case | {"observed": wrong})) == 1
    assert "panics" in comparison.compare({"name": "n", "panic": "index out of range"})[0]
    assert "the model broke" in comparison.compare({"name": "n", "vm": {}})[0]


def test_minimise() -> None:
    """A migration with all knobs shrinks to a boot of one vCPU with what the difference needs, and nothing else."""
    case = next(
        c for c in cases(3, 400) if "target" in c and c["vm"]["isolateEmulatorThread"] and c["vm"]["sockets"] > 3
    )
    smallest = minimise(case, lambda c: c["vm"]["isolateEmulatorThread"])
    assert "target" not in smallest
    assert smallest["vm"]["sockets"] == smallest["vm"]["cores"] == 1
    assert len(smallest["machine"]["numa"]) == sum(len(zone["cores"]) for zone in smallest["machine"]["numa"]) == 1
    assert smallest["vm"]["isolateEmulatorThread"]
    assert predict(smallest)["observed"]


def test_minimise_keeps_what_differs() -> None:
    """A difference that only a migration has keeps the migration, and its cpusets shrink."""
    case = next(c for c in cases(4, 400) if "target" in c and predict(c).get("libvirt", "").startswith("XML"))
    smallest = minimise(case, lambda c: predict(c).get("libvirt", "").startswith("XML"))
    assert predict(smallest)["libvirt"].startswith("XML")
    used = set(bits(parse_cpus(smallest["target"]["cpuset"], "cpuset")))
    for zone in smallest["target"]["machine"]["numa"]:
        assert used.intersection(cpu for core in zone["cores"] for cpu in core["threads"])
    assert len(json.dumps(smallest)) < len(json.dumps(case))
