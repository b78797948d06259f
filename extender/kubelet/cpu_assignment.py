"""Which CPUs the CPU Manager takes from a pool: packed, spread, or aligned to last-level caches.

Source: pkg/kubelet/cm/cpumanager/cpu_assignment.go (takeByTopologyNUMAPacked), Kubernetes 1.33 to 1.37; KEP-3570,
KEP-4176, KEP-4800. Best fit at every level: units with the fewest free CPUs are visited first, then those with the
lowest id. The order of a step is computed when the step starts, and does not change while it takes CPUs. The
distribution across zones is in cpu_distribution.py.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from extender.kubelet.cpu_topology import CpuTopology, Units
from extender.kubelet.cpuset import bits

__all__ = ["TakeError", "not_enough", "take_packed", "zones_by_fit"]


@dataclass(frozen=True, slots=True)
class TakeError:
    """Why no CPUs were taken; the kubelet's message."""

    message: str


def not_enough(requested: int, available: int) -> TakeError:
    """Return the error for a pool that is too small."""
    return TakeError(f"not enough cpus available to satisfy request: requested={requested}, available={available}")


def take_packed(
    topology: CpuTopology,
    pool: int,
    need: int,
    *,
    spread: bool = False,
    align_caches: bool = False,
    odd_rests: bool = True,
) -> int | TakeError:
    """Take `need` CPUs of `pool`: whole zones and sockets first, then caches, cores and single CPUs.

    `spread` (distribute-cpus-across-cores) skips the step of whole cores and takes single CPUs by ascending id.
    `align_caches` (prefer-align-cpus-by-uncorecache) takes whole caches, and a part of one cache for the rest; before
    1.34 (no `odd_rests`) not for a rest that is half a core more than whole cores.
    """
    if need < 1:
        return 0
    if need > pool.bit_count():
        return not_enough(need, pool.bit_count())
    taking = _Taking(topology, pool, need, odd_rests=odd_rests)
    steps = [taking.whole_zones, taking.whole_sockets]
    if not topology.zones_first:
        steps.reverse()
    if align_caches:
        steps.append(taking.caches)
    if not spread:
        steps.append(taking.whole_cores)
    steps.append(taking.spread_cpus if spread else taking.packed_cpus)
    for step in steps:
        step()
        if taking.need < 1:
            return taking.got
    return TakeError("failed to allocate cpus")


def zones_by_fit(topology: CpuTopology, pool: int) -> list[int]:
    """Return the positions of the zones with CPUs in `pool`, in the order in which the kubelet visits them."""
    return _Taking(topology, pool, 0).zones()


def _by_fit(units: Units, free: int, inside: int) -> list[int]:
    """Return the units with free CPUs in `inside`: the fewest free CPUs first, then the lowest id."""
    counted = [((own & free).bit_count(), unit) for unit, own in units.items() if own & free & inside]
    return [unit for _, unit in sorted(counted)]


class _Taking:
    """One request in progress (the kubelet's cpuAccumulator): what is free, taken, and still needed."""

    def __init__(self, topology: CpuTopology, pool: int, need: int, *, odd_rests: bool = True) -> None:
        self.topology = topology
        self._odd_rests = odd_rests
        self.free = pool
        self.need = need
        self.got = 0

    def _take(self, cpus: int) -> None:
        self.got |= cpus
        self.free &= ~cpus
        self.need -= cpus.bit_count()

    def _take_units(self, units: Iterable[int]) -> None:
        for cpus in units:
            if self.need < 1:
                return
            if self.need >= cpus.bit_count():
                self._take(cpus)

    def zones(self) -> list[int]:
        """Return the zones with free CPUs; inside each socket in turn where sockets are the outer level."""
        topology = self.topology
        if topology.zones_first:
            return _by_fit(topology.zones, self.free, topology.all)
        inner = topology.zones_of_socket
        return [z for s in self._sockets() for z in _by_fit(inner[s], self.free, topology.sockets[s])]

    def _sockets(self) -> list[int]:
        topology = self.topology
        if not topology.zones_first:
            return _by_fit(topology.sockets, self.free, topology.all)
        inner = topology.sockets_of_zone
        return [s for z in self.zones() for s in _by_fit(inner[z], self.free, topology.zones[z])]

    def _outer_units(self) -> list[tuple[Units, int]]:
        """Return the units that cores are visited in, each as its cores and its CPUs."""
        topology = self.topology
        if topology.zones_first:
            return [(topology.cores_of_socket[unit], topology.sockets[unit]) for unit in self._sockets()]
        return [(topology.cores_of_zone[unit], topology.zones[unit]) for unit in self.zones()]

    def _caches(self) -> list[int]:
        topology = self.topology
        inner, outer = topology.caches_of_zone, topology.zones
        return [cache for z in self.zones() for cache in _by_fit(inner[z], self.free, outer[z])]

    def whole_zones(self) -> None:
        """Take zones of which every CPU is free."""
        units = [self.topology.zones[zone] for zone in self.zones()]
        self._take_units([own for own in units if own & self.free == own])

    def whole_sockets(self) -> None:
        """Take sockets with as many free CPUs as sockets have on average."""
        size = self.topology.cpus_per_socket
        units = [self.topology.sockets[socket] for socket in self._sockets()]
        self._take_units([own for own in units if (own & self.free).bit_count() == size])

    def whole_cores(self) -> None:
        """Take cores with as many free CPUs as cores have on average."""
        size = self.topology.cpus_per_core
        free = self.free
        # Equally free cores are visited by id, which is the order of `cores`.
        cores = ((own, inside) for cores, inside in self._outer_units() for own in cores.values())
        self._take_units(own for own, inside in cores if own & free & inside and (own & free).bit_count() == size)

    def packed_cpus(self) -> None:
        """Take single CPUs, core by core; cores with the fewest free CPUs go first."""
        free = self.free
        cores = (cores[core] for cores, inside in self._outer_units() for core in _by_fit(cores, free, inside))
        self._take_singly(cpu for own in cores for cpu in bits(own & free))

    def spread_cpus(self) -> None:
        """Take single CPUs by ascending id, socket by socket."""
        free = self.free
        self._take_singly(cpu for s in self._sockets() for cpu in bits(self.topology.sockets[s] & free))

    def _take_singly(self, cpus: Iterable[int]) -> None:
        for cpu in islice(cpus, self.need):
            self._take(1 << cpu)

    def caches(self) -> None:
        """Take whole free caches while they fit; then the first cache that holds exactly the rest (KEP-4800)."""
        for cache in self._caches():
            if self.need >= self.topology.cpus_per_cache:
                units = [self.topology.caches[unit] for unit in self._caches()]
                self._take_units([own for own in units if own & self.free == own])
            if self.need < 1:
                return
            self._part_of_cache(self.topology.caches[cache])
            if self.need < 1:
                return

    def _part_of_cache(self, cache: int) -> None:
        threads = self.topology.cpus_per_core
        here = self.free & cache
        present = [own for own in self.topology.cores.values() if own & here]
        cpus = 0
        count = -(-self.need // threads) if self._odd_rests else self.need // threads
        for own in present[:count]:
            cpus |= own & self.free
        if self._odd_rests and self.need % 2 and threads > 1 and cpus.bit_count() > self.need:
            cpus &= ~(1 << (cpus.bit_length() - 1))
        if cpus.bit_count() == self.need:
            self._take(cpus)
