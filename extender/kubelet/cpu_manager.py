"""CPU Manager: which containers get exclusive CPUs, its hints, and allocation.

Source: pkg/kubelet/cm/cpumanager/policy_static.go and policy_options.go, Kubernetes 1.33 to 1.37; KEP-3570. Which CPUs
of a pool are taken is decided in cpu_assignment.py and cpu_distribution.py.
"""

from collections.abc import Mapping

from extender.kubelet.cpu_assignment import TakeError, take_packed
from extender.kubelet.cpu_distribution import take_distributed
from extender.kubelet.cpu_topology import CpuTopology
from extender.kubelet.cpuset import format_cpus, from_ids
from extender.kubelet.model import CannotStart, KubeletConfig
from extender.kubelet.pod import ContainerDemand, Kind, PodDemand
from extender.kubelet.results import SMT, Failure, unexpected
from extender.kubelet.topology_manager import IMPOSSIBLE, Affinity, Hints, ResourceHints, parse_bool

__all__ = ["CPU_OPTIONS", "CPU_POLICIES", "CpuManager"]

_FULL_CORES = "full-pcpus-only"
_ACROSS_ZONES = "distribute-cpus-across-numa"
_ACROSS_CORES = "distribute-cpus-across-cores"
_BY_SOCKET = "align-by-socket"
_BY_CACHE = "prefer-align-cpus-by-uncorecache"
_STRICT = "strict-cpu-reservation"
CPU_POLICIES = ("none", "static")
CPU_OPTIONS = (_FULL_CORES, _ACROSS_ZONES, _ACROSS_CORES, _BY_SOCKET, _BY_CACHE, _STRICT)
#: Pairs with which the kubelet does not start (policy_options.go).
_EXCLUSIVE = (
    (_FULL_CORES, _ACROSS_CORES),
    (_ACROSS_ZONES, _ACROSS_CORES),
    (_BY_CACHE, _ACROSS_CORES),
    (_BY_CACHE, _ACROSS_ZONES),
)


