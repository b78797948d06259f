"""CPU Manager's option `distribute-cpus-across-numa` (KEP-2902): how many CPUs each zone gives.

It takes the smallest set of zones that can give even shares, and among such sets the one that leaves the node most
even. The kubelet's sets of zones are Go slices that share memory with sets visited later, so that the set it finally
uses may differ from the one it found best. `_Kept` does the same.
Source: Kubernetes 1.36, pkg/kubelet/cm/cpumanager/cpu_assignment.go (takeByTopologyNUMADistributed).
"""

import math
from collections.abc import Iterator, Sequence

__all__ = ["distribution"]


def _ceil(amount: int, unit: int) -> int:
    return -(-amount // unit)


def _rounded(value: float) -> float:
    """Three decimals, halves away from zero (Go's math.Round)."""
    scaled = value * 1000
    whole = math.floor(scaled)
    return (whole + 1 if scaled - whole >= 0.5 else whole) / 1000


def _unevenness(values: Sequence[int]) -> float:
    """Standard deviation, with mean and result rounded as the kubelet does."""
    mean = _rounded(sum(values) / len(values))
    total = 0.0
    for value in values:
        total += (value - mean) * (value - mean)
    return _rounded(math.sqrt(total / len(values)))


def _shared_from(size: int) -> int:
    """Index of the first member that later sets with the same beginning overwrite; a set has MAX_DISTRIBUTED at most."""
    return 3 if size == 4 else 5 if size >= 6 else size


class _Kept:
    """The best set so far; later sets of the same enumeration overwrite its last members."""

    def __init__(self) -> None:
        self.members: list[int] | None = None

    def visit(self, combination: Sequence[int]) -> None:
        """Called for every set enumerated, before it is judged."""
        kept = self.members
        start = _shared_from(len(combination))
        if kept is not None and len(kept) == len(combination) and kept[:start] == list(combination[:start]):
            kept[start:] = combination[start:]


def _combinations(members: Sequence[int], size: int) -> Iterator[list[int]]:
    """Subsets in the order of the positions."""
    positions = list(range(size))
    while True:
        yield [members[position] for position in positions]
        for index in reversed(range(size)):
            if positions[index] != index + len(members) - size:
                break
        else:
            return
        positions[index] += 1
        for later in range(index + 1, size):
            positions[later] = positions[later - 1] + 1


def distribution(
    order: Sequence[int], pool: Sequence[int], totals: Sequence[int], count: int, group: int
) -> list[tuple[int, int]] | None:
    """(zone, CPUs) in the order of taking; None: no even split, the caller packs.

    `order`: the zones with CPUs in the pool, in the allocator's order. `group`: CPUs that stay together.
    """
    zones_with_cpus = sum(1 for total in totals if total)
    groups_per_zone = _ceil(_ceil(sum(totals), group), zones_with_cpus)
    groups = _ceil(count, group)
    free = {zone: pool[zone] for zone in order}
    for size in range(_ceil(groups, groups_per_zone), min(groups, len(order)) + 1):
        best, kept, rest = math.inf, _Kept(), _Kept()
        share = count // size // group * group
        left_over = count - share * size
        for members in _combinations(order, size):
            kept.visit(members)
            if best == 0:
                break
            if (
                sum(free[zone] for zone in members) < count
                or sum(free[zone] // group * group for zone in members) < count
                or any(free[zone] < share for zone in members)
            ):
                continue
            after = {zone: cpus - share if zone in members else cpus for zone, cpus in free.items()}
            score, extra = _rest(members, after, left_over, group)
            if score < best:
                best, kept.members, rest = score, members, extra
        if kept.members is not None:
            return _shares(kept.members, rest.members or [], free, share, left_over, group)
    return None


def _rest(members: Sequence[int], after: dict[int, int], left_over: int, group: int) -> tuple[float, _Kept]:
    """How uneven the node is in the end, and the zones of the set that give the CPUs which even shares leave over."""
    best, kept = math.inf, _Kept()
    if not left_over:
        return _unevenness(list(after.values())), kept
    able = [zone for zone in members if after[zone] >= group]
    for size in range(len(able), 0, -1):
        for subset in _combinations(able, size):
            kept.visit(subset)
            if sum(after[zone] for zone in subset) < left_over:
                continue
            final = dict(after)
            if not _hand_out(subset, final, left_over, group):
                continue
            score = _unevenness(list(final.values()))
            if score < best:
                best, kept.members = score, subset
    return best, kept


def _hand_out(subset: Sequence[int], left: dict[int, int], count: int, group: int) -> bool:
    """Takes `count` CPUs group by group, zone after zone, in turns; False where there are too few whole groups."""
    if sum(left[zone] // group * group for zone in subset) < count:
        return False
    while count > 0:
        for zone in subset:
            if count == 0:
                break
            if left[zone] >= group:
                left[zone] -= group
                count -= group
    return True


def _shares(
    members: Sequence[int], rest: Sequence[int], free: dict[int, int], share: int, left_over: int, group: int
) -> list[tuple[int, int]] | None:
    """What the chosen sets give, in order of taking; None where they cannot, because they were overwritten."""
    if any(free[zone] < share for zone in members):
        return None
    shares = [(zone, share) for zone in members if share]
    left = {zone: cpus - share if zone in members else cpus for zone, cpus in free.items()}
    while left_over > 0:
        able = [zone for zone in rest if left[zone] >= group]
        if not able:
            return None
        for zone in able:
            if left_over > 0 and left[zone] >= group:
                left[zone] -= group
                left_over -= group
                shares.append((zone, group))
    return shares
