"""Random hosts of a launcher: a machine in the golden format and the cpuset that a pod got there."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

import msgspec

from extender.api.objects import Pod
from extender.errors import BadObject
from extender.kubelet.admission import Kubelet
from extender.kubelet.cpuset import format_cpus, from_ids
from extender.kubelet.facts_json import config_from_json, machine_from_json
from extender.kubelet.pod import pod_demand
from extender.kubelet.results import Admitted
from tests.kit.generate.machines import machine as random_machine
from tests.kit.machines import SHAPES

__all__ = ["cpuset", "host", "place", "zone_sizes"]

Machine = dict[str, Any]

#: The twin tries every set of zones: on more of them a case would take too long.
_MOST_ZONES_FOR_KUBELET: Final = 4
_POLICIES: Final = ("none", "none", "best-effort", "restricted", "single-numa-node")


def host(rng: Random) -> Machine:
    """A machine of 1 to 8 random zones, or one of the catalogue; some cores have threads offline."""
    if rng.random() < 0.2:
        built: Machine = msgspec.convert(SHAPES[rng.choice(sorted(SHAPES))](None), type=dict[str, Any])
    else:
        built = random_machine(rng, 1, rng.choice((1, 2, 2, 4, 4, 8)))
    return _some_offline(rng, built) if rng.random() < 0.15 else built


def _some_offline(rng: Random, machine: Machine) -> Machine:
    """The machine with single threads missing: libvirt's sibling text gets holes."""
    zones = []
    for zone in machine["numa"]:
        cores = []
        for core in zone["cores"]:
            online = [thread for thread in core["threads"] if rng.random() < 0.8] or core["threads"][:1]
            cores.append({**core, "threads": online})
        zones.append({**zone, "cores": cores})
    return {**machine, "numa": zones}


def zone_sizes(machine: Mapping[str, Any]) -> list[int]:
    """CPUs of each zone that has any."""
    return [len(cpus) for cpus in _by_zone(machine)]


def place(machine: Mapping[str, Any], cpus: frozenset[int]) -> dict[str, Any]:
    """The golden form of a machine with a cpuset."""
    return {"machine": machine, "cpuset": format_cpus(from_ids(cpus))}


def cpuset(rng: Random, machine: Mapping[str, Any], wanted: int) -> frozenset[int]:
    """About `wanted` CPUs, at most all there are.

    Packed in cores, filled zone by zone in any order and share, spread, at random, or what a kubelet gives; now and
    then a few more or less than wanted, or everything.
    """
    wanted += rng.choices((0, 1, 2, -1, rng.randint(-8, 8)), weights=(24, 4, 2, 1, 1))[0]
    everything = [cpu for zone in _by_zone(machine) for cpu in zone]
    wanted = min(max(1, wanted), len(everything))
    ways: tuple[Callable[[Random, Mapping[str, Any], int], frozenset[int]], ...]
    ways = (_packed, _shared_out, _spread, _random, _of_kubelet, lambda *_: frozenset(everything))
    return rng.choices(ways, weights=(5, 6, 3, 3, 4, 0.5))[0](rng, machine, wanted)


def _packed(rng: Random, machine: Mapping[str, Any], wanted: int) -> frozenset[int]:
    """Core by core from a random one on."""
    cores = [core["threads"] for zone in machine["numa"] for core in zone["cores"]]
    start = rng.randrange(len(cores))
    return frozenset([thread for core in cores[start:] + cores[:start] for thread in core][:wanted])


def _shared_out(rng: Random, machine: Mapping[str, Any], wanted: int) -> frozenset[int]:
    """Zone by zone in random order, a random share of what is still wanted from each."""
    zones = _by_zone(machine)
    rng.shuffle(zones)
    taken: list[int] = []
    for zone in zones:
        missing = wanted - len(taken)
        share = min(len(zone), rng.choice((missing, missing, (missing + 1) // 2, missing // 2, 1, missing - 1)))
        start = rng.randrange(len(zone) - max(share, 0) + 1)
        taken += zone[start : start + max(share, 0)]
    left = [cpu for zone in zones for cpu in zone if cpu not in taken]
    return frozenset(taken + left[: wanted - len(taken)])


def _spread(rng: Random, machine: Mapping[str, Any], wanted: int) -> frozenset[int]:
    """Every n-th CPU."""
    cpus = [cpu for zone in _by_zone(machine) for cpu in zone]
    step = len(cpus) / wanted
    start = rng.random() * step
    return frozenset(cpus[min(int(start + step * at), len(cpus) - 1)] for at in range(wanted))


def _random(rng: Random, machine: Mapping[str, Any], wanted: int) -> frozenset[int]:
    return frozenset(rng.sample([cpu for zone in _by_zone(machine) for cpu in zone], wanted))


def _of_kubelet(rng: Random, machine: Mapping[str, Any], wanted: int) -> frozenset[int]:
    """What the kubelet's static policy gives on a node with some pods; packed where it gives nothing."""
    cpus = sorted(cpu for zone in _by_zone(machine) for cpu in zone)
    if len(machine["numa"]) > _MOST_ZONES_FOR_KUBELET:
        return _packed(rng, machine, wanted)
    config = {
        "topologyManagerPolicy": rng.choice(_POLICIES),
        "cpuManagerPolicy": "static",
        "reservedSystemCPUs": str(cpus[0]),
    }
    try:
        kubelet = Kubelet(machine_from_json(machine, "machine"), config_from_json(config, "kubelet"))
    except BadObject:
        return _packed(rng, machine, wanted)
    for name in range(rng.randint(0, 4)):
        _admit(kubelet, f"other{name}", rng.randint(1, max(1, len(cpus) // 3)))
    return _admit(kubelet, "vm", wanted) or _packed(rng, machine, wanted)


def _admit(kubelet: Kubelet, uid: str, cpus: int) -> frozenset[int]:
    amounts = {"cpu": str(cpus), "memory": "64Mi"}
    container = {"name": "compute", "resources": {"requests": amounts, "limits": amounts}}
    pod = {"metadata": {"uid": uid}, "spec": {"containers": [container]}, "status": {}}
    answer = kubelet.admit(pod_demand(msgspec.convert(pod, Pod)))
    return answer.containers["compute"].cpus if isinstance(answer, Admitted) else frozenset()


def _by_zone(machine: Mapping[str, Any]) -> list[list[int]]:
    """The CPUs of each zone that has any, core by core."""
    zones = [[cpu for core in zone["cores"] for cpu in core["threads"]] for zone in machine["numa"]]
    return [zone for zone in zones if zone]
