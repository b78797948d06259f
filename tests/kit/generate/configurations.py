"""Random kubelet configurations in the golden format, for a given machine."""

from collections.abc import Mapping
from random import Random
from typing import Any, Final

from tests.kit.generate.machines import GI, MI

__all__ = ["configuration", "cpu_ids"]

_POLICIES: Final = ("single-numa-node", "restricted", "restricted", "best-effort", "best-effort", "none")
_CPU_OPTIONS: Final = (
    "full-pcpus-only",
    "distribute-cpus-across-numa",
    "distribute-cpus-across-cores",
    "align-by-socket",
    "prefer-align-cpus-by-uncorecache",
    "strict-cpu-reservation",
)
#: Pairs with which no kubelet starts; they are kept rarely, since all that they show is that ours does not either.
_EXCLUSIVE: Final = (
    ("full-pcpus-only", "distribute-cpus-across-cores"),
    ("distribute-cpus-across-numa", "distribute-cpus-across-cores"),
    ("prefer-align-cpus-by-uncorecache", "distribute-cpus-across-cores"),
    ("prefer-align-cpus-by-uncorecache", "distribute-cpus-across-numa"),
)


def cpu_ids(machine: Mapping[str, Any]) -> list[int]:
    """The logical CPUs of a machine in ascending order."""
    return sorted(cpu for zone in machine["numa"] for core in zone["cores"] for cpu in core["threads"])


def configuration(rng: Random, machine: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with which the kubelet of `machine` starts, a few exceptions aside."""
    policy = rng.choice(_POLICIES)
    static = rng.random() < 0.95
    # The Memory Manager does not start without memory in reserve.
    reservation = _reserved_memory(rng, machine) if rng.random() < 0.75 else []
    memory = any("memory" in entry["limits"] for entry in reservation) or (bool(reservation) and rng.random() < 0.1)
    reserved, count = _reserved_cpus(rng, machine)
    return {
        "topologyManagerPolicy": policy,
        "topologyManagerScope": rng.choice(("container", "pod")),
        "topologyManagerPolicyOptions": _topology_options(rng, machine),
        "cpuManagerPolicy": "static" if static else "none",
        "cpuManagerPolicyOptions": _cpu_options(rng, machine, policy) if static else {},
        "memoryManagerPolicy": "Static" if memory else "None",
        "reservedMemory": reservation if memory else [],
        "reservedSystemCPUs": reserved,
        "reservedCPUCount": count,
    }


def _topology_options(rng: Random, machine: Mapping[str, Any]) -> dict[str, str]:
    options = {}
    ids = [zone["id"] for zone in machine["numa"]]
    # On sparse zone ids the kubelet looks distances up by position and panics.
    if ids == list(range(len(ids))) and rng.random() < 0.35:
        options["prefer-closest-numa-nodes"] = "true"
    if rng.random() < 0.05:
        options["max-allowable-numa-nodes"] = rng.choice(("8", "16"))
    return options


def _cpu_options(rng: Random, machine: Mapping[str, Any], policy: str) -> dict[str, str]:
    on = {option for option in _CPU_OPTIONS if rng.random() < 0.22}
    if rng.random() < 0.02:
        return dict.fromkeys(sorted(on), "true")
    for one, other in _EXCLUSIVE:
        if one in on and other in on:
            on.discard(rng.choice((one, other)))
    zones_with_cpus = sum(1 for zone in machine["numa"] if zone["cores"])
    if policy == "single-numa-node" or machine["sockets"] > zones_with_cpus:
        on.discard("align-by-socket")
    options = dict.fromkeys(sorted(on), "true")
    if rng.random() < 0.05:
        options.setdefault("strict-cpu-reservation", "false")
    return options


def _reserved_cpus(rng: Random, machine: Mapping[str, Any]) -> tuple[str, int]:
    """Whole cores, half cores, one core of each zone, or anything; by list, or by number."""
    cpus = cpu_ids(machine)
    zones = [zone["cores"] for zone in machine["numa"] if zone["cores"]]
    most = max(1, len(cpus) // 3)
    if rng.random() < 0.3:
        return "", rng.randint(1, min(most, 4))
    chosen = rng.choice(
        (
            zones[0][0]["threads"],
            zones[0][0]["threads"][:1],
            [cores[0]["threads"][0] for cores in zones],
            [cpu for cores in zones for cpu in cores[0]["threads"]],
            cpus[: rng.randint(1, most)],
            rng.sample(cpus, rng.randint(1, most)),
        )
    )
    return ",".join(map(str, sorted(chosen))), 0


def _reserved_memory(rng: Random, machine: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for zone in machine["numa"]:
        pages = zone["hugepages"]
        plain = zone["memoryBytes"] - pages.get("1Gi", 0) * GI - pages.get("2Mi", 0) * 2 * MI
        limits = {}
        if plain > GI and (not entries or rng.random() < 0.4):
            limits["memory"] = f"{rng.choice((64, 100, 512, 1024))}Mi"
        if pages.get("1Gi", 0) > 1 and rng.random() < 0.05:
            limits["hugepages-1Gi"] = "1Gi"
        if limits:
            entries.append({"numaNode": zone["id"], "limits": limits})
    return entries
