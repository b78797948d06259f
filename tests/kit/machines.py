"""The catalogue of real machines for tests: SHAPES maps an id (H1..H30) to a builder of a golden-format machine.

Ids, zones, numbering and distances are those of hwloc's corpus, vendor manuals and issue reports; where a source gives
no memory size, a common one stands in. `parse` turns the JSON form into the records of `extender.kubelet`.
"""

from collections.abc import Callable, Mapping

from extender.kubelet.model import Core, Zone
from extender.kubelet.model import Machine as MachineRecord
from extender.sample.machines import (
    GIB,
    Machine,
    PagesPerZone,
    build,
    cores,
    epyc_7742_nps4,
    epyc_rome_nps4_smt,
    lab_worker,
    nro_worker,
    power9,
    telco_18c,
    threadripper_2990wx,
    two_level,
    xeon_6230,
    xeon_8480_snc4,
)

__all__ = ["GIB", "SHAPES", "Builder", "build", "cores", "parse", "two_level"]

Builder = Callable[[PagesPerZone | None], Machine]


def parse(machine: Machine) -> MachineRecord:
    """The golden-format `machine` as the kubelet model's record."""
    zones = tuple(
        Zone(
            id=zone["id"],
            memory_bytes=zone["memoryBytes"],
            hugepages=zone["hugepages"],
            distances=tuple(zone["distances"]),
            cores=tuple(Core(core["socket"], core["l3"], tuple(core["threads"])) for core in zone["cores"]),
        )
        for zone in machine["numa"]
    )
    return MachineRecord(sockets=machine["sockets"], zones=zones)


