"""Random node lives: a machine, its kubelet's configuration, and pods that come and go (the golden format).

What varies: tests/kit/generate; here the order of events, restarts included. What would hang or
crash the real kubelet is left out: the Topology Manager walks the product of all hint lists, so on many zones a pod
loses its device hints, then its huge pages, and most nodes their Memory Manager; configurations that panic.
"""

from collections.abc import Iterator, Mapping
from math import prod
from random import Random
from typing import Any, Final

from tests.kit.generate.configurations import configuration
from tests.kit.generate.machines import machine
from tests.kit.generate.pods import admission

__all__ = ["admissions_in", "merge_work", "scenario", "scenarios"]

#: Combinations of hints that the real Topology Manager may walk for one container: 65,025 (cpu and memory on eight
#: zones) take it a third of a second.
_MAX_WORK: Final = 70_000
#: Zones from which on Memory Manager and Topology Manager together are slow enough to be rare.
_MANY: Final = 7


def scenarios(seed: int, zones: tuple[int, int], admissions: int, *, restarts: bool = True) -> Iterator[dict[str, Any]]:
    """Yield node lives until they hold `admissions` admit steps. Number n of a seed is always the same."""
    made = number = 0
    while made < admissions:
        life = scenario(Random(f"{seed} {zones[0]}-{zones[1]} {number}"), zones, restarts=restarts)
        life["name"] = f"seed {seed} zones {zones[0]}-{zones[1]} number {number}"
        made += admissions_in(life)
        number += 1
        yield life


def admissions_in(life: Mapping[str, Any]) -> int:
    """The number of admit steps."""
    return sum("admit" in step for step in life["steps"])


def scenario(rng: Random, zones: tuple[int, int], *, restarts: bool = True) -> dict[str, Any]:
    """Return one node life on a machine of zones[0] to zones[1] zones, without answers."""
    node = machine(rng, *zones)
    config = configuration(rng, node)
    if len(node["numa"]) >= _MANY and config["topologyManagerPolicy"] in ("restricted", "best-effort"):
        if rng.random() < 0.9:
            config |= {"memoryManagerPolicy": "None", "reservedMemory": []}
    steps: list[dict[str, Any]] = []
    pods: list[str] = []
    for number in range(rng.randint(3, 12)):
        uid = f"p{number + 1}"
        admit = admission(rng, node, uid)
        _bound(admit, node, config)
        steps.append({"admit": admit})
        pods.append(uid)
        if rng.random() < 0.4:
            steps.append({"start": uid})
        while pods and rng.random() < 0.22:
            steps.append({"remove": pods.pop(rng.randrange(len(pods)))})
        if rng.random() < 0.08:
            steps.append({"state": {}})
        if restarts and rng.random() < 0.06:
            steps.append({"restart": True})
    steps.append({"state": {}})
    return {"name": "", "kubelet": config, "machine": node, "steps": steps}


def merge_work(admit: Mapping[str, Any], node: Mapping[str, Any], config: Mapping[str, Any]) -> int:
    """Bound the combinations of hints that the real Topology Manager walks for one container of the pod."""
    policy = config["topologyManagerPolicy"]
    if policy == "none":
        return 0
    bearing, every = sum(1 for zone in node["numa"] if zone["cores"]), len(node["numa"])
    types = {
        name
        for container in (*admit["spec"]["initContainers"], *admit["spec"]["containers"])
        for name in container["resources"].get("requests", {})
        if name != "cpu"
    }
    lists = [bearing if policy == "single-numa-node" else 2**bearing - 1]
    if config["memoryManagerPolicy"] == "Static":
        lists += [every if policy == "single-numa-node" else 2**every - 1] * len(types)
    lists += [len(hints) for hints in admit.get("deviceHints", {}).values() if hints]
    return prod(lists)


def _bound(admit: dict[str, Any], node: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Take from the pod what would keep the real kubelet busy for minutes."""
    if merge_work(admit, node, config) > _MAX_WORK:
        admit.pop("deviceHints", None)
    if merge_work(admit, node, config) > _MAX_WORK:
        for container in (*admit["spec"]["initContainers"], *admit["spec"]["containers"]):
            for amounts in container["resources"].values():
                for name in [name for name in amounts if name.startswith("hugepages-")]:
                    del amounts[name]
