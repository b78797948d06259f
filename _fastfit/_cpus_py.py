"""CPU Manager `static` on counts: hints, and which zones give the CPUs.

The counts are CPUs and whole free cores per zone. They decide the packed and the distributed allocator exactly for
every number of threads per core, as long as a core's free threads are either all or some of them. They do not decide:
* `distribute-cpus-across-cores`: it takes CPUs of a socket by id, so the split of a socket with several zones depends
  on the numbering;
* `prefer-align-cpus-by-uncorecache`: it chooses caches, so the split over several zones depends on their occupancy;
* uneven machines (cores or sockets of unequal CPU counts): the kubelet takes the machine's average for a whole unit and
  may hand out CPUs that are reserved or already held, so a pool that counts as too small may suffice.
With the two options a pool of one zone, or one that is used up, is decided all the same.
Source: Kubernetes 1.33 to 1.37, pkg/kubelet/cm/cpumanager/policy_static.go and cpu_assignment.go.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from _fastfit._distribute_py import distribution
from _fastfit._hints_py import Hints, bits, submasks, subset_sums
from _fastfit.codes import Code
from _fastfit.model import Row

__all__ = [
    "MAX_DISTRIBUTED",
    "CpuAccounting",
    "Taken",
    "allocate",
    "cpu_accounting",
    "cpu_hints",
    "empty_cpu_hints",
    "pass_on",
]

#: Zones of a pool over which distribute-cpus-across-numa is computed; the search is exponential.
MAX_DISTRIBUTED = 8


@dataclass(slots=True)
class CpuAccounting:
    """A node's CPUs while one pod is being admitted. Lists are by zone."""

    #: CPUs that this pod may take: the free ones and those its init containers left
    pool: list[int]
    #: whole cores in the pool
    cores: list[int]
    #: bounds of the CPUs that init containers left and no later container took yet
    reuse_low: list[int]
    reuse_high: list[int]
    #: bounds of the free CPUs that count for full-pcpus-only
    physical_low: int
    physical_high: int
    #: free CPUs that share a core with a reserved one
    beside_reserved: int
    #: False once counts do not tell which zones gave CPUs
    split_known: bool = True
    #: False once counts do not tell how many whole cores a zone has left
    cores_known: bool = True


@dataclass(slots=True)
class Taken:
    """CPUs one container got: per zone, and how many of them as whole cores."""

    cpus: list[int]
    cores: list[int] = field(default_factory=list)


def cpu_accounting(row: Row) -> CpuAccounting:
    """The accounting before the pod."""
    free = [zone.cpu_free for zone in row.zones]
    return CpuAccounting(
        pool=free,
        cores=[zone.cores_free for zone in row.zones],
        reuse_low=[0] * len(free),
        reuse_high=[0] * len(free),
        physical_low=row.physical_free,
        physical_high=row.physical_free,
        beside_reserved=max(sum(free) - row.physical_free, 0),
    )


def _hints(row: Row, count: int, pool: Sequence[int], held: int) -> Hints:
    """Masks with enough CPUs in the pool that include the zones `held`.

    The preferred width is by all CPUs of the zones, reserved ones included.
    """
    totals = [zone.cpu_total for zone in row.zones]
    zones_with_cpus = sum(1 << position for position, total in enumerate(totals) if total)
    capacity, available = subset_sums(totals), subset_sums(pool)
    width = zones_with_cpus.bit_count()
    masks = []
    for mask in submasks(zones_with_cpus):
        if capacity[mask] >= count:
            width = min(width, mask.bit_count())
        if held & ~mask == 0 and available[mask] >= count:
            masks.append(mask)
    return Hints(tuple(masks), frozenset(mask for mask in masks if _preferred(row, zones_with_cpus, mask, width)))


