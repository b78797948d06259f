"""Random VMs in the golden format's `vm` object, sized to a given host."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Final

__all__ = ["cpus_asked", "vcpus", "vm"]

_MI: Final = 1 << 20
_GI: Final = 1 << 30
_PAGES: Final = {"64Ki": 1 << 16, "2Mi": 2 * _MI, "32Mi": 32 * _MI, "512Mi": 512 * _MI, "1Gi": _GI, "16Gi": 16 * _GI}
_MOST_VCPUS: Final = 160


def vm(rng: Random, zones: Sequence[int]) -> dict[str, Any]:
    """A VM with dedicated CPUs for a host whose zones have so many CPUs."""
    threads = rng.choices((1, 2, 4), weights=(10, 9, 1))[0]
    cores = rng.choice((1, 1, 1, 2, 3, 4))
    guest_cores = max(1, _size(rng, zones) // threads)
    made: dict[str, Any] = {
        "sockets": max(1, guest_cores // cores),
        "cores": cores,
        "threads": threads,
        "isolateEmulatorThread": rng.random() < 0.7,
        "passthrough": rng.random() < 0.85,
        "evenParity": rng.random() < 0.2,
    }
    page = rng.choices(("", *_PAGES), weights=(1, 1, 5, 1, 1, 12, 1))[0]
    if page:
        made["pageSize"] = page
    made["memory"] = _memory(rng, _PAGES.get(page, _GI), len(zones))
    if rng.random() < 0.4:
        made["maxSockets"] = made["sockets"] * rng.choice((1, 2, 4, 4)) + rng.choice((0, 0, 1))
    if rng.random() < 0.18:
        made["supplementalPoolThreadCount"] = rng.choice((1, 1, 2, 3, 4))
    elif rng.random() < 0.15:
        made |= {"ioThreadsPolicy": rng.choice(("auto", "shared")), "disks": rng.choice((0, 1, 1, 2, 3, 6))}
    return made


def vcpus(made: Mapping[str, Any]) -> int:
    """vCPUs of the VM."""
    return int(made["sockets"] * made["cores"] * made["threads"])


def cpus_asked(made: Mapping[str, Any]) -> int:
    """CPUs that the VM's pod asks for: the rule of renderresources.go, the parity with the pool counted twice included.

    What a VM's launcher needs is decided elsewhere: with an odd pool the two differ.
    """
    pool: int = made.get("supplementalPoolThreadCount", 0)
    asked = vcpus(made) + pool
    if not made["isolateEmulatorThread"]:
        return asked
    return asked + (2 if made["evenParity"] and (asked + pool) % 2 == 0 else 1)


def _size(rng: Random, zones: Sequence[int]) -> int:
    """vCPUs near a number at which something changes: a zone, several, the host."""
    zone, total = rng.choice(zones), sum(zones)
    near = rng.choice(
        (1, 2, 4, 8, zone // 2, zone // 2, zone, zone, zone + 1, 3 * zone // 2, 2 * zone, total // 2, total)
    )
    return min(max(1, near + rng.choice((-3, -2, -1, -1, 0, 0, 0, 1))), total + 1, _MOST_VCPUS)


def _memory(rng: Random, page: int, zones: int) -> str | int:
    """Few or many pages of the size, in even shares of the zones or not; seldom no whole number of pages.

    As KubeVirt's webhook leaves it, in the canonical form: of "1.5Gi" its launcher would make a byte too little.
    """
    pages = rng.choice(
        (zones, zones, zones + 1, rng.randint(1, 2 * zones), 8 + rng.randint(1, 64), 16, 2 * rng.randint(1, 300))
    )
    size = page * pages
    kind = rng.random()
    if kind < 0.03:
        return f"{rng.randint(1, 300)}G"
    if kind < 0.06:
        size += rng.choice((1, 512, 1024, _MI, page // 2, -_MI))
    size = max(size, 1)
    if size % _GI == 0 and rng.random() < 0.8:
        return f"{size // _GI}Gi"
    if size % _MI == 0 and rng.random() < 0.8:
        return f"{size // _MI}Mi"
    return rng.choice((size, str(size)))