class CpuManager:
    """The state of one CPU Manager. Raises CannotStart where the kubelet would not start.

    `shared` is the shared pool (the state file's defaultCpuSet). `shared` without `reserved` can be allocated, with and
    without strict-cpu-reservation: that option only keeps containers of the shared pool off the reserved CPUs.
    """

    def __init__(self, topology: CpuTopology, config: KubeletConfig, version: str) -> None:
        self.topology = topology
        self.version = version
        self.static = config.cpu_manager_policy == "static"
        self.options = _options(topology, config)
        self.by_socket = _BY_SOCKET in self.options
        self.reserved = self._reserve(config) if self.static else 0
        self._reserved_cores = topology.siblings(self.reserved)
        self._base = topology.all & ~self.reserved if _STRICT in self.options else topology.all
        self.shared = self._base
        self.held: dict[str, dict[str, int]] = {}
        #: Pod and CPUs of its finished init containers, which it may reuse; one pod at a time is admitted.
        self._reusable: tuple[str, int] = ("", 0)

    def clone(self) -> "CpuManager":
        """Return an independent copy that shares what never changes."""
        copy = object.__new__(CpuManager)
        copy.__dict__.update(self.__dict__)
        copy.held = {uid: dict(containers) for uid, containers in self.held.items()}
        return copy

    # --- what is free ---------------------------------------------------------------------------------------

    @property
    def available(self) -> int:
        """CPUs that can be allocated."""
        return self.shared & ~self.reserved

    @property
    def physical(self) -> int:
        """CPUs that full-pcpus-only counts as free: free CPUs of cores without a reserved CPU."""
        return self.shared & ~self._reserved_cores

    # --- hints ----------------------------------------------------------------------------------------------

    def hints(self, pod: PodDemand, container: ContainerDemand) -> ResourceHints | None:
        """Return hints for one container after the allocations so far; None if it gets no exclusive CPUs."""
        need = self._exclusive(pod, container)
        if need == 0:
            return None
        own = self.held.get(pod.uid, {}).get(container.name)
        if own is None:
            return self._generate(self.available, self._reusable_of(pod.uid), need)
        if own.bit_count() != need:
            return ResourceHints("cpu", need, self._width(need), IMPOSSIBLE)
        return self._generate(own, 0, need)

    def pod_hints(self, pod: PodDemand) -> ResourceHints | None:
        """Return hints for the whole pod: for the most CPUs that its containers hold at one time."""
        need = self._pod_need(pod)
        if need == 0:
            return None
        held = self.held.get(pod.uid, {})
        own = 0
        for container in pod.containers:
            cpus = held.get(container.name)
            if cpus is None:
                continue
            if cpus.bit_count() != self._exclusive(pod, container):
                return ResourceHints("cpu", need, self._width(need), IMPOSSIBLE)
            own |= cpus
        if own.bit_count() == need:
            return self._generate(own, 0, need)
        return self._generate(self.available, self._reusable_of(pod.uid) | own, need)

    def _exclusive(self, pod: PodDemand, container: ContainerDemand) -> int:
        return container.exclusive_cpus if self.static and pod.guaranteed and not pod.pod_level else 0

    def _pod_need(self, pod: PodDemand) -> int:
        sidecars = inits = apps = 0
        for container in pod.containers:
            need = self._exclusive(pod, container)
            if container.kind is Kind.SIDECAR:
                sidecars += need
            elif container.kind is Kind.INIT:
                inits = max(inits, sidecars + need)
            else:
                apps += need
        return max(inits, sidecars + apps)

    def _reusable_of(self, uid: str) -> int:
        return self._reusable[1] if self._reusable[0] == uid else 0

    def _width(self, need: int) -> int:
        """Return the minimal width: the fewest zones whose capacity, reserved CPUs included, holds `need`."""
        sizes = sorted((cpus.bit_count() for cpus in self.topology.zones.values()), reverse=True)
        for count in range(1, len(sizes)):
            if sum(sizes[:count]) >= need:
                return count
        return len(sizes)

    def _generate(self, available: int, reusable: int, need: int) -> ResourceHints:
        topology = self.topology
        width = self._width(need)
        must = topology.zones_of(reusable)
        free = topology.per_zone(available)
        sets, sums = [0], [reusable.bit_count()]
        # Every set of zones with CPUs, each built from the set without its highest zone.
        for position in sorted(topology.zones):
            bit, count = 1 << position, free[position]
            sets += [mask | bit for mask in sets]
            sums += [total + count for total in sums]
        masks = [mask for mask, total in zip(sets, sums, strict=True) if total >= need and mask and not must & ~mask]
        preferred = [mask for mask in masks if mask.bit_count() == width]
        if self.by_socket and topology.zones_per_socket:
            sockets = -(-width // topology.zones_per_socket)
            preferred += [mask for mask in masks if len(topology.sockets_in(mask)) == sockets]
        return ResourceHints("cpu", need, width, Hints(tuple(masks), frozenset(preferred)))

    # --- allocation -----------------------------------------------------------------------------------------

    def allocate(self, pod: PodDemand, container: ContainerDemand, affinity: Affinity) -> Failure | None:
        """Allocate the exclusive CPUs of `container`, in the zones of `affinity` first. Returns the failure, if any."""
        need = self._exclusive(pod, container)
        if need == 0:
            return None
        held = self.held.get(pod.uid, {}).get(container.name)
        # A restarted kubelet finds containers with CPUs. From 1.37 it keeps them unchecked; before, alignment is
        # checked.
        checks_held = self.version < "1.37"
        if held is None or checks_held:
            misaligned = self._smt_failure(need)
            if misaligned is not None:
                return misaligned
        if held is None:
            taken = self._take_near(need, affinity.mask, self._reusable_of(pod.uid))
            if isinstance(taken, TakeError):
                return unexpected(taken.message, f"the container asks for {need} CPUs: {taken.message}")
            self.shared &= ~taken
            self.held.setdefault(pod.uid, {})[container.name] = held = taken
        reusable = self._reusable_of(pod.uid)
        self._reusable = pod.uid, reusable | held if container.kind is Kind.INIT else reusable & ~held
        return None

    def _smt_failure(self, need: int) -> Failure | None:
        if _FULL_CORES not in self.options:
            return None
        threads = self.topology.cpus_per_core
        if need % threads:
            return Failure(
                SMT,
                f"SMT Alignment Error: requested {need} cpus not multiple cpus per core = {threads}",
                f"full-pcpus-only gives whole cores only: {need} CPUs are not a multiple of {threads} threads per core",
            )
        physical = self.physical.bit_count()
        if need > physical:
            return Failure(
                SMT,
                f"SMT Alignment Error: not enough free physical CPUs: available physical CPUs = {physical}, "
                f"requested CPUs = {need}, CPUs per core = {threads}",
                f"full-pcpus-only: {need} CPUs are wanted and {physical} are free on the whole node outside cores "
                "that hold a reserved CPU",
            )
        return None

    def _take_near(self, need: int, mask: int | None, reusable: int) -> int | TakeError:
        """Take from the zones of the affinity first. What is missing there is taken from other zones, without an
        error.
        """
        pool = self.available | reusable
        got = 0
        if mask is not None:
            near = pool & self._aligned(mask)
            taken = self._take(near, min(need, near.bit_count()))
            if isinstance(taken, TakeError):
                return taken
            got = taken
        rest = self._take(pool & ~got, need - got.bit_count())
        return rest if isinstance(rest, TakeError) else got | rest

    def _aligned(self, mask: int) -> int:
        topology = self.topology
        if not self.by_socket:
            return topology.cpus_in(mask)
        cpus = 0
        for socket in topology.sockets_in(mask):
            cpus |= topology.sockets[socket]
        return cpus

    def _take(self, pool: int, need: int) -> int | TakeError:
        if _ACROSS_ZONES not in self.options:
            spread, by_cache = _ACROSS_CORES in self.options, _BY_CACHE in self.options
            odd_rests = self.version >= "1.34"
            return take_packed(self.topology, pool, need, spread=spread, align_caches=by_cache, odd_rests=odd_rests)
        group = self.topology.cpus_per_core if _FULL_CORES in self.options else 1
        one_socket = self.by_socket and self.version >= "1.37"
        return take_distributed(self.topology, pool, need, group, one_socket, self._pack)

    def _pack(self, pool: int, need: int) -> int | TakeError:
        return take_packed(self.topology, pool, need)

    # --- life of the state ----------------------------------------------------------------------------------

    def sweep(self, active: Mapping[str, object]) -> None:
        """Free what pods held that are not active (the kubelet's removeStaleState)."""
        for uid in [uid for uid in self.held if uid not in active]:
            for cpus in self.held.pop(uid).values():
                self.shared |= cpus

    def load(self, held: Mapping[str, Mapping[str, int]]) -> None:
        """Start over from given assignments (CPUs by pod and container)."""
        self.held = {uid: dict(containers) for uid, containers in held.items()}
        self._reusable = ("", 0)
        self.shared = self._base
        for containers in self.held.values():
            for cpus in containers.values():
                self.shared &= ~cpus

    def restart(self) -> None:
        """Keep the assignments of the state file, forget reuse. Raises CannotStart if the file is not accepted.

        The checks are those of validateState (policy_static.go). All but the first fail only where reserved CPUs were
        allocated. This happens on machines with unequal zones or sockets, when whole zones or sockets are taken.
        """
        self._reusable = ("", 0)
        if not self.static:
            return
        if not self.shared:
            if self.held:
                raise CannotStart("cpu_manager_state: the shared pool is empty while containers hold CPUs")
            self.shared = self._base
            return
        if _STRICT in self.options:
            misplaced, where = self.reserved & self.shared, "in the shared pool, despite strict-cpu-reservation"
        else:
            misplaced, where = self.reserved & ~self.shared, "not in the shared pool"
        if misplaced:
            raise CannotStart(f"cpu_manager_state: reserved CPUs {format_cpus(misplaced)} are {where}")
        known = self.shared
        for containers in self.held.values():
            for cpus in containers.values():
                if cpus & self.shared:
                    raise CannotStart(f"cpu_manager_state: CPUs {format_cpus(cpus & self.shared)} are shared and held")
                known |= cpus
        if known != self._base:
            raise CannotStart(f"cpu_manager_state: CPUs {format_cpus(known ^ self._base)} are not those of the machine")

    def _reserve(self, config: KubeletConfig) -> int:
        reserved = from_ids(config.reserved_system_cpus)
        foreign = reserved & ~self.topology.all
        if foreign:
            raise CannotStart(f"reservedSystemCPUs: the machine has no CPU {format_cpus(foreign)}")
        if reserved:
            return reserved
        count = config.reserved_cpu_count
        if count < 1:
            if config.reservation_hidden:
                return 0
            raise CannotStart("cpuManagerPolicy static needs reserved CPUs: reservedSystemCPUs or a count above 0")
        chosen = self._take(self.topology.all, count)
        if isinstance(chosen, TakeError) or chosen.bit_count() != count:
            raise CannotStart(f"reservedCPUCount: {count} CPUs cannot be reserved on a machine that has fewer")
        return chosen


def _options(topology: CpuTopology, config: KubeletConfig) -> frozenset[str]:
    """Return the options that are on. Raises CannotStart for those that the kubelet does not accept."""
    policy = config.cpu_manager_policy
    if policy not in CPU_POLICIES:
        raise CannotStart(f"cpuManagerPolicy: {policy!r} is not none or static")
    given = config.cpu_manager_policy_options
    if policy == "none":
        if given:
            raise CannotStart("cpuManagerPolicyOptions: policy none has no options")
        return frozenset()
    for name in given:
        if name not in CPU_OPTIONS:
            raise CannotStart(f"cpuManagerPolicyOptions.{name} is not an option of policy static")
    on = frozenset(name for name, value in given.items() if parse_bool(value, f"cpuManagerPolicyOptions.{name}"))
    for one, other in _EXCLUSIVE:
        if one in on and other in on:
            raise CannotStart(f"cpuManagerPolicyOptions: {one} and {other} exclude each other")
    if _BY_SOCKET in on:
        if config.topology_manager_policy == "single-numa-node":
            raise CannotStart(f"cpuManagerPolicyOptions.{_BY_SOCKET} excludes topologyManagerPolicy single-numa-node")
        if topology.socket_count > len(topology.zones):
            raise CannotStart(f"cpuManagerPolicyOptions.{_BY_SOCKET} needs at least as many zones as sockets")
    return on
