"""Shrinks a scenario that shows a difference to the shortest one that still does."""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from extender.kubelet.cpuset import format_cpus, from_ids, parse_cpus
from tests.conformance.shared import Case as Scenario
from tests.conformance.shared import shrunk, without_distance

__all__ = ["minimise"]

#: What a configuration is reduced to where the difference allows it.
_PLAIN = {
    "topologyManagerScope": "container",
    "memoryManagerPolicy": "None",
    "topologyManagerPolicy": "none",
    "cpuManagerPolicy": "none",
}


def minimise(scenario: Mapping[str, Any], differs: Callable[[Scenario], bool]) -> Scenario:
    """Return a reduced scenario for which `differs` holds still; see `shrunk`.

    In this order: steps, containers and what they ask for, device hints, the configuration, the machine.
    """
    return shrunk(scenario, differs, (_fewer_steps, _smaller_pods, _plainer_configuration, _smaller_machine))


def _fewer_steps(scenario: Scenario) -> Iterator[Scenario]:
    """Cut off the end, then leave out ever shorter runs of steps."""
    steps = scenario["steps"]
    size = len(steps) - 1
    while size >= 1:
        for start in range(len(steps) - size, -1, -size):
            yield scenario | {"steps": copy.deepcopy(steps[:start] + steps[start + size :])}
        size //= 2


def _smaller_pods(scenario: Scenario) -> Iterator[Scenario]:
    for number, step in enumerate(scenario["steps"]):
        for admit in _smaller_admissions(step["admit"]) if "admit" in step else ():
            steps = copy.deepcopy(scenario["steps"])
            steps[number]["admit"] = admit
            yield scenario | {"steps": steps}


def _smaller_admissions(admit: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    spec = admit["spec"]
    for kind in ("initContainers", "containers"):
        for at in range(len(spec[kind])):
            if kind == "initContainers" or len(spec[kind]) > 1:
                smaller = copy.deepcopy(dict(admit))
                del smaller["spec"][kind][at]
                yield smaller
        for at, container in enumerate(spec[kind]):
            for name in [name for name in container["resources"].get("requests", {}) if name.startswith("hugepages-")]:
                smaller = copy.deepcopy(dict(admit))
                for amounts in smaller["spec"][kind][at]["resources"].values():
                    amounts.pop(name, None)
                yield smaller
    if "resources" in spec:
        yield {**admit, "spec": {name: value for name, value in spec.items() if name != "resources"}}
    hints = admit.get("deviceHints") or {}
    for resource in hints:
        yield {**admit, "deviceHints": {name: entries for name, entries in hints.items() if name != resource}}


def _plainer_configuration(scenario: Scenario) -> Iterator[Scenario]:
    config = scenario["kubelet"]
    for options in ("cpuManagerPolicyOptions", "topologyManagerPolicyOptions"):
        for name in config[options]:
            rest = {option: value for option, value in config[options].items() if option != name}
            yield scenario | {"kubelet": config | {options: rest}}
    for at in range(len(config["reservedMemory"])):
        entries = config["reservedMemory"][:at] + config["reservedMemory"][at + 1 :]
        yield scenario | {"kubelet": config | {"reservedMemory": entries}}
    for name, plain in _PLAIN.items():
        if config[name] != plain:
            yield scenario | {"kubelet": config | {name: plain}}


def _smaller_machine(scenario: Scenario) -> Iterator[Scenario]:
    zones = scenario["machine"]["numa"]
    for at in range(len(zones)):
        if len(zones) > 1:
            yield _with_zones(scenario, [without_distance(zone, at) for i, zone in enumerate(zones) if i != at])
    for at, zone in enumerate(zones):
        cores = zone["cores"]
        for fewer in {len(cores) // 2, len(cores) - 1} - {0, len(cores), -1}:
            yield _with_zones(scenario, [*zones[:at], zone | {"cores": cores[:fewer]}, *zones[at + 1 :]])
    for size in zones[0]["hugepages"]:
        kept = [zone | {"hugepages": {s: n for s, n in zone["hugepages"].items() if s != size}} for zone in zones]
        yield _with_zones(scenario, kept)


def _with_zones(scenario: Scenario, zones: list[Any]) -> Scenario:
    """Return the scenario on fewer zones or CPUs, with what is reserved of those that are gone left out."""
    ids = {zone["id"] for zone in zones}
    cpus = {cpu for zone in zones for core in zone["cores"] for cpu in core["threads"]}
    sockets = {core["socket"] for zone in zones for core in zone["cores"]}
    config = scenario["kubelet"]
    reserved = parse_cpus(config["reservedSystemCPUs"], "reservedSystemCPUs") & from_ids(cpus)
    return scenario | {
        "machine": {"sockets": len(sockets), "numa": zones},
        "kubelet": config
        | {
            "reservedSystemCPUs": format_cpus(reserved),
            "reservedMemory": [entry for entry in config["reservedMemory"] if entry["numaNode"] in ids],
        },
    }
