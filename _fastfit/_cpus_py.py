"""CPU Manager `static` on counts: hints, and which zones give the CPUs.

What counts know: CPUs and whole free cores per zone. That decides the packed and the distributed allocator exactly
for every number of threads per core, as long as a core's free threads are either all or some of them. Not decided:
* `distribute-cpus-across-cores` takes CPUs of a socket by id: a socket with several zones splits by numbering;
* `prefer-align-cpus-by-uncorecache` chooses caches: a split over several zones depends on their occupancy.
In both cases a pool of one zone, or one that is used up, is decided all the same.
* On an uneven machine (cores or sockets of unequal CPU counts) the kubelet measures a whole unit by the machine's
  average: it may hand out CPUs that are reserved or already held, so a pool that counts as too small may do.
Source: cpumanager/policy_static.go, cpu_assignment.go.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from _fastfit._distribute_py import distribution
from _fastfit._hints_py import Hints, bits, submasks, subset_sums
from _fastfit.codes import Code
from _fastfit.model import Row

__all__ = ["CpuBooks", "Taken", "allocate", "cpu_books", "cpu_hints", "empty_cpu_hints", "settle"]


#: Zones of a pool over which distribute-cpus-across-numa is computed; the search is exponential.
MAX_DISTRIBUTED = 8


@dataclass(slots=True)
class CpuBooks:
    """A node's CPUs while one pod is being admitted. Lists are by zone."""

    #: CPUs this pod may take: the free ones and those its init containers left
    pool: list[int]
    #: whole cores in the pool
    cores: list[int]
    #: bounds of the CPUs that init containers left and nobody of the pod took yet
    reuse_low: list[int]
    reuse_high: list[int]
    #: bounds of the free CPUs that count for full-pcpus-only
    physical_low: int
    physical_high: int
    #: free CPUs that share a core with a reserved one
    odd: int
    split_known: bool = True
    cores_known: bool = True


@dataclass(slots=True)
class Taken:
    """CPUs one container got: per zone, and how many of them as whole cores."""

    cpus: list[int]
    cores: list[int] = field(default_factory=list)


def cpu_books(row: Row) -> CpuBooks:
    """The books before the pod."""
    free = [zone.cpu_free for zone in row.zones]
    return CpuBooks(
        pool=free,
        cores=[zone.cores_free for zone in row.zones],
        reuse_low=[0] * len(free),
        reuse_high=[0] * len(free),
        physical_low=row.physical_free,
        physical_high=row.physical_free,
        odd=max(sum(free) - row.physical_free, 0),
    )


def _hints(row: Row, count: int, pool: Sequence[int], held: int) -> Hints:
    """Masks with enough CPUs in the pool that include the zones `held`; narrowest by all CPUs, reserved ones too."""
    totals = [zone.cpu_total for zone in row.zones]
    bearing = sum(1 << position for position, total in enumerate(totals) if total)
    capacity, available = subset_sums(totals), subset_sums(pool)
    width = bearing.bit_count()
    masks = []
    for mask in submasks(bearing):
        if capacity[mask] >= count:
            width = min(width, mask.bit_count())
        if held & ~mask == 0 and available[mask] >= count:
            masks.append(mask)
    return Hints(tuple(masks), frozenset(mask for mask in masks if _preferred(row, bearing, mask, width)))


