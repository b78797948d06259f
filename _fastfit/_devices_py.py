"""Device Manager on counts, for resources whose devices have zones.

A device on several zones counts in each of them. Which devices of a mask of several zones are given depends in the
kubelet on the order of a Go map; here the lowest zones give first.
Source: Kubernetes 1.33 to 1.37, pkg/kubelet/cm/devicemanager/topology_hints.go and manager.go (devicesToAllocate);
cells_code(): KubeVirt v1.9.0, pkg/virt-launcher/virtwrap/converter (pci-placement.go).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from _fastfit._hints_py import Hints, bits, submasks, subset_sums
from _fastfit.codes import Code
from _fastfit.model import Row

__all__ = ["DeviceAccounting", "allocate", "cells_code", "device_accounting", "device_hints", "empty_device_hints"]


@dataclass(slots=True)
class DeviceAccounting:
    """Devices of one resource while one pod is being admitted. Lists are by zone."""

    total: list[int]
    free: list[int]
    #: devices that the pod's regular init containers leave to later containers
    reuse: list[int]
    #: hints are made of all zones of the node, not only of those with devices (kubelets before 1.36)
    every_zone: bool = False


def device_accounting(row: Row, names: Sequence[str]) -> dict[str, DeviceAccounting]:
    """The accounting of the asked resources that have zones on this node; others constrain nothing."""
    acct = {}
    for name in names:
        total = [zone.device_total.get(name, 0) for zone in row.zones]
        if any(total):
            free = [zone.device_free.get(name, 0) for zone in row.zones]
            acct[name] = DeviceAccounting(total, free, [0] * len(total), row.devices_every_zone)
    return acct


def _hints(acct: DeviceAccounting, free: Sequence[int], count: int) -> Hints:
    hosts = sum(1 << zone for zone, total in enumerate(acct.total) if total)
    held = sum(1 << zone for zone, left in enumerate(acct.reuse) if left)
    known = subset_sums(acct.total)
    available = subset_sums([has + left for has, left in zip(free, acct.reuse, strict=True)])
    width = hosts.bit_count()
    masks = []
    for mask in submasks((1 << len(acct.total)) - 1 if acct.every_zone else hosts):
        if known[mask] >= count:
            width = min(width, mask.bit_count())
        if held & ~mask == 0 and available[mask] >= count:
            masks.append(mask)
    return Hints(tuple(masks), frozenset(mask for mask in masks if mask.bit_count() == width))


def device_hints(acct: DeviceAccounting, count: int) -> Hints:
    """Masks of the zones that have the resource, or of all zones. The preferred width is by all devices, those in use included."""
    return _hints(acct, acct.free, count)


def empty_device_hints(acct: DeviceAccounting, count: int) -> Hints:
    """The same on this node without any pod."""
    empty = DeviceAccounting(acct.total, acct.total, [0] * len(acct.total), acct.every_zone)
    return _hints(empty, acct.total, count)


def allocate(acct: DeviceAccounting, count: int, mask: int | None, regular_init: bool) -> bool:
    """Takes devices: reusable ones, then those of the mask, then others. False where there are too few."""
    if sum(acct.free) + sum(acct.reuse) < count:
        return False
    taken = [0] * len(acct.free)
    zones = bits((1 << len(taken)) - 1)
    aligned = zones if mask is None else [zone for zone in zones if mask >> zone & 1]
    for source, order in ((acct.reuse, zones), (acct.free, aligned), (acct.free, zones)):
        for zone in order:
            got = min(source[zone], count)
            source[zone] -= got
            taken[zone] += got
            count -= got
    if regular_init:
        for zone, got in enumerate(taken):
            acct.reuse[zone] += got
    return True


def cells_code(free: Sequence[int], count: int, mask: int | None, cells: int) -> Code:
    """Whether all of `count` devices come from the zones of the mask `cells`, given what was free by zone.

    The kubelet takes any of the devices in `mask`, then any others. So the code is a refusal where some device must be
    outside of `cells`, and unknown where one may be.
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
