"""Device Manager: hints and counts of device-plugin resources.

Source: pkg/kubelet/cm/devicemanager/topology_hints.go and manager.go, Kubernetes 1.33 to 1.37. Only counts per zone are
kept. In an affinity of several zones, the plugin or the order of a Go map decides from which zone a device comes. The
model takes the lowest zone: exact for one zone, an assumption for several. Devices of finished init containers are also
reused by zone.

Up to 1.35 hints are made of all zones of the machine, from 1.36 of those that have such a device. The preferred sets are
the same; the others decide where no set is preferred by all managers (best-effort).
"""

from collections.abc import Iterable, Mapping

from extender.kubelet.pod import ContainerDemand, Kind, PodDemand, peak_need
from extender.kubelet.results import Failure, unexpected
from extender.kubelet.topology_manager import IMPOSSIBLE, Affinity, Hints, ResourceHints

__all__ = ["DeviceManager"]

#: Zone position -> devices.
Counts = dict[int, int]


class DeviceManager:
    """Devices with zones. `total`: resource -> zone position -> healthy devices. Other devices never constrain a
    pod. `every_zone`: the positions of the machine's zones where hints are made of all of them (before 1.36); else empty.
    """

    def __init__(self, total: Mapping[str, Mapping[int, int]], every_zone: Iterable[int] = ()) -> None:
        self.total = total
        self._every_zone = tuple(every_zone)
        self.free = {resource: dict(counts) for resource, counts in total.items()}
        #: by pod and container: resource -> zone position -> devices, those reused counted with both containers
        self.held: dict[str, dict[str, dict[str, Counts]]] = {}
        #: by pod: resource -> zone position -> devices, each counted once
        self.owned: dict[str, dict[str, Counts]] = {}
        self._reusable: tuple[str, dict[str, Counts]] = ("", {})

    @property
    def every_zone(self) -> bool:
        """Whether hints are made of all zones of the machine."""
        return bool(self._every_zone)

    def clone(self) -> "DeviceManager":
        """Return an independent copy."""
        copy = DeviceManager(self.total, self._every_zone)
        copy.free = {resource: dict(counts) for resource, counts in self.free.items()}
        copy.held = {
            uid: {name: {r: dict(c) for r, c in taken.items()} for name, taken in pod.items()}
            for uid, pod in self.held.items()
        }
        copy.owned = {uid: {r: dict(c) for r, c in owned.items()} for uid, owned in self.owned.items()}
        copy._reusable = self._reusable[0], {r: dict(c) for r, c in self._reusable[1].items()}
        return copy

    def hints(self, pod: PodDemand, container: ContainerDemand) -> list[ResourceHints]:
        """Return hints for one container."""
        held = self.held.get(pod.uid, {}).get(container.name, {})
        return [self._hints(pod.uid, resource, need, held.get(resource)) for resource, need in container.devices]

    def pod_hints(self, pod: PodDemand) -> list[ResourceHints]:
        """Return hints for the most devices that the pod's containers hold at one time."""
        held = self.owned.get(pod.uid, {})
        needs = peak_need(pod, lambda container: container.devices)
        return [self._hints(pod.uid, resource, need, held.get(resource)) for resource, need in needs.items()]

    def _hints(self, uid: str, resource: str, need: int, held: Counts | None) -> ResourceHints:
        total = self.total.get(resource)
        if not total:
            return ResourceHints(resource, need, 1, None)
        width = min((mask.bit_count() for mask, sum_ in _sums(total) if sum_ >= need), default=len(total))
        reusable: Mapping[int, int] = {} if held is not None else self._reusable_of(uid, resource)
        free = self.free[resource] if held is None else held
        available = sum(free.values()) + sum(reusable.values())
        if (held is not None and available != need) or available < need:
            return ResourceHints(resource, need, width, IMPOSSIBLE)
        must = sum(1 << zone for zone, count in reusable.items() if count)
        usable = {zone: free.get(zone, 0) + reusable.get(zone, 0) for zone in self._every_zone or total}
        fit = tuple(mask for mask, sum_ in _sums(usable) if must & ~mask == 0 and sum_ >= need)
        preferred = frozenset(mask for mask in fit if mask.bit_count() == width)
        return ResourceHints(resource, need, width, Hints(fit, preferred))

    def allocate(self, pod: PodDemand, container: ContainerDemand, affinity: Affinity) -> Failure | None:
        """Allocate the container's devices: reusable ones first, then those in the affinity, then any. Returns the
        failure.
        """
        for resource, need in container.devices:
            if resource not in self.total:
                continue
            taken = self.held.get(pod.uid, {}).get(container.name, {}).get(resource)
            if taken is None:
                reusable = self._reusable_of(pod.uid, resource)
                fresh = self._pick(resource, need - min(need, sum(reusable.values())), affinity.mask)
                if isinstance(fresh, Failure):
                    return fresh
                taken = _first(reusable, need)
                owned = self.owned.setdefault(pod.uid, {}).setdefault(resource, {})
                for zone, count in fresh.items():
                    self.free[resource][zone] -= count
                    owned[zone] = owned.get(zone, 0) + count
                    taken[zone] = taken.get(zone, 0) + count
                self.held.setdefault(pod.uid, {}).setdefault(container.name, {})[resource] = taken
            self._update_reusable(pod.uid, container.kind, resource, taken)
        return None

    def _pick(self, resource: str, need: int, mask: int | None) -> Counts | Failure:
        free = self.free[resource]
        available = sum(free.values())
        if available < need:
            return unexpected(
                f"requested number of devices unavailable for {resource}. Requested: {need}, Available: {available}",
                f"{need} more of {resource} are wanted and {available} are free on the node",
            )
        aligned = {zone: count for zone, count in sorted(free.items()) if mask is None or mask >> zone & 1}
        others = {zone: count for zone, count in sorted(free.items()) if zone not in aligned}
        return _first({**aligned, **others}, need)

    def _reusable_of(self, uid: str, resource: str) -> Counts:
        return self._reusable[1].get(resource, {}) if self._reusable[0] == uid else {}

    def _update_reusable(self, uid: str, kind: Kind, resource: str, taken: Counts) -> None:
        if self._reusable[0] != uid:
            self._reusable = uid, {}
        there = self._reusable[1].setdefault(resource, {})
        for zone, count in taken.items():
            if kind is Kind.INIT:
                there[zone] = max(there.get(zone, 0), count)
            else:
                there[zone] = max(0, there.get(zone, 0) - count)

    def sweep(self, active: Mapping[str, object]) -> None:
        """Free what pods held that are not active."""
        for uid in [uid for uid in self.owned if uid not in active]:
            self.held.pop(uid, None)
            for resource, counts in self.owned.pop(uid).items():
                for zone, count in counts.items():
                    self.free[resource][zone] += count

    def load(self, held: Mapping[str, Mapping[str, Mapping[str, Mapping[int, int]]]]) -> None:
        """Allocate devices of a new manager, by pod, container, resource and zone, as far as there are any."""
        for uid, containers in held.items():
            for name, resources in containers.items():
                for resource, counts in resources.items():
                    free = self.free.get(resource, {})
                    taken = {zone: min(count, free.get(zone, 0)) for zone, count in counts.items()}
                    owned = self.owned.setdefault(uid, {}).setdefault(resource, {})
                    for zone, count in taken.items():
                        owned[zone] = owned.get(zone, 0) + count
                        free[zone] = free.get(zone, 0) - count
                    self.held.setdefault(uid, {}).setdefault(name, {})[resource] = taken

    def shares(self, uid: str) -> dict[str, dict[str, Counts]]:
        """Return what each container of a pod holds, devices reused by a later container only with the later one."""
        left = {resource: dict(counts) for resource, counts in self.owned.get(uid, {}).items()}
        shares: dict[str, dict[str, Counts]] = {}
        for name, resources in reversed(self.held.get(uid, {}).items()):
            for resource, counts in resources.items():
                for zone, count in counts.items():
                    share = min(count, left[resource].get(zone, 0))
                    if share:
                        left[resource][zone] -= share
                        shares.setdefault(name, {}).setdefault(resource, {})[zone] = share
        return shares

    def restart(self) -> None:
        """Keep the allocations of the checkpoint file, forget reuse."""
        self._reusable = ("", {})


def _sums(counts: Mapping[int, int]) -> list[tuple[int, int]]:
    """Return every non-empty set of the zones in `counts`, with its sum."""
    sums = [(0, 0)]
    for zone, count in sorted(counts.items()):
        sums += [(mask | 1 << zone, sum_ + count) for mask, sum_ in sums]
    return sums[1:]


def _first(counts: Mapping[int, int], need: int) -> Counts:
    taken: Counts = {}
    for zone, count in counts.items():
        given = min(need, count)
        if given:
            taken[zone] = given
            need -= given
    return taken
