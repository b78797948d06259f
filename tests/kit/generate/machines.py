"""Random machines in the golden format (tests/golden/kubelet/README.md)."""

from random import Random
from typing import Any, Final

__all__ = ["GI", "MI", "machine"]

MI: Final = 1 << 20
GI: Final = 1 << 30
#: No machine is larger: what goes wrong goes wrong on small ones, and sooner.
_MAX_CPUS: Final = 96


def machine(rng: Random, least: int, most: int) -> dict[str, Any]:
    """Return a machine of `least` to `most` zones, those without CPUs included.

    Axes: zones per socket and sockets per zone, 1/2/4 threads, how CPU and zone ids are given out, cores that are
    missing in some zones, last-level caches, zones without CPUs or without memory, pages per zone, distances.
    """
    count = rng.randint(least, most)
    cpuless = rng.randint(1, count - 1) if count > 1 and rng.random() < 0.12 else 0
    zones_with_cpus = count - cpuless
    threads = rng.choice((1, 2, 2, 2, 4))
    per_zone = _cores_per_zone(rng, zones_with_cpus, threads)
    sockets = _sockets(rng, per_zone)
    zones = [_memory(rng) for _ in range(count)]
    if rng.random() < 0.5:
        zones = [zones[0] | {"hugepages": dict(zones[0]["hugepages"])} for _ in zones]
    _same_page_sizes(zones)
    if count > 1 and rng.random() < 0.08:
        rng.choice(zones).update(memoryBytes=0, hugepages=dict.fromkeys(zones[0]["hugepages"], 0))
    ids = _cpu_ids(rng, per_zone, threads)
    caches = rng.choice((None, None, 1, 2, 4))
    places = sorted(rng.sample(range(count), zones_with_cpus))
    for place, zone in enumerate(zones):
        zone["cores"] = []
        if place in places:
            at = places.index(place)
            zone["cores"] = [
                {
                    "socket": at * sockets // zones_with_cpus + (core % 2 if sockets > zones_with_cpus else 0),
                    "l3": None if caches is None else (sum(per_zone[:at]) + core) // caches,
                    "threads": ids[at][core],
                }
                for core in range(per_zone[at])
            ]
    _number_zones(rng, zones)
    _set_distances(rng, zones)
    return {"sockets": sockets, "numa": zones}


def _sockets(rng: Random, per_zone: list[int]) -> int:
    """Zones share a socket, or, rarely, two sockets a zone."""
    zones = len(per_zone)
    if min(per_zone) > 1 and rng.random() < 0.04:
        return 2 * zones
    return rng.choice([sockets for sockets in range(1, zones + 1) if zones % sockets == 0])


def _cores_per_zone(rng: Random, zones: int, threads: int) -> list[int]:
    most = max(1, _MAX_CPUS // (zones * threads))
    cores = min(most, rng.choice((1, 2, 2, 3, 4, 4, 6, 8, 12)))
    if rng.random() < 0.15:
        return [rng.randint(max(1, cores - 2), cores) for _ in range(zones)]
    return [cores] * zones


def _memory(rng: Random) -> dict[str, Any]:
    memory = rng.choice((2, 4, 8, 8, 16, 32)) * GI
    pages: dict[str, int] = {}
    if rng.random() < 0.75:
        pages["1Gi"] = rng.randint(0, memory // GI * 3 // 4)
    if rng.random() < 0.25:
        pages["2Mi"] = rng.randint(0, memory // 5 // (2 * MI))
    return {"id": 0, "memoryBytes": memory, "hugepages": pages}


def _same_page_sizes(zones: list[dict[str, Any]]) -> None:
    """Make every zone list every page size, as one operating system does; the kubelet panics on less."""
    sizes = sorted({size for zone in zones for size in zone["hugepages"]})
    for zone in zones:
        zone["hugepages"] = {size: zone["hugepages"].get(size, 0) for size in sizes}


def _cpu_ids(rng: Random, per_zone: list[int], threads: int) -> list[list[list[int]]]:
    """Give out CPU ids: zone -> core -> threads. Ids may have holes."""
    total = sum(per_zone)
    cores = [(zone, core) for zone, size in enumerate(per_zone) for core in range(size)]
    numbering = rng.choice(("split", "split", "adjacent", "interleaved"))
    if numbering == "interleaved":
        cores.sort(key=lambda place: (place[1], place[0]))
    used = list(range(total * threads))
    if rng.random() < 0.15:
        used = sorted(rng.sample(range(2 * total * threads), total * threads))
    ids: list[list[list[int]]] = [[[] for _ in range(size)] for size in per_zone]
    for index, (zone, core) in enumerate(cores):
        if numbering == "adjacent":
            ids[zone][core] = used[index * threads : (index + 1) * threads]
        else:
            ids[zone][core] = [used[index + thread * total] for thread in range(threads)]
    return ids


def _number_zones(rng: Random, zones: list[dict[str, Any]]) -> None:
    ids = list(range(len(zones)))
    if rng.random() < 0.1:
        ids = sorted(rng.sample(range(20), len(zones)))
    for zone, number in zip(zones, ids, strict=True):
        zone["id"] = number


def _set_distances(rng: Random, zones: list[dict[str, Any]]) -> None:
    homes = [zone["cores"][0]["socket"] if zone["cores"] else -1 - at for at, zone in enumerate(zones)]
    near = {(a, b): rng.choice((11, 12, 16, 20, 21, 28, 32)) for a in range(len(zones)) for b in range(a)}
    drawn = rng.random() < 0.3
    for a, zone in enumerate(zones):
        row = []
        for b in range(len(zones)):
            if a == b:
                row.append(10)
            elif drawn:
                row.append(near[max(a, b), min(a, b)])
            else:
                row.append(12 if homes[a] == homes[b] else 21)
        zone["distances"] = row
