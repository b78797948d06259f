"""The boundary of the table: a row as every later loop may trust it."""

from collections.abc import Mapping
from dataclasses import replace

from _fastfit.codes import Code
from _fastfit.model import MAX_ZONES, Row, ZoneRow

__all__ = ["MAX_BYTES", "MAX_CPUS", "MAX_DISTANCE", "trusted"]

#: Most that a zone can have; sums over MAX_ZONES zones stay far from 64 bits.
MAX_BYTES = 1 << 52
MAX_CPUS = 1 << 16
MAX_DISTANCE = 1 << 16


def _within(amounts: Mapping[str, int] | None, top: int) -> bool:
    return not amounts or (min(amounts.values()) >= 0 and max(amounts.values()) <= top)


def _sound(zone: ZoneRow, threads: int, everything: int) -> bool:
    """Tell whether a zone needs no mending, as nearly every one."""
    return (
        0 <= zone.cpu_free <= zone.cpu_total <= MAX_CPUS
        and 0 <= zone.cpu_reserved <= zone.cpu_total
        and 0 <= zone.cores_free <= zone.cpu_free // threads
        and 0 <= zone.blocks <= MAX_CPUS
        and zone.group & ~everything == 0
        and _within(zone.memory_allocatable, MAX_BYTES)
        and _within(zone.memory_free, MAX_BYTES)
        and _within(zone.pages_free, MAX_BYTES)
        and _within(zone.device_total, MAX_CPUS)
        and all(0 <= free <= zone.device_total.get(name, 0) for name, free in zone.device_free.items())
    )


def _amounts(amounts: Mapping[str, int], top: int) -> dict[str, int]:
    return {name: min(max(amount, 0), top) for name, amount in amounts.items()}


def _zone(zone: ZoneRow, threads: int, everything: int) -> ZoneRow:
    if _sound(zone, threads, everything):
        return zone
    total = min(max(zone.cpu_total, 0), MAX_CPUS)
    free = min(max(zone.cpu_free, 0), total)
    return replace(
        zone,
        cpu_total=total,
        cpu_free=free,
        cpu_reserved=min(max(zone.cpu_reserved, 0), total),
        cores_free=min(max(zone.cores_free, 0), free // threads),
        memory_allocatable=_amounts(zone.memory_allocatable, MAX_BYTES),
        memory_free=_amounts(zone.memory_free, MAX_BYTES),
        blocks=min(max(zone.blocks, 0), MAX_CPUS),
        group=zone.group & everything,
        pages_free=None if zone.pages_free is None else _amounts(zone.pages_free, MAX_BYTES),
        device_total=(devices := _amounts(zone.device_total, MAX_CPUS)),
        device_free={name: min(max(free, 0), devices.get(name, 0)) for name, free in zone.device_free.items()},
    )


def _needs_no_mending(row: Row, threads: int) -> bool:
    zones = len(row.zones)
    everything = (1 << zones) - 1
    return (
        row.node_code is Code.Fits
        and zones <= MAX_ZONES
        and row.threads_per_core == threads
        and 0 <= row.physical_free <= MAX_CPUS * MAX_ZONES
        and len(row.distances) in {0, zones}
        and all(len(line) == zones and 0 <= min(line) <= max(line) <= MAX_DISTANCE for line in row.distances)
        and all(_sound(zone, threads, everything) for zone in row.zones)
    )


def trusted(row: Row) -> Row:
    """The row with its amounts inside the bounds (an overdrawn zone has nothing free).

    Raises ValueError for what no amount can mend: a distance table that is not zones x zones, a name that is empty
    or longer than a node's can be. Zones that no verdict will look at are dropped or left as they are.
    """
    if not 0 < len(row.name.encode()) <= 253:
        raise ValueError(f"row {row.name[:40]!r}: a node name has 1 to 253 bytes")
    zones = len(row.zones)
    threads = min(max(row.threads_per_core, 1), MAX_CPUS)
    if _needs_no_mending(row, threads):
        return row
    row = replace(
        row,
        threads_per_core=threads,
        page_sizes=frozenset(row.page_sizes),
        physical_free=min(max(row.physical_free, 0), MAX_CPUS * MAX_ZONES),
    )
    if row.node_code is not Code.Fits:
        return replace(row, zones=(), distances=())
    if zones > MAX_ZONES:
        return replace(row, distances=())
    if row.distances and (len(row.distances) != zones or any(len(line) != zones for line in row.distances)):
        raise ValueError(f"row {row.name}: distances are not {zones} x {zones}")
    everything = (1 << zones) - 1
    return replace(
        row,
        zones=tuple(_zone(zone, threads, everything) for zone in row.zones),
        distances=tuple(
            line
            if 0 <= min(line) <= max(line) <= MAX_DISTANCE
            else tuple(min(max(far, 0), MAX_DISTANCE) for far in line)
            for line in row.distances
        ),
    )
