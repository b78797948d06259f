"""Guest cells from counts alone: how many vCPUs each zone gets when only the CPUs per zone are known, not their ids."""

from collections.abc import Sequence

__all__ = ["cells_by_counts", "counts_decide"]


def cells_by_counts(
    cpus_per_zone: Sequence[int], cores: int, threads: int, whole_cores: Sequence[int] | None = None
) -> tuple[tuple[int, int], ...]:
    """(position of the zone, its vCPUs) for each zone that gets any; empty: the guest's cores do not fit (strict).

    `cpus_per_zone`: CPUs of the cpuset in each zone, zones by id. `cores`, `threads`: the guest's cores in all and
    threads per core. `whole_cores`: guest cores that each zone can place inside single host cores, the sum of
    (free threads of a host core) // threads; not given: as if no host core was split.

    Strict pinning (pinning.py) fills zone by zone with whole cores, then zone by zone with fragments; in the end a
    zone can hold cpus // threads guest cores. Exact with one thread per core. Exact with more if `whole_cores` is
    given, or if `counts_decide`. Not on a host whose sibling text KubeVirt misreads in part (host_topology.py):
    there a CPU is handed out twice.
    """
    room = [cpus // threads for cpus in cpus_per_zone]
    first = room if whole_cores is None else whole_cores
    taken = [0] * len(room)
    missing = cores
    for limit in (first, room):
        for zone, most in enumerate(limit):
            more = min(missing, most - taken[zone])
            taken[zone] += more
            missing -= more
    if missing:
        return ()
    return tuple((zone, count * threads) for zone, count in enumerate(taken) if count)


def counts_decide(cpus_per_zone: Sequence[int], cores: int, threads: int) -> bool:
    """Whether the answer without `whole_cores` is exact whatever CPUs the counts stand for.

    So it is with one thread per core, with all CPUs in one zone, and where every zone must give all it can.
    """
    room = [cpus // threads for cpus in cpus_per_zone]
    return threads == 1 or sum(map(bool, room)) <= 1 or sum(room) <= cores
