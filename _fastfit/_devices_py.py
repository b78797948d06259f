"""Device Manager on counts, for resources whose devices have zones.

A device on several zones counts in each of them here. Which devices of a mask of several zones are given is not
determined by the kubelet either (map order); the lowest zones are assumed to give first.
Source: devicemanager/topology_hints.go, manager.go (devicesToAllocate).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from _fastfit._hints_py import Hints, bits, submasks, subset_sums
from _fastfit.codes import Code
from _fastfit.model import Row

__all__ = ["DeviceBooks", "allocate", "cells_code", "device_books", "device_hints", "empty_device_hints"]


@dataclass(slots=True)
class DeviceBooks:
    """Devices of one resource while one pod is being admitted. Lists are by zone."""

    total: list[int]
    free: list[int]
    #: devices that the pod's regular init containers leave to later containers
    reuse: list[int]


def device_books(row: Row, names: Sequence[str]) -> dict[str, DeviceBooks]:
    """The books of the asked resources that have zones on this node; others constrain nothing."""
    books = {}
    for name in names:
        total = [zone.device_total.get(name, 0) for zone in row.zones]
        if any(total):
            free = [zone.device_free.get(name, 0) for zone in row.zones]
            books[name] = DeviceBooks(total, free, [0] * len(total))
    return books


def _hints(books: DeviceBooks, free: Sequence[int], count: int) -> Hints:
    hosts = sum(1 << zone for zone, total in enumerate(books.total) if total)
    held = sum(1 << zone for zone, left in enumerate(books.reuse) if left)
    known = subset_sums(books.total)
    available = subset_sums([has + left for has, left in zip(free, books.reuse, strict=True)])
    width = hosts.bit_count()
    masks = []
    for mask in submasks(hosts):
        if known[mask] >= count:
            width = min(width, mask.bit_count())
        if held & ~mask == 0 and available[mask] >= count:
            masks.append(mask)
    return Hints(tuple(masks), frozenset(mask for mask in masks if mask.bit_count() == width))


def device_hints(books: DeviceBooks, count: int) -> Hints:
    """Masks of the zones that host the resource; narrowest by all devices, those in use included."""
    return _hints(books, books.free, count)


def empty_device_hints(books: DeviceBooks, count: int) -> Hints:
    """The same on this node without any pod."""
    return _hints(DeviceBooks(books.total, books.total, [0] * len(books.total)), books.total, count)


def allocate(books: DeviceBooks, count: int, mask: int | None, regular_init: bool) -> bool:
    """Takes devices: reusable ones, then those of the mask, then others. False where there are too few."""
    if sum(books.free) + sum(books.reuse) < count:
        return False
    taken = [0] * len(books.free)
    zones = bits((1 << len(taken)) - 1)
    aligned = zones if mask is None else [zone for zone in zones if mask >> zone & 1]
    for source, order in ((books.reuse, zones), (books.free, aligned), (books.free, zones)):
        for zone in order:
            got = min(source[zone], count)
            source[zone] -= got
            taken[zone] += got
            count -= got
    if regular_init:
        for zone, got in enumerate(taken):
            books.reuse[zone] += got
    return True


def cells_code(free: Sequence[int], count: int, mask: int | None, cells: int) -> Code:
    """Whether `count` devices of what was free come from the zones of the mask `cells` only.

    The kubelet takes any of the devices in `mask`, then any others, so often only both bounds can be told: refused where
    some device must lie outside, unknown where one may.
    """
    zones = range(len(free))
    aligned = [zone for zone in zones if mask is None or mask >> zone & 1]
    others = [zone for zone in zones if zone not in aligned]
    missing, sure = count, True
    for group in (aligned, others):
        held = sum(free[zone] for zone in group)
        inside = sum(free[zone] for zone in group if cells >> zone & 1)
        if min(missing, held) > inside:
            return Code.DeviceOutsideCells
        sure = sure and (inside == held or not missing)
        missing -= min(missing, held)
    return Code.Fits if sure else Code.DeviceZoneOpen