def _blocks(
    count: int,
    size: int,
    memory_gib: float,
    distances: list[list[int]],
    *,
    sibling: int = 0,
    sockets: int = 2,
    ids: tuple[int, ...] = (),
) -> Builder:
    """Zones of `size` consecutive first threads each, in ascending id, sibling at +`sibling` (0: no SMT)."""

    def shape(pages: PagesPerZone | None = None) -> Machine:
        names = ids or tuple(range(count))
        offsets = (sibling,) if sibling else ()
        zones = {names[k]: cores(k * sockets // count, range(size * k, size * k + size), offsets) for k in range(count)}
        return build(zones, memory_gib, distances, pages, sockets)

    return shape


def _interleaved(
    count: int,
    cpus: int,
    memory_gib: float,
    distances: list[list[int]],
    *,
    sibling: int = 0,
    socket_of: Callable[[int], int] = lambda zone: zone,
    sockets: int = 2,
) -> Builder:
    """Zone k holds CPUs k, k+count, .. of the first `cpus` threads, sibling at +`sibling` (0: no SMT)."""

    def shape(pages: PagesPerZone | None = None) -> Machine:
        offsets = (sibling,) if sibling else ()
        zones = {k: cores(socket_of(k), range(k, cpus, count), offsets) for k in range(count)}
        return build(zones, memory_gib, distances, pages, sockets)

    return shape


def _xeon_max_hbm(pages: PagesPerZone | None = None) -> Machine:
    """2S Xeon Max, SNC4 flat: eight zones of 24 CPUs with DDR, eight CPU-less ones of HBM."""
    zones = {k: cores(k // 4, range(12 * k, 12 * k + 12), (96,)) for k in range(8)}
    distances = two_level(16, 12, 21, 4)
    for ddr in range(8):
        for hbm in range(8, 16):
            distances[ddr][hbm] = distances[hbm][ddr] = 13 if hbm == ddr + 8 else 14 if hbm // 4 - 2 == ddr // 4 else 23
    memory: Mapping[int, float] = dict.fromkeys(range(8), 64.0) | dict.fromkeys(range(8, 16), 16.0)
    return build(zones | {k: [] for k in range(8, 16)}, memory, distances, pages)


def _grace_hopper(pages: PagesPerZone | None = None) -> Machine:
    """GH200: one zone with 72 CPUs, one CPU-less zone of GPU memory, seven zones with nothing at all."""
    far = [[10 if a == b else 80 if {a, b} <= {0, 1} else 255 for b in range(9)] for a in range(9)]
    return build({0: cores(0, range(72)), **{k: [] for k in range(1, 9)}}, {0: 490, 1: 97}, far, pages, sockets=1)


def _opteron_6272(pages: PagesPerZone | None = None) -> Machine:
    """4S Opteron 6272: eight zones whose CPU ranges do not ascend with the zone id."""
    order = (0, 1, 6, 7, 2, 3, 4, 5)
    distances = [
        [10, 16, 16, 22, 16, 22, 16, 22],
        [16, 10, 22, 16, 16, 22, 22, 16],
        [16, 22, 10, 16, 16, 16, 16, 16],
        [22, 16, 16, 10, 16, 16, 22, 22],
        [16, 16, 16, 16, 10, 16, 16, 22],
        [22, 22, 16, 16, 16, 10, 22, 16],
        [16, 22, 16, 22, 16, 22, 10, 16],
        [22, 16, 16, 22, 22, 16, 16, 10],
    ]
    zones = {zone: cores(zone // 2, range(8 * k, 8 * k + 8)) for k, zone in enumerate(order)}
    return build(zones, 15.7, distances, pages, sockets=4)


def _opteron_sparse(pages: PagesPerZone | None = None) -> Machine:
    """8-die Opteron with patched zone ids: sparse, six CPUs each, memory of two sizes in turn."""
    ids = (0, 1, 2, 33, 34, 45, 72, 73)
    zones = {zone: cores(k // 2, range(6 * k, 6 * k + 6)) for k, zone in enumerate(ids)}
    memory = {zone: 7.8 if k % 2 == 0 else 15.7 for k, zone in enumerate(ids)}
    return build(zones, memory, two_level(8, 16, 22, 2), pages, sockets=4)


def _zone_zero_offline(pages: PagesPerZone | None = None) -> Machine:
    """A two-zone box whose zone 0 and its CPUs are offline: the only zone has id 1."""
    return build({1: cores(0, range(1, 16, 2))}, 32, [[10]], pages, sockets=1)


_SNC2 = [[10, 21, 11, 21], [21, 10, 21, 11], [11, 21, 10, 21], [21, 11, 21, 10]]
_KUNPENG = [[10, 16, 32, 33], [16, 10, 25, 32], [32, 25, 10, 16], [33, 32, 16, 10]]
_XEON_8S = [
    [10, 21, 21, 31, 21, 31, 31, 31],
    [21, 10, 31, 21, 31, 21, 31, 31],
    [21, 31, 10, 21, 31, 31, 21, 31],
    [31, 21, 21, 10, 31, 31, 31, 21],
    [21, 31, 31, 31, 10, 21, 31, 21],
    [31, 21, 31, 31, 21, 10, 21, 31],
    [31, 31, 21, 31, 31, 21, 10, 21],
    [31, 31, 31, 21, 21, 31, 21, 10],
]
_UV = [
    [10 if a == b else 50 if a // 2 == b // 2 else 65 if a // 8 == b // 8 else 79 for b in range(24)] for a in range(24)
]

SHAPES: dict[str, Builder] = {
    "H1": xeon_6230,
    "H2": _interleaved(4, 40, 199, _SNC2, sibling=40, socket_of=lambda zone: zone % 2),
    "H3": _interleaved(2, 36, 192, two_level(2, 10, 21, 1), sibling=36),
    "H4": _interleaved(2, 28, 62, two_level(2, 10, 21, 1), sibling=28),
    "H5": telco_18c,
    "H6": nro_worker,
    "H7": epyc_rome_nps4_smt,
    "H8": epyc_7742_nps4,
    "H9": _blocks(8, 6, 60, two_level(8, 12, 32, 4), sibling=48),
    "H10": _blocks(8, 2, 16, two_level(8, 16, 32, 4), sibling=16),
    "H11": _blocks(8, 24, 90, two_level(8, 12, 32, 4), sibling=192),
    "H12": _blocks(4, 48, 193, two_level(4, 12, 32, 2), sibling=192),
    "H13": _blocks(2, 32, 773, two_level(2, 10, 32, 1)),
    "H14": threadripper_2990wx,
    "H15": xeon_8480_snc4,
    "H16": _xeon_max_hbm,
    "H17": _blocks(2, 48, 384, two_level(2, 10, 21, 1), sibling=96),
    "H18": _blocks(2, 80, 256, two_level(2, 10, 20, 1)),
    "H19": _blocks(4, 32, 122, _KUNPENG),
    "H20": _grace_hopper,
    "H22": power9,
    "H23": _interleaved(4, 40, 125, two_level(4, 20, 20, 4), sockets=4),
    "H24": _blocks(4, 24, 123, two_level(4, 26, 26, 4), sockets=4),
    "H25": _blocks(8, 24, 96, _XEON_8S, sibling=192, sockets=8),
    "H26": _blocks(24, 8, 31, _UV, sibling=192, sockets=24),
    "H27": _opteron_6272,
    "H28": _opteron_sparse,
    "H29": lab_worker,
    "H30": _zone_zero_offline,
}
