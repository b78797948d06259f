"""Random pods in the golden format's `admit` step, sized to a given machine."""

from collections.abc import Mapping
from random import Random
from typing import Any, Final

from tests.kit.generate.machines import GI, MI

__all__ = ["admission"]

Amounts = dict[str, str]

_PAGE: Final = {"1Gi": GI, "2Mi": 2 * MI}
_RESOURCES: Final = ("example.com/nic", "example.com/gpu")


def admission(rng: Random, machine: Mapping[str, Any], uid: str) -> dict[str, Any]:
    """Return a pod: a VM with its helpers, or any Guaranteed, Burstable, BestEffort or pod-level one."""
    build = rng.choices((_vm, _guaranteed, _burstable, _best_effort, _pod_level), weights=(7, 9, 1, 0.5, 0.5))[0]
    admit: dict[str, Any] = {"uid": uid, "spec": build(rng, machine)}
    if rng.random() < 0.15:
        admit["deviceHints"] = _device_hints(rng, machine)
    return admit


def _vm(rng: Random, machine: Mapping[str, Any]) -> dict[str, Any]:
    """A virt-launcher as it is rendered for dedicated CPUs: fractional helpers around one big container."""
    helpers = []
    if rng.random() < 0.7:
        helpers.append(_container("guest-console-log", _amounts("15m", 60 * MI), sidecar=True))
    if rng.random() < 0.5:
        helpers.append(_container("container-disk-binary", _amounts("10m", 40 * MI)))
    cpus = _cpus(rng, machine) + rng.choice((0, 0, 0, 1))
    compute = _container("compute", _amounts(str(cpus), rng.choice((512 * MI, GI, 2 * GI)), _pages(rng, machine, 0.9)))
    return {"initContainers": helpers, "containers": [compute]}


def _guaranteed(rng: Random, machine: Mapping[str, Any]) -> dict[str, Any]:
    inits = rng.choices((0, 1, 2, 3), weights=(6, 3, 2, 1))[0]
    apps = rng.choices((1, 2, 3), weights=(6, 3, 1))[0]
    return {
        "initContainers": [_any(rng, machine, f"i{n}", sidecar=rng.random() < 0.45) for n in range(inits)],
        "containers": [_any(rng, machine, f"c{n}") for n in range(apps)],
    }


def _burstable(rng: Random, machine: Mapping[str, Any]) -> dict[str, Any]:
    spec = _guaranteed(rng, machine)
    resources = rng.choice(spec["containers"])["resources"]
    resources["limits"] = resources["limits"] | {"cpu": "999"}
    return spec


def _best_effort(rng: Random, machine: Mapping[str, Any]) -> dict[str, Any]:
    return {"initContainers": [], "containers": [{"name": "c0", "image": "x", "resources": {}}]}


def _pod_level(rng: Random, machine: Mapping[str, Any]) -> dict[str, Any]:
    return _guaranteed(rng, machine) | {"resources": _both(_amounts(str(_cpus(rng, machine)), 4 * GI))}


def _any(rng: Random, machine: Mapping[str, Any], name: str, *, sidecar: bool = False) -> dict[str, Any]:
    if rng.random() < 0.2:
        cpu = rng.choice(("100m", "500m", "1500m", "2500m"))
    else:
        cpu = rng.choice((str, lambda n: f"{n}000m", str))(_cpus(rng, machine))
    return _container(name, _amounts(cpu, _memory(rng, machine), _pages(rng, machine, 0.35)), sidecar=sidecar)


def _cpus(rng: Random, machine: Mapping[str, Any]) -> int:
    """A number of CPUs near one at which something changes: a core, a zone, several zones, the machine."""
    sizes = [sum(len(core["threads"]) for core in zone["cores"]) for zone in machine["numa"] if zone["cores"]]
    zone, total = rng.choice(sizes), sum(sizes)
    near: int = rng.choice(
        (1, 2, 2, 3, 4, zone // 4, zone // 2, zone // 2, zone, zone + 2, 2 * zone, total // 2, total)
    )
    if rng.random() < 0.3:
        near += rng.choice((-2, -1, 1))
    return max(1, near)


def _memory(rng: Random, machine: Mapping[str, Any]) -> int:
    """Bytes: little, or a share of a zone or of the machine."""
    if rng.random() < 0.4:
        return rng.choice((64 * MI, 100_000_000, GI, 1 << 20))
    zones = [zone["memoryBytes"] for zone in machine["numa"]]
    whole = rng.choice((rng.choice(zones), sum(zones)))
    share: int = whole * rng.choice((1, 2, 3, 4, 5, 6, 8, 9)) // 8
    return max(MI, share // MI * MI)


def _pages(rng: Random, machine: Mapping[str, Any], often: float) -> Amounts:
    pages = {}
    for size in machine["numa"][0]["hugepages"]:
        counts = [zone["hugepages"][size] for zone in machine["numa"]]
        if rng.random() < often and any(counts):
            whole = rng.choice((max(counts), max(counts), sum(counts)))
            number = max(1, whole * rng.choice((1, 2, 3, 4, 4, 6, 8, 9)) // 8)
            pages[f"hugepages-{size}"] = str(number * _PAGE[size])
    return pages


def _device_hints(rng: Random, machine: Mapping[str, Any]) -> dict[str, Any]:
    ids = [zone["id"] for zone in machine["numa"]]
    hints: dict[str, Any] = {}
    for resource in _RESOURCES[: rng.choice((1, 1, 2))]:
        kind = rng.random()
        if kind < 0.1:
            hints[resource] = None
        elif kind < 0.15:
            hints[resource] = []
        else:
            masks = {tuple(sorted(rng.sample(ids, rng.randint(1, len(ids))))) for _ in range(rng.randint(1, 4))}
            hints[resource] = [{"numa": list(mask), "preferred": rng.random() < 0.6} for mask in sorted(masks)]
    return hints


def _amounts(cpu: str, memory: int, pages: Amounts | None = None) -> Amounts:
    return {"cpu": cpu, "memory": str(memory), **(pages or {})}


def _both(amounts: Amounts) -> dict[str, Amounts]:
    return {"requests": dict(amounts), "limits": dict(amounts)}


def _container(name: str, amounts: Amounts, *, sidecar: bool = False) -> dict[str, Any]:
    container: dict[str, Any] = {"name": name, "image": "x", "resources": _both(amounts)}
    return container | {"restartPolicy": "Always"} if sidecar else container