def _preferred(row: Row, bearing: int, mask: int, width: int) -> bool:
    """As narrow as can be; with align-by-socket also: on as few sockets as can be."""
    if mask.bit_count() == width:
        return True
    if not row.align_by_socket:
        return False
    zones_per_socket = bearing.bit_count() // len({row.zones[zone].socket for zone in bits(bearing)})
    return len({row.zones[zone].socket for zone in bits(mask)}) == -(-width // zones_per_socket)


def cpu_hints(row: Row, books: CpuBooks, count: int) -> Hints | Code:
    """The hint list for `count` exclusive CPUs, or why counts do not decide it."""
    held = 0
    for position, (low, high) in enumerate(zip(books.reuse_low, books.reuse_high, strict=True)):
        if low:
            held |= 1 << position
        elif high:
            return Code.InitContainerCpus
    if not books.split_known:
        return Code.OptionsUndecided
    return _hints(row, count, books.pool, held)


def empty_cpu_hints(row: Row, count: int) -> Hints:
    """The hint list on this node without any pod."""
    return _hints(row, count, [zone.cpu_total - zone.cpu_reserved for zone in row.zones], 0)


def allocate(row: Row, books: CpuBooks, count: int, mask: int | None) -> Taken | Code:
    """Takes `count` CPUs, those of the mask first, and books them out of the pool.

    Refuses as the kubelet does: full-pcpus-only on the whole node's counts, then too few CPUs.
    """
    if row.uneven and not books.split_known:
        return Code.OptionsUndecided
    if row.full_pcpus_only:
        if count % row.threads_per_core or count > books.physical_high:
            return Code.SmtAlignment
        if count > books.physical_low:
            return Code.OptionsUndecided
    if count > sum(books.pool):
        return Code.OptionsUndecided if row.uneven else Code.NodeCpuShort
    everywhere = (1 << len(row.zones)) - 1
    before, cores_before = list(books.pool), list(books.cores)
    if mask is None:
        _take(row, books, everywhere, count)
    else:
        near = _near(row, mask)
        here = min(count, sum(books.pool[zone] for zone in bits(near)))
        _take(row, books, near, here)
        _take(row, books, everywhere, count - here)
    taken = Taken(
        [old - new for old, new in zip(before, books.pool, strict=True)],
        [old - new for old, new in zip(cores_before, books.cores, strict=True)],
    )
    _book_physical(row, books, taken, before)
    return taken


def _near(row: Row, mask: int) -> int:
    """The zones tried first: the mask, or with align-by-socket all zones of its sockets."""
    if not row.align_by_socket:
        return mask
    sockets = {zone.socket for position, zone in enumerate(row.zones) if mask >> position & 1 and zone.cpu_total}
    return sum(1 << position for position, zone in enumerate(row.zones) if zone.cpu_total and zone.socket in sockets)


def _book_physical(row: Row, books: CpuBooks, taken: Taken, before: Sequence[int]) -> None:
    """Narrow down what full-pcpus-only will count next.

    Single threads may or may not be on a core with a reserved CPU, and CPUs that an init container left were not in
    the shared pool any more.
    """
    count = sum(taken.cpus)
    singles = count - row.threads_per_core * sum(taken.cores)
    reused_most = sum(min(high, cpus) for high, cpus in zip(books.reuse_high, taken.cpus, strict=True))
    reused_least = sum(
        max(0, cpus - (pool - low)) for low, cpus, pool in zip(books.reuse_low, taken.cpus, before, strict=True)
    )
    books.physical_low = max(0, books.physical_low - (count - reused_least))
    books.physical_high -= max(0, count - reused_most - max(0, min(singles, books.odd)))


def settle(books: CpuBooks, taken: Taken, regular_init: bool) -> None:
    """Book what the container leaves to later ones.

    A regular init container leaves everything it took: its CPUs go back to this pod's pool. Any other leaves nothing;
    which of the reusable CPUs it took is not known, only how many at least.
    """
    for zone, cpus in enumerate(taken.cpus):
        pool = books.pool[zone]
        if regular_init:
            books.reuse_low[zone] = max(books.reuse_low[zone], cpus)
            books.reuse_high[zone] = min(books.reuse_high[zone] + cpus, pool + cpus)
            books.pool[zone] = pool + cpus
            books.cores[zone] += taken.cores[zone]
        else:
            books.reuse_low[zone] = max(0, books.reuse_low[zone] - cpus)
            books.reuse_high[zone] = min(books.reuse_high[zone], pool)


# --- the allocator ---------------------------------------------------------------------------------


def _order(row: Row, books: CpuBooks, zones: Sequence[int]) -> list[int]:
    """Zones that have CPUs in the pool, the most used first; grouped by socket where sockets hold several zones."""
    free = {zone: books.pool[zone] for zone in zones if books.pool[zone]}
    if not _sockets_first(row):
        return sorted(free, key=lambda zone: (free[zone], zone))
    in_socket: dict[int, int] = {}
    for zone, cpus in free.items():
        socket = row.zones[zone].socket
        in_socket[socket] = in_socket.get(socket, 0) + cpus
    return sorted(free, key=lambda zone: (in_socket[row.zones[zone].socket], row.zones[zone].socket, free[zone], zone))


def _sockets_first(row: Row) -> bool:
    """Whether a socket is the larger unit: there are fewer of them than zones with CPUs."""
    bearing = [zone for zone in row.zones if zone.cpu_total]
    return len({zone.socket for zone in bearing}) < len(bearing)


def _take(row: Row, books: CpuBooks, mask: int, count: int) -> None:
    """Takes from the zones of the mask, with the allocator that the options choose. The pool suffices.

    With align-by-socket and distribute-cpus-across-numa together 1.36 and 1.37 split differently.
    """
    if not count:
        return
    zones = bits(mask)
    group = row.threads_per_core if row.full_pcpus_only else 1
    if row.distribute and count % group == 0:
        order = _order(row, books, zones)
        if len(order) > MAX_DISTRIBUTED:
            books.split_known = False
        else:
            shares = distribution(order, books.pool, [zone.cpu_total for zone in row.zones], count, group)
            books.split_known = books.split_known and not (row.align_by_socket and len(order) > 1)
            if shares is not None:
                for zone, share in shares:
                    _pack(row, books, [zone], share, uncore=False)
                return
    _pack(row, books, zones, count, uncore=row.uncore and not row.distribute)


def _pack(row: Row, books: CpuBooks, zones: Sequence[int], count: int, uncore: bool) -> None:
    """The default: whole sockets and zones, then whole cores, then single CPUs, each from the most used zone first."""
    need = count
    if row.uneven and (len(zones) > 1 or row.uncore):
        books.split_known = False
    if _sockets_first(row):
        need = _whole_sockets(row, books, zones, need)
    need = _whole_zones(row, books, zones, need)
    if not need:
        return
    order = _order(row, books, zones)
    if len(order) > 1 and need < sum(books.pool[zone] for zone in order):
        by_count = not uncore and (not _share_sockets(row, order) if row.spread else books.cores_known)
        books.split_known = books.split_known and by_count
    if uncore or row.spread:
        books.cores_known = False
    threads = row.threads_per_core
    if not row.spread:
        for zone in order:
            whole = min(books.cores[zone], need // threads)
            books.cores[zone] -= whole
            books.pool[zone] -= whole * threads
            need -= whole * threads
    for zone in _order(row, books, zones):
        got = min(need, books.pool[zone])
        need -= got
        _single(books, zone, got, threads)


def _share_sockets(row: Row, zones: Sequence[int]) -> bool:
    """Whether two of the zones are on one socket."""
    return len({row.zones[zone].socket for zone in zones}) < len(zones)


def _single(books: CpuBooks, zone: int, count: int, threads: int) -> None:
    """Takes single CPUs: those of cores already in part use first, then core by core."""
    partly = books.pool[zone] - books.cores[zone] * threads
    books.pool[zone] -= count
    if count > partly:
        books.cores[zone] -= -(-(count - partly) // threads)


def _whole_sockets(row: Row, books: CpuBooks, zones: Sequence[int], need: int) -> int:
    """Completely free sockets, the order of equals by id. The unit is the average socket, as in the kubelet."""
    totals: dict[int, int] = {}
    for own in row.zones:
        if own.cpu_total:
            totals[own.socket] = totals.get(own.socket, 0) + own.cpu_total
    unit = sum(totals.values()) // len(totals)
    for socket in sorted({row.zones[zone].socket for zone in zones}):
        members = [zone for zone in zones if row.zones[zone].socket == socket]
        if sum(books.pool[zone] for zone in members) == unit == totals.get(socket) and need >= unit:
            need -= unit
            for zone in members:
                books.pool[zone] = books.cores[zone] = 0
    return need


def _whole_zones(row: Row, books: CpuBooks, zones: Sequence[int], need: int) -> int:
    """Completely free zones."""
    for zone in _order(row, books, zones):
        total = row.zones[zone].cpu_total
        if books.pool[zone] == total and need >= total:
            need -= total
            books.pool[zone] = books.cores[zone] = 0
    return need
