"""Where the devices of a VM that moves would be, seen from its guest cells: for people, never for a verdict.

A device keeps its place if it lies in the zone of the same cell as before, or outside all of them as before. Which zone
a device comes from is certain only where the kubelet has no choice: by the affinity, or by what is free.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from extender.cache.nodes.node import NodeState
from extender.kubelet.results import ContainerPlacement

__all__ = ["DevicePlaces", "moved_devices", "places_of"]

#: Distance of a zone to another where no table is known.
_OUTSIDE = -1


@dataclass(frozen=True, slots=True)
class DevicePlaces:
    """The zones that one resource's devices come from or may come from, and the cell of each (-1: outside)."""

    resource: str
    zones: tuple[int, ...]
    cells: tuple[int, ...]
    #: distance of the farthest of these zones to the nearest zone with a vCPU; None: not known
    distance: int | None

    @property
    def cell(self) -> int | None:
        """The cell where that is certain; None: it is not."""
        return self.cells[0] if len(set(self.cells)) == 1 else None


def places_of(
    state: NodeState, place: ContainerPlacement, vcpu_zones: Sequence[int], *, held: bool
) -> dict[str, DevicePlaces]:
    """The places of the devices that the twin gives a container here. `vcpu_zones`: of cell 0, 1, ...

    `held`: it has them already, so what is free now does not tell from where they came.
    """
    zones = state.row.zones if state.row is not None else ()
    places = {}
    for resource, taken in place.devices.items():
        offers = [z.id for z in zones if (z.device_total if held else z.device_free).get(resource, 0)]
        near = [zone for zone in offers if place.hint is not None and zone in place.hint]
        enough = sum(z.device_free.get(resource, 0) for z in zones if z.id in near) >= sum(taken.values())
        sure = near if near and (held or enough) else offers
        found = tuple(sure or sorted(taken))
        cells = tuple(vcpu_zones.index(zone) if zone in vcpu_zones else _OUTSIDE for zone in found)
        places[resource] = DevicePlaces(resource, found, cells, _distance(state, found, vcpu_zones))
    return places


def moved_devices(
    then: dict[str, DevicePlaces], now: dict[str, DevicePlaces], asked: Sequence[str], vcpu_zones: Sequence[int]
) -> tuple[bool, bool, str]:
    """Whether a device is in another place for certain, whether one may be, and both in words; empty: all stay.

    `then`: before, as far as it is known. `asked`: the resources of the container.
    """
    away, open_, words = False, False, []
    on = ",".join(map(str, vcpu_zones))
    for resource in asked:
        before, after = then.get(resource), now.get(resource)
        known = before.cell if before is not None else None
        if after is None:
            if known is not None:
                open_ = True
                words.append(f"no zone is reported for {resource} here")
            continue
        outside = _OUTSIDE in after.cells
        if known is None and not outside:
            continue
        if known is not None and set(after.cells) == {known}:
            continue
        certain = after.cell is not None
        away, open_ = away or certain, open_ or not certain
        where = (
            f"{resource} {'is' if certain else 'may be'} in zone{'s' if len(after.zones) > 1 else ''} "
            + " or ".join(map(str, after.zones))
        )
        far = f" (distance {after.distance})" if after.distance is not None else ""
        was = (
            ""
            if known is None
            else ", before outside them"
            if known == _OUTSIDE
            else f", before in that of cell {known}"
        )
        words.append(f"{where}{far}, the vCPUs in zone{'s' if len(vcpu_zones) > 1 else ''} {on}{was}")
    return away, open_, "; ".join(words)


def _distance(state: NodeState, zones: Sequence[int], vcpu_zones: Sequence[int]) -> int | None:
    row = state.row
    if row is None or not row.distances:
        return None
    at = {zone.id: position for position, zone in enumerate(row.zones)}
    near = [at[zone] for zone in vcpu_zones if zone in at]
    if not near:
        return None
    return max(min(row.distances[at[zone]][other] for other in near) for zone in zones)
