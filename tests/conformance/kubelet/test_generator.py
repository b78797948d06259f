"""The generator: replayable, wide, and within what the real kubelet survives."""

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest

from tests.conformance.kubelet.generator import admissions_in, merge_work, scenario, scenarios


def test_a_seed_is_a_run() -> None:
    """The same seed gives the same lives, another one others; admissions are at least those asked for."""
    first = list(scenarios(7, (1, 4), 100))
    assert first == list(scenarios(7, (1, 4), 100))
    assert first != list(scenarios(8, (1, 4), 100))
    assert sum(map(admissions_in, first)) >= 100


def test_a_life_does_not_depend_on_the_length_of_the_run() -> None:
    """Life number n is the same in a short run and in a long one."""
    short, long = list(scenarios(7, (1, 8), 20)), list(scenarios(7, (1, 8), 200))
    assert long[: len(short)] == short


def test_restarts_can_be_left_out() -> None:
    """Some lives restart; none does where that is not wanted."""
    assert any("restart" in step for life in scenarios(1, (1, 4), 300) for step in life["steps"])
    lives = scenarios(1, (1, 4), 300, restarts=False)
    assert not any("restart" in step for life in lives for step in life["steps"])


def _lives() -> list[dict[str, Any]]:
    return [scenario(Random(number), (1, 8)) for number in range(600)]


def test_merges_stay_walkable() -> None:
    """No container makes the real Topology Manager walk more than a third of a second of combinations."""
    for life in _lives():
        for step in life["steps"]:
            if "admit" in step:
                assert merge_work(step["admit"], life["machine"], life["kubelet"]) <= 70_000


def _axes(life: Mapping[str, Any]) -> set[str]:
    machine, config = life["machine"], life["kubelet"]
    zones = machine["numa"]
    threads = {len(core["threads"]) for zone in zones for core in zone["cores"]}
    cpus = sorted(cpu for zone in zones for core in zone["cores"] for cpu in core["threads"])
    found = {f"zones {len(zones)}", *(f"threads {count}" for count in threads)}
    found |= {config["topologyManagerPolicy"], config["topologyManagerScope"], config["memoryManagerPolicy"]}
    found |= {*config["cpuManagerPolicyOptions"], *config["topologyManagerPolicyOptions"]}
    found |= {"reserved by list" if config["reservedSystemCPUs"] else "reserved by count"}
    checks = {
        "cpuless zone": any(not zone["cores"] for zone in zones),
        "memoryless zone": any(not zone["memoryBytes"] for zone in zones),
        "sparse zones": zones[-1]["id"] >= len(zones),
        "sparse cpus": cpus[-1] >= len(cpus),
        "adjacent": len(cpus) > 2 and zones[0]["cores"][:1] != [] and zones[0]["cores"][0]["threads"] == [0, 1],
        "several sockets a zone": machine["sockets"] > sum(1 for zone in zones if zone["cores"]),
        "unequal zones": len({len(zone["cores"]) for zone in zones if zone["cores"]}) > 1,
        "2Mi": "2Mi" in zones[0]["hugepages"],
        "1Gi": "1Gi" in zones[0]["hugepages"],
        "removal": any("remove" in step for step in life["steps"]),
        "restart": any("restart" in step for step in life["steps"]),
        "device hints": any("deviceHints" in step.get("admit", {}) for step in life["steps"]),
    }
    found |= {name for name, holds in checks.items() if holds}
    for step in life["steps"]:
        spec = step.get("admit", {}).get("spec", {})
        if "resources" in spec:
            found.add("pod-level")
        for container in (*spec.get("initContainers", ()), *spec.get("containers", ())):
            kind = "sidecar" if "restartPolicy" in container else "init" if container["name"][0] == "i" else "app"
            found.add(kind)
            resources = container["resources"]
            if resources.get("requests", {}).get("cpu", "").endswith("500m"):
                found.add("fractional")
            if resources.get("requests") != resources.get("limits"):
                found.add("burstable")
    return found


@pytest.fixture(scope="module")
def axes() -> set[str]:
    """All that 600 lives vary."""
    return set().union(*map(_axes, _lives()))


@pytest.mark.parametrize(
    "axis",
    [
        *(f"zones {count}" for count in range(1, 9)),
        *("threads 1", "threads 2", "threads 4"),
        *("none", "best-effort", "restricted", "single-numa-node", "pod", "container", "Static", "None"),
        *("full-pcpus-only", "distribute-cpus-across-numa", "distribute-cpus-across-cores", "align-by-socket"),
        *("prefer-align-cpus-by-uncorecache", "strict-cpu-reservation"),
        *("prefer-closest-numa-nodes", "max-allowable-numa-nodes", "reserved by list", "reserved by count"),
        *("cpuless zone", "memoryless zone", "sparse zones", "sparse cpus", "adjacent", "several sockets a zone"),
        *("unequal zones", "2Mi", "1Gi", "removal", "restart", "device hints", "pod-level"),
        *("app", "init", "sidecar", "fractional", "burstable"),
    ],
)
def test_every_axis_varies(axis: str, axes: set[str]) -> None:
    """Nothing that the twin models is missing from the lives."""
    assert axis in axes
