"""The boundary of the table: every row that it keeps has its amounts within bounds. Later loops check nothing."""

from collections.abc import Mapping
from dataclasses import replace

from _fastfit.codes import FIRST_REFUSAL, Code
from _fastfit.model import MAX_NAME, MAX_ZONES, Row, ZoneRow

__all__ = ["within_bounds"]

#: Largest amounts of a zone; sums over MAX_ZONES zones stay far from 64 bits.
_MAX_BYTES = 1 << 52
_MAX_CPUS = 1 << 16
_MAX_DISTANCE = 1 << 16


def _amounts_in_bounds(amounts: Mapping[str, int] | None, top: int) -> bool:
    return not amounts or (min(amounts.values()) >= 0 and max(amounts.values()) <= top)


def _zone_in_bounds(zone: ZoneRow, threads: int, everything: int) -> bool:
    """Tell whether a zone may stay as it is, as nearly every one."""
    return (
        0 <= zone.cpu_free <= zone.cpu_total <= _MAX_CPUS
        and 0 <= zone.cpu_reserved <= zone.cpu_total
        and 0 <= zone.cores_free <= zone.cpu_free // threads
        and 0 <= zone.blocks <= _MAX_CPUS
        and zone.group & ~everything == 0
        and _amounts_in_bounds(zone.memory_allocatable, _MAX_BYTES)
        and _amounts_in_bounds(zone.memory_free, _MAX_BYTES)
        and _amounts_in_bounds(zone.pages_free, _MAX_BYTES)
        and _amounts_in_bounds(zone.pages_most, _MAX_BYTES)
        and _amounts_in_bounds(zone.device_total, _MAX_CPUS)
        and all(0 <= free <= zone.device_total.get(name, 0) for name, free in zone.device_free.items())
    )


def _clamped_amounts(amounts: Mapping[str, int], top: int) -> dict[str, int]:
    return {name: min(max(amount, 0), top) for name, amount in amounts.items()}


def _clamped_zone(zone: ZoneRow, threads: int, everything: int) -> ZoneRow:
    if _zone_in_bounds(zone, threads, everything):
        return zone
    total = min(max(zone.cpu_total, 0), _MAX_CPUS)
    free = min(max(zone.cpu_free, 0), total)
    return replace(
        zone,
        cpu_total=total,
        cpu_free=free,
        cpu_reserved=min(max(zone.cpu_reserved, 0), total),
        cores_free=min(max(zone.cores_free, 0), free // threads),
        memory_allocatable=_clamped_amounts(zone.memory_allocatable, _MAX_BYTES),
        memory_free=_clamped_amounts(zone.memory_free, _MAX_BYTES),
        blocks=min(max(zone.blocks, 0), _MAX_CPUS),
        group=zone.group & everything,
        pages_free=None if zone.pages_free is None else _clamped_amounts(zone.pages_free, _MAX_BYTES),
        pages_most=None if zone.pages_most is None else _clamped_amounts(zone.pages_most, _MAX_BYTES),
        device_total=(devices := _clamped_amounts(zone.device_total, _MAX_CPUS)),
        device_free={name: min(max(free, 0), devices.get(name, 0)) for name, free in zone.device_free.items()},
    )


def _row_in_bounds(row: Row, threads: int) -> bool:
    zones = len(row.zones)
    everything = (1 << zones) - 1
    return (
        row.node_code is Code.Fits
        and zones <= MAX_ZONES
        and row.threads_per_core == threads
        and 0 <= row.physical_free <= _MAX_CPUS * MAX_ZONES
        and _amounts_in_bounds(row.pages_together, _MAX_BYTES * MAX_ZONES)
        and len(row.distances) in {0, zones}
        and all(len(line) == zones and 0 <= min(line) <= max(line) <= _MAX_DISTANCE for line in row.distances)
        and all(_zone_in_bounds(zone, threads, everything) for zone in row.zones)
    )


def within_bounds(row: Row) -> Row:
    """The row with each amount clamped to its bounds (an overdrawn zone has nothing free).

    Raises ValueError for a distance table that is not zones x zones, and for a name that is empty or longer than a
    node's can be. Zones that decide no verdict are dropped or left as they are.
    """
    if not 0 < len(row.name.encode()) <= MAX_NAME:
        raise ValueError(f"row {row.name[:40]!r}: a node name has 1 to {MAX_NAME} bytes")
    zones = len(row.zones)
    threads = min(max(row.threads_per_core, 1), _MAX_CPUS)
    if _row_in_bounds(row, threads):
        return row
    row = replace(
        row,
        threads_per_core=threads,
        page_sizes=frozenset(row.page_sizes),
        physical_free=min(max(row.physical_free, 0), _MAX_CPUS * MAX_ZONES),
        pages_together=_clamped_amounts(row.pages_together, _MAX_BYTES * MAX_ZONES),
    )
    if row.node_code >= FIRST_REFUSAL:
        return replace(row, zones=(), distances=())
    if zones > MAX_ZONES:
        return replace(row, distances=())
    if row.node_code is not Code.Fits:
        # Its zones only rank it.
        row = replace(row, distances=())
    if row.distances and (len(row.distances) != zones or any(len(line) != zones for line in row.distances)):
        raise ValueError(f"row {row.name}: distances are not {zones} x {zones}")
    everything = (1 << zones) - 1
    return replace(
        row,
        zones=tuple(_clamped_zone(zone, threads, everything) for zone in row.zones),
        distances=tuple(
            line
            if 0 <= min(line) <= max(line) <= _MAX_DISTANCE
            else tuple(min(max(far, 0), _MAX_DISTANCE) for far in line)
            for line in row.distances
        ),
    )
