"""CPUs spread evenly over zones: option distribute-cpus-across-numa (KEP-2902).

Source: pkg/kubelet/cm/cpumanager/cpu_assignment.go, takeByTopologyNUMADistributed, Kubernetes 1.33 to 1.37. For k from
the fewest to the most zones, every k-subset of the zones is tried. Each zone gives an equal share; the rest is taken in
groups from the subset of these zones that leaves the machine most balanced (smallest standard deviation of free CPUs).
If no k works, CPUs are packed.

From 1.37 with align-by-socket, a share is at most what every zone can give, and zones of one socket win over any other
combination.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from extender.kubelet.cpu_assignment import TakeError, not_enough, zones_by_fit
from extender.kubelet.cpu_topology import CpuTopology

__all__ = ["take_distributed"]

#: Takes that many CPUs from a pool.
TakeFrom = Callable[[int, int], int | TakeError]


def take_distributed(
    topology: CpuTopology, pool: int, need: int, group: int, one_socket: bool, pack: TakeFrom
) -> int | TakeError:
    """Take `need` CPUs of `pool`, in groups of `group` (CPUs per core under full-pcpus-only, else 1).

    `one_socket`: the rules of 1.37 for align-by-socket. `pack` takes packed, inside a zone and as the last resort.
    """
    if need % group:
        return pack(pool, need)
    if need < 1:
        return 0
    if need > pool.bit_count():
        return not_enough(need, pool.bit_count())
    zones = zones_by_fit(topology, pool)
    free = topology.per_zone(pool)
    groups = need // group
    all_groups = _ceil(topology.all.bit_count(), group)
    per_zone = _ceil(all_groups, len(topology.zones))
    most = min(groups, sum(1 for count in free.values() if count))
    for k in range(_ceil(groups, per_zone), most + 1):
        best = _best(topology, zones, free, k, need, group, one_socket)
        if best is not None:
            return _take(topology, pool, need, group, one_socket, best, pack)
    return pack(pool, need)


def _ceil(amount: int, unit: int) -> int:
    return -(-amount // unit)


class _Choice:
    """A subset that was kept. It shares memory with subsets enumerated later, as the kubelet's Go slices do."""

    __slots__ = ("_array", "_length")

    def __init__(self, array: list[int], length: int) -> None:
        self._array = array
        self._length = length

    def zones(self) -> list[int]:
        """Return the members *now*: later subsets may have overwritten the last of them."""
        return self._array[: self._length]


_NO_CHOICE = _Choice([], 0)


def _subsets(items: Sequence[int], k: int) -> Iterator[_Choice]:
    """Yield every k-subset of `items` in lexicographic order, with the storage of the kubelet's iterateCombinations.

    There each level appends to its parent's slice. Go doubles capacity (1, 2, 4, 8), so subsets that branch at the 4th,
    6th, 7th or 8th member write into one array, and the last members of a subset kept for later change. Allocations of
    real kubelets on five or more zones depend on it.
    """

    def extend(array: list[int], length: int, start: int) -> Iterator[_Choice]:
        if length == k:
            yield _Choice(array, k)
            return
        for i in range(start, len(items) - (k - length) + 1):
            longer = array + [0] * max(1, length) if length == len(array) else array
            longer[length] = items[i]
            yield from extend(longer, length + 1, i + 1)

    if k > 0:
        yield from extend([], 0, 0)


@dataclass(slots=True)
class _Best:
    balance: float = math.inf
    combo: _Choice | None = None
    rest: _Choice = _NO_CHOICE
    in_one_socket: bool = False


def _best(
    topology: CpuTopology,
    zones: list[int],
    free: Mapping[int, int],
    k: int,
    need: int,
    group: int,
    one_socket: bool,
) -> _Best | None:
    """Return the k zones that leave the machine most balanced, or None if no k zones can hold the request."""
    best = _Best()
    for combo in _subsets(zones, k):
        if best.balance == 0 and (not one_socket or best.in_one_socket):
            break
        members = combo.zones()
        if sum(free[zone] // group * group for zone in members) < need:
            continue
        share = need // k // group * group
        if one_socket:
            share = min(share, *(free[zone] // group * group for zone in members))
        elif any(free[zone] < share for zone in members):
            continue
        left = {zone: free[zone] - (share if zone in members else 0) for zone in zones}
        balance, rest = _best_rest(left, members, need - share * k, group)
        in_one_socket = one_socket and len(topology.sockets_in(sum(1 << zone for zone in members))) == 1
        better = balance < best.balance
        if in_one_socket != best.in_one_socket:
            better = in_one_socket
        if better:
            best = _Best(balance, combo, rest, in_one_socket)
    return best if best.combo is not None else None


def _best_rest(left: Mapping[int, int], members: list[int], rest: int, group: int) -> tuple[float, _Choice]:
    """Return the subset of `members` to take `rest` more CPUs from, and the balance after that."""
    if rest == 0:
        return _deviation(left.values()), _NO_CHOICE
    best = math.inf, _NO_CHOICE
    able = [zone for zone in members if left[zone] >= group]
    for j in range(len(able), 0, -1):
        for subset in _subsets(able, j):
            chosen = subset.zones()
            # The kubelet compares the plain sum; with incomplete groups in it, its loop would not end.
            if sum(left[zone] // group * group for zone in chosen) < rest:
                continue
            after = dict(left)
            for zone in _round_robin(after, chosen, rest, group):
                after[zone] -= group
            balance = _deviation(after.values())
            if balance < best[0]:
                best = balance, subset
    return best


def _round_robin(left: Mapping[int, int], zones: list[int], rest: int, group: int) -> Iterator[int]:
    """Yield zones in turn, one group each, while CPUs of `rest` are missing and some zone has a group."""
    while rest > 0 and any(left[zone] >= group for zone in zones):
        for zone in zones:
            if rest > 0 and left[zone] >= group:
                yield zone
                rest -= group


def _deviation(values: Iterable[int]) -> float:
    """Return the standard deviation. It and the mean are rounded to three decimals."""
    counts = list(values)
    mean = _round(sum(counts) / len(counts))
    return _round(math.sqrt(sum((count - mean) ** 2 for count in counts) / len(counts)))


def _round(value: float) -> float:
    """Round half away from zero, as Go rounds; values here are never negative."""
    return math.floor(value * 1000 + 0.5) / 1000


def _take(
    topology: CpuTopology, pool: int, need: int, group: int, one_socket: bool, best: _Best, pack: TakeFrom
) -> int | TakeError:
    """Take the shares and the rest from the chosen zones, which may differ from those that were scored (_Choice)."""
    assert best.combo is not None
    combo = best.combo.zones()
    got = 0
    wanted = need

    def take(zone: int, count: int) -> None:
        nonlocal got, wanted
        taken = pack(pool & ~got & topology.zones[zone], count)
        if not isinstance(taken, TakeError):
            got |= taken
            wanted -= taken.bit_count()

    share = need // len(combo) // group * group
    free = topology.per_zone(pool)
    if one_socket:
        share = min(share, *(free[zone] // group * group for zone in combo))
    for zone in combo:
        take(zone, share)
    left = topology.per_zone(pool & ~got)
    for zone in _round_robin(left, best.rest.zones(), need - share * len(combo), group):
        take(zone, group)
        left[zone] -= group
    if wanted > 0:
        return TakeError(f"accounting error, not enough CPUs allocated, remaining: {wanted}")
    return got