def _preferred(row: Row, zones_with_cpus: int, mask: int, width: int) -> bool:
    """As narrow as can be; with align-by-socket also: on as few sockets as can be."""
    if mask.bit_count() == width:
        return True
    if not row.align_by_socket:
        return False
    zones_per_socket = zones_with_cpus.bit_count() // len({row.zones[zone].socket for zone in bits(zones_with_cpus)})
    return len({row.zones[zone].socket for zone in bits(mask)}) == -(-width // zones_per_socket)


def cpu_hints(row: Row, acct: CpuAccounting, count: int) -> Hints | Code:
    """The hint list for `count` exclusive CPUs, or the code of what counts do not decide."""
    held = 0
    for position, (low, high) in enumerate(zip(acct.reuse_low, acct.reuse_high, strict=True)):
        if low:
            held |= 1 << position
        elif high:
            return Code.InitContainerCpus
    if not acct.split_known:
        return Code.OptionsUndecided
    return _hints(row, count, acct.pool, held)


def empty_cpu_hints(row: Row, count: int) -> Hints:
    """The hint list on this node without any pod."""
    return _hints(row, count, [zone.cpu_total - zone.cpu_reserved for zone in row.zones], 0)


def allocate(row: Row, acct: CpuAccounting, count: int, mask: int | None) -> Taken | Code:
    """Takes `count` CPUs out of the pool, those of the mask first.

    Refuses as the kubelet does: full-pcpus-only on the whole node's counts, then too few CPUs.
    """
    # Whatever an uneven machine hands out twice, it is not more than there is.
    decided = not row.uneven or count > sum(zone.cpu_total for zone in row.zones)
    if not decided and not acct.split_known:
        return Code.OptionsUndecided
    if row.full_pcpus_only:
        if count % row.threads_per_core or count > acct.physical_high:
            return Code.SmtAlignment
        if count > acct.physical_low:
            return Code.OptionsUndecided
    if count > sum(acct.pool):
        return Code.NodeCpuShort if decided else Code.OptionsUndecided
    everywhere = (1 << len(row.zones)) - 1
    before, cores_before = list(acct.pool), list(acct.cores)
    if mask is None:
        _take(row, acct, everywhere, count)
    else:
        near = _near(row, mask)
        here = min(count, sum(acct.pool[zone] for zone in bits(near)))
        _take(row, acct, near, here)
        _take(row, acct, everywhere, count - here)
    taken = Taken(
        [old - new for old, new in zip(before, acct.pool, strict=True)],
        [old - new for old, new in zip(cores_before, acct.cores, strict=True)],
    )
    _narrow_physical(row, acct, taken, before)
    return taken


def _near(row: Row, mask: int) -> int:
    """The zones tried first: the mask, or with align-by-socket all zones of its sockets."""
    if not row.align_by_socket:
        return mask
    sockets = {zone.socket for position, zone in enumerate(row.zones) if mask >> position & 1 and zone.cpu_total}
    return sum(1 << position for position, zone in enumerate(row.zones) if zone.cpu_total and zone.socket in sockets)


def _narrow_physical(row: Row, acct: CpuAccounting, taken: Taken, before: Sequence[int]) -> None:
    """Updates the bounds of what full-pcpus-only counts for the next container.

    They are bounds because single threads may or may not be on a core with a reserved CPU, and because CPUs that an
    init container left are no longer in the shared pool.
    """
    count = sum(taken.cpus)
    singles = count - row.threads_per_core * sum(taken.cores)
    reused_most = sum(min(high, cpus) for high, cpus in zip(acct.reuse_high, taken.cpus, strict=True))
    reused_least = sum(
        max(0, cpus - (pool - low)) for low, cpus, pool in zip(acct.reuse_low, taken.cpus, before, strict=True)
    )
    acct.physical_low = max(0, acct.physical_low - (count - reused_least))
    acct.physical_high -= max(0, count - reused_most - max(0, min(singles, acct.beside_reserved)))


def pass_on(acct: CpuAccounting, taken: Taken, regular_init: bool) -> None:
    """Notes what the container leaves to later ones.

    A regular init container leaves everything it took: its CPUs go back to this pod's pool. Any other leaves nothing;
    which of the reusable CPUs it took is not known, only how many at least.
    """
    for zone, cpus in enumerate(taken.cpus):
        pool = acct.pool[zone]
        if regular_init:
            acct.reuse_low[zone] = max(acct.reuse_low[zone], cpus)
            acct.reuse_high[zone] = min(acct.reuse_high[zone] + cpus, pool + cpus)
            acct.pool[zone] = pool + cpus
            acct.cores[zone] += taken.cores[zone]
        else:
            acct.reuse_low[zone] = max(0, acct.reuse_low[zone] - cpus)
            acct.reuse_high[zone] = min(acct.reuse_high[zone], pool)


# --- the allocator ---------------------------------------------------------------------------------


def _order(row: Row, acct: CpuAccounting, zones: Sequence[int]) -> list[int]:
    """Zones that have CPUs in the pool, fewest free first; grouped by socket where sockets hold several zones."""
    free = {zone: acct.pool[zone] for zone in zones if acct.pool[zone]}
    if not _sockets_first(row):
        return sorted(free, key=lambda zone: (free[zone], zone))
    in_socket: dict[int, int] = {}
    for zone, cpus in free.items():
        socket = row.zones[zone].socket
        in_socket[socket] = in_socket.get(socket, 0) + cpus
    return sorted(free, key=lambda zone: (in_socket[row.zones[zone].socket], row.zones[zone].socket, free[zone], zone))


def _sockets_first(row: Row) -> bool:
    """Whether a socket is the larger unit: there are fewer of them than zones with CPUs."""
    zones_with_cpus = [zone for zone in row.zones if zone.cpu_total]
    return len({zone.socket for zone in zones_with_cpus}) < len(zones_with_cpus)


def _take(row: Row, acct: CpuAccounting, mask: int, count: int) -> None:
    """Takes from the zones of the mask, with the allocator that the options choose. The pool has enough.

    With align-by-socket and distribute-cpus-across-numa together the split is not known: 1.36 and 1.37 differ.
    """
    if not count:
        return
    zones = bits(mask)
    group = row.threads_per_core if row.full_pcpus_only else 1
    if row.distribute and count % group == 0:
        order = _order(row, acct, zones)
        if len(order) > MAX_DISTRIBUTED:
            acct.split_known = False
        else:
            shares = distribution(order, acct.pool, [zone.cpu_total for zone in row.zones], count, group)
            acct.split_known = acct.split_known and not (row.align_by_socket and len(order) > 1)
            if shares is not None:
                for zone, share in shares:
                    _pack(row, acct, [zone], share, uncore=False)
                return
    _pack(row, acct, zones, count, uncore=row.uncore and not row.distribute)


def _pack(row: Row, acct: CpuAccounting, zones: Sequence[int], count: int, uncore: bool) -> None:
    """The packed allocator: whole sockets and zones, then whole cores, then single CPUs; fewest free CPUs first."""
    need = count
    if row.uneven and (len(zones) > 1 or row.uncore):
        acct.split_known = False
    if _sockets_first(row):
        need = _whole_sockets(row, acct, zones, need)
    need = _whole_zones(row, acct, zones, need)
    if not need:
        return
    order = _order(row, acct, zones)
    if len(order) > 1 and need < sum(acct.pool[zone] for zone in order):
        by_count = not uncore and (not _share_sockets(row, order) if row.spread else acct.cores_known)
        acct.split_known = acct.split_known and by_count
    if uncore or row.spread:
        acct.cores_known = False
    threads = row.threads_per_core
    if not row.spread:
        for zone in order:
            whole = min(acct.cores[zone], need // threads)
            acct.cores[zone] -= whole
            acct.pool[zone] -= whole * threads
            need -= whole * threads
    for zone in _order(row, acct, zones):
        got = min(need, acct.pool[zone])
        need -= got
        _single(acct, zone, got, threads)


def _share_sockets(row: Row, zones: Sequence[int]) -> bool:
    """Whether two of the zones are on one socket."""
    return len({row.zones[zone].socket for zone in zones}) < len(zones)


def _single(acct: CpuAccounting, zone: int, count: int, threads: int) -> None:
    """Takes single CPUs: first those of cores that are not whole any more, then core by core."""
    partly = acct.pool[zone] - acct.cores[zone] * threads
    acct.pool[zone] -= count
    if count > partly:
        acct.cores[zone] -= -(-(count - partly) // threads)


def _whole_sockets(row: Row, acct: CpuAccounting, zones: Sequence[int], need: int) -> int:
    """Takes completely free sockets, equal ones by id. As in the kubelet the size of a socket is the average."""
    totals: dict[int, int] = {}
    for own in row.zones:
        if own.cpu_total:
            totals[own.socket] = totals.get(own.socket, 0) + own.cpu_total
    unit = sum(totals.values()) // len(totals)
    for socket in sorted({row.zones[zone].socket for zone in zones}):
        members = [zone for zone in zones if row.zones[zone].socket == socket]
        if sum(acct.pool[zone] for zone in members) == unit == totals.get(socket) and need >= unit:
            need -= unit
            for zone in members:
                acct.pool[zone] = acct.cores[zone] = 0
    return need


def _whole_zones(row: Row, acct: CpuAccounting, zones: Sequence[int], need: int) -> int:
    """Takes completely free zones."""
    for zone in _order(row, acct, zones):
        total = row.zones[zone].cpu_total
        if acct.pool[zone] == total and need >= total:
            need -= total
            acct.pool[zone] = acct.cores[zone] = 0
    return need
