"""The CPUs of a machine as the CPU Manager sees them: zones, sockets, cores, caches.

Source: pkg/kubelet/cm/cpumanager/topology/topology.go, Kubernetes 1.33 to 1.37.
"""

from collections.abc import Mapping

from extender.bounded import BoundedDict
from extender.kubelet.cpuset import from_ids
from extender.kubelet.model import Machine

__all__ = ["CpuTopology", "Units", "shared_topology"]

#: Units of one kind: id -> its CPUs.
Units = Mapping[int, int]


class CpuTopology:
    """Sets of CPUs (cpuset.py) by zone position, socket id, core id and last-level cache id. Immutable.

    A core's id is its lowest CPU. `cpus_per_core` and the like are averages over the whole machine, rounded down, as in
    the kubelet. On machines with unequal cores they are wrong here as they are there.
    """

    def __init__(self, machine: Machine) -> None:
        zones: dict[int, int] = {}
        sockets: dict[int, int] = {}
        caches: dict[int, int] = {}
        cores: dict[int, int] = {}
        for position, zone in enumerate(machine.zones):
            for core in zone.cores:
                cpus = from_ids(core.threads)
                cores[min(core.threads)] = cpus
                zones[position] = zones.get(position, 0) | cpus
                sockets[core.socket] = sockets.get(core.socket, 0) | cpus
                # A core without a known cache shares the cache of its socket.
                cache = core.socket if core.l3 is None else core.l3
                caches[cache] = caches.get(cache, 0) | cpus
        self.all = from_ids(cpu for zone in machine.zones for core in zone.cores for cpu in core.threads)
        #: Zones with CPUs only.
        self.zones: Units = zones
        self.sockets: Units = dict(sorted(sockets.items()))
        self.cores: Units = dict(sorted(cores.items()))
        self.caches: Units = dict(sorted(caches.items()))
        self.socket_count = machine.sockets
        count = self.all.bit_count()
        self.cpus_per_core = max(1, count // max(1, len(cores)))
        self.cpus_per_socket = count // machine.sockets
        self.cpus_per_cache = count // max(1, len(caches))
        #: At most one zone per socket: zones are the outer level.
        self.zones_first = machine.sockets >= len(zones)
        self.zone_mask = from_ids(zones)
        self.cores_of_zone = {position: _inside(self.cores, cpus) for position, cpus in zones.items()}
        self.cores_of_socket = {socket: _inside(self.cores, cpus) for socket, cpus in sockets.items()}
        self.zones_of_socket = {socket: _inside(zones, cpus) for socket, cpus in sockets.items()}
        self.sockets_of_zone = {position: _inside(self.sockets, cpus) for position, cpus in zones.items()}
        self.caches_of_zone = {position: _inside(self.caches, cpus) for position, cpus in zones.items()}
        self.zones_per_socket = len(zones) // machine.sockets
        self._step = _step(cores)
        self._first = from_ids(cores)
        #: Some core or socket differs from the average.
        self.uneven = len(_sizes(cores)) > 1 or len(_sizes(sockets)) > 1
        #: Some zone has CPUs of several sockets, or cores are unequal: CPU counts do not decide what a zone gives.
        self.cut_zones = len(_sizes(cores)) > 1 or any(len(own) > 1 for own in self.sockets_of_zone.values())

    def free_cores(self, position: int, available: int) -> int:
        """Return how many cores of a zone have all of their CPUs in `available`."""
        own = self.zones.get(position, 0) & available
        if self._step:
            return (own & own >> self._step & self._first).bit_count()
        return sum(1 for core in self.cores_of_zone.get(position, {}).values() if core & own == core)

    def per_zone(self, cpus: int) -> dict[int, int]:
        """Return zone position -> how many of `cpus` it has."""
        return {position: (cpus & own).bit_count() for position, own in self.zones.items()}

    def zones_of(self, cpus: int) -> int:
        """Return the mask of the zones that have some of `cpus`."""
        return from_ids(position for position, own in self.zones.items() if own & cpus)

    def cpus_in(self, zone_mask: int) -> int:
        """Return all CPUs of the zones in `zone_mask`."""
        cpus = 0
        for position, own in self.zones.items():
            if zone_mask >> position & 1:
                cpus |= own
        return cpus

    def sockets_in(self, zone_mask: int) -> frozenset[int]:
        """Return the ids of the sockets that the zones of `zone_mask` touch."""
        cpus = self.cpus_in(zone_mask)
        return frozenset(socket for socket, own in self.sockets.items() if own & cpus)

    def siblings(self, cpus: int) -> int:
        """Return `cpus` and every CPU that shares a core with one of them."""
        together = 0
        for own in self.cores.values():
            if own & cpus:
                together |= own
        return together


#: By identity of the machine. The machine is kept too, so that its id() cannot become another object's.
_SHARED: BoundedDict[int, tuple[Machine, CpuTopology]] = BoundedDict(512)


def shared_topology(machine: Machine) -> CpuTopology:
    """Return the topology of `machine`, made once for all nodes that share the record (hardware of one model)."""
    known = _SHARED.get(id(machine))
    if known is not None:
        return known[1]
    topology = CpuTopology(machine)
    _SHARED[id(machine)] = machine, topology
    return topology


def _step(cores: Units) -> int:
    """The distance of the two CPUs of every core; 0 where cores are not all pairs of one distance."""
    steps = {core.bit_length() - (core & -core).bit_length() if core.bit_count() == 2 else 0 for core in cores.values()}
    return steps.pop() if len(steps) == 1 else 0


def _sizes(units: Units) -> set[int]:
    return {own.bit_count() for own in units.values()}


def _inside(units: Units, cpus: int) -> Units:
    return {unit: own for unit, own in units.items() if own & cpus}
