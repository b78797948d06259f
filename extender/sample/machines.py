"""Machines of real servers, as `machine` objects of the golden format (the value of fastfit.dev/machine).

The functions fix what the hardware decides: zones, CPU numbering, siblings, distances, memory per zone. Huge pages are
the administrator's choice and so a parameter: pages per zone by size, for all zones or per zone id.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

__all__ = [
    "GIB",
    "Machine",
    "PagesPerZone",
    "build",
    "cores",
    "epyc_7742_nps4",
    "epyc_rome_nps4_smt",
    "lab_worker",
    "nro_worker",
    "power9",
    "telco_18c",
    "threadripper_2990wx",
    "two_level",
    "xeon_6230",
    "xeon_8480_snc4",
]

GIB = 1024**3
Machine: TypeAlias = dict[str, Any]
#: {"1Gi": 64} for every zone that has memory, or {zone id: {"1Gi": 64}}.
PagesPerZone: TypeAlias = Mapping[str, int] | Mapping[int, Mapping[str, int]]


def cores(
    socket: int, first: Iterable[int], siblings: Sequence[int] = (), l3: int | None = None
) -> list[dict[str, Any]]:
    """Physical cores, one per CPU id of `first`; `siblings` are the offsets of a core's further threads."""
    return [{"socket": socket, "l3": l3, "threads": [cpu, *(cpu + offset for offset in siblings)]} for cpu in first]


def two_level(zones: int, near: int, far: int, per_socket: int) -> list[list[int]]:
    """A SLIT with 10 on the diagonal, `near` inside a group of `per_socket` zones and `far` between groups."""
    return [
        [10 if a == b else near if a // per_socket == b // per_socket else far for b in range(zones)]
        for a in range(zones)
    ]


def build(
    zone_cores: Mapping[int, list[dict[str, Any]]],
    memory_gib: Mapping[int, float] | float,
    distances: Sequence[Sequence[int]],
    pages: PagesPerZone | None = None,
    sockets: int = 2,
) -> Machine:
    """A machine from its cores per zone id; `distances` has one row per zone in ascending id."""
    numa = []
    for row, (zone, its_cores) in zip(distances, sorted(zone_cores.items()), strict=True):
        gib = memory_gib.get(zone, 0) if isinstance(memory_gib, Mapping) else memory_gib
        numa.append(
            {
                "id": zone,
                "memoryBytes": int(gib * GIB),
                "hugepages": _pages(pages or {}, zone) if gib else {},
                "distances": list(row),
                "cores": its_cores,
            }
        )
    return {"sockets": sockets, "numa": numa}


def _pages(pages: PagesPerZone, zone: int) -> dict[str, int]:
    per_size: dict[str, int] = {}
    for key, value in pages.items():
        if isinstance(value, Mapping):
            if key == zone:
                per_size.update(value)
        else:
            per_size[str(key)] = value
    return per_size


def xeon_6230(pages: PagesPerZone | None = None, memory_gib: float = 384) -> Machine:
    """2S Xeon Gold 6230, SNC off: even CPUs on socket 0, odd ones on socket 1, siblings i and i+40."""
    zones = {k: cores(k, range(k, 40, 2), (40,)) for k in (0, 1)}
    return build(zones, memory_gib, two_level(2, 10, 21, 1), pages)


def telco_18c(pages: PagesPerZone | None = None, memory_gib: float = 192) -> Machine:
    """2S 18 cores, as telco reference profiles have it: 0-17,36-53 and 18-35,54-71."""
    zones = {k: cores(k, range(18 * k, 18 * k + 18), (36,)) for k in (0, 1)}
    return build(zones, memory_gib, two_level(2, 10, 21, 1), pages)


def nro_worker(pages: PagesPerZone | None = None, memory_gib: float = 252) -> Machine:
    """2S 20 cores of the NUMA Resources Operator's documentation; uneven pages on purpose."""
    uneven: PagesPerZone = {0: {"1Gi": 6, "2Mi": 64}, 1: {"1Gi": 1, "2Mi": 128}}
    return xeon_6230(uneven if pages is None else pages, memory_gib)


def lab_worker(pages: PagesPerZone | None = None, memory_gib: float = 188) -> Machine:
    """2S 16 cores, SMT: a common general-purpose worker."""
    zones = {k: cores(k, range(k, 32, 2), (32,)) for k in (0, 1)}
    return build(zones, memory_gib, two_level(2, 10, 21, 1), pages)


def epyc_rome_nps4_smt(pages: PagesPerZone | None = None, memory_gib: float = 60) -> Machine:
    """2S EPYC 64 cores, NPS4, SMT: eight zones of 32 CPUs, 16k..16k+15 and +128; exactly the kubelet's limit of zones.

    A last-level cache serves four cores.
    """
    zones = {
        k: [
            core
            for c in range(0, 16, 4)
            for core in cores(k // 4, range(16 * k + c, 16 * k + c + 4), (128,), 4 * k + c // 4)
        ]
        for k in range(8)
    }
    return build(zones, memory_gib, two_level(8, 12, 32, 4), pages)


def epyc_7742_nps4(pages: PagesPerZone | None = None, memory_gib: float = 30) -> Machine:
    """2S EPYC 7742, NPS4, SMT off: eight zones of 16 CPUs."""
    zones = {k: cores(k // 4, range(16 * k, 16 * k + 16)) for k in range(8)}
    return build(zones, memory_gib, two_level(8, 12, 32, 4), pages)


def xeon_8480_snc4(pages: PagesPerZone | None = None, memory_gib: float = 60) -> Machine:
    """2S Xeon 8480+, SNC4, Hyper-Threading off: eight zones of 14 CPUs."""
    zones = {k: cores(k // 4, range(14 * k, 14 * k + 14)) for k in range(8)}
    return build(zones, memory_gib, two_level(8, 12, 21, 4), pages)


def threadripper_2990wx(pages: PagesPerZone | None = None, memory_gib: float = 64) -> Machine:
    """Threadripper 2990WX: four zones of 16 CPUs, two of which (1 and 3) have no memory."""
    zones = {k: cores(0, range(8 * k, 8 * k + 8), (32,)) for k in range(4)}
    return build(zones, {0: memory_gib, 2: memory_gib}, two_level(4, 16, 16, 4), pages, sockets=1)


def power9(pages: PagesPerZone | None = None, gpu_zones: bool = True) -> Machine:
    """POWER9 with six GPUs: zones 0 and 8 of 88 CPUs (SMT4); the GPUs' memory is CPU-less zones 250..255."""
    zones = {0: cores(0, range(0, 88, 4), (1, 2, 3)), 8: cores(1, range(88, 176, 4), (1, 2, 3))}
    memory = {0: 130.0, 8: 134.0}
    if not gpu_zones:
        return build(zones, memory, two_level(2, 10, 40, 1), pages)
    gpu = range(250, 256)
    own: PagesPerZone = {}
    if pages:
        own = {zone: _pages(pages, zone) for zone in (0, 8)}
    return build(
        zones | {zone: [] for zone in gpu},
        memory | dict.fromkeys(gpu, 15.7),
        [[10, 40, *[80] * 6], [40, 10, *[80] * 6], *([80, 80, *(10 if a == b else 80 for b in gpu)] for a in gpu)],
        own,
    )
