"""A machine of a node's shape, made from counts, for nodes that do not state theirs.

Counts per zone are exact; what is assumed: cores are numbered zone by zone, then their second threads in
the same order (as most x86 servers do), reserved CPUs are whole cores from the first of their zone, zones that are
nearest to each other share a socket. The assumption can only be wrong where the
CPU Manager's choice depends on ids: which zone gives the odd CPU of a VM that spans zones.
"""

from dataclasses import replace

from extender.cache.nodes.nrt import Nrt, NrtZone
from extender.kubelet.model import Core, KubeletConfig, Machine, ReservedMemory, Zone

__all__ = ["page_bytes", "synthetic_config", "synthetic_machine"]

_PAGES = "hugepages-"
_LOCAL = 10
_REMOTE = 20
#: The kubelet wants some memory reserved; allocatable is counted after it, so this much is added and reserved again.
_RESERVED_BYTES = 1 << 20
#: Id of the only CPU of a machine whose report names none: the kubelet twin wants one.
_ONLY_CPU = 8191
#: Bytes per zone of what the report leaves out: the twin's answer shall not hang on it.
_PLENTY = 1 << 42


def synthetic_machine(nrt: Nrt, threads: int, left_out: frozenset[str] = frozenset()) -> Machine:
    """A machine with the report's zones; `threads` hardware threads per core where the count divides.

    `left_out`: memory resources that the node has and the report does not name. There is plenty of them.
    """
    sockets = _sockets(nrt)
    counts = [_capacity(zone) for zone in nrt.zones]
    widths = [threads if cpus % threads == 0 else 1 for cpus in counts]
    cores_in_all = sum(cpus // width for cpus, width in zip(counts, widths, strict=True))
    zones = []
    first = 0
    for zone, socket, cpus, width in zip(nrt.zones, sockets, counts, widths, strict=True):
        cores = tuple(
            Core(socket, None, tuple(first + core + thread * cores_in_all for thread in range(width)))
            for core in range(cpus // width)
        )
        first += cpus // width
        if zone is nrt.zones[0] and not any(counts):
            cores += (Core(socket, None, (_ONLY_CPU,)),)
        pages = _pages(zone)
        for name in left_out:
            if name.startswith(_PAGES):
                size = name.removeprefix(_PAGES)
                pages[size] = _PLENTY // page_bytes(size)
        memory = _PLENTY if "memory" in left_out else zone.allocatable.get("memory", 0)
        zones.append(
            Zone(
                id=zone.id,
                memory_bytes=memory
                + sum(_bytes_of(zone, size, count) for size, count in pages.items())
                + (_RESERVED_BYTES if zone is nrt.zones[0] else 0),
                hugepages=pages,
                distances=_distances(nrt, zone),
                cores=cores,
            )
        )
    return Machine(sockets=len(set(sockets)), zones=tuple(zones))


def synthetic_config(config: KubeletConfig, machine: Machine, nrt: Nrt) -> KubeletConfig:
    """`config` with the reserved CPUs that the counts show, and memory already counted after reservation."""
    reserved: set[int] = set()
    for zone, known in zip(nrt.zones, machine.zones, strict=True):
        cpus = [cpu for core in known.cores for cpu in core.threads]
        held_back = _capacity(zone) - min(_capacity(zone), zone.allocatable.get("cpu", 0))
        if zone.allocatable.get("cpu"):
            reserved.update(cpus[:held_back])
    if not any(_capacity(zone) for zone in nrt.zones):
        reserved = {_ONLY_CPU}
    first = ReservedMemory(machine.zones[0].id, {"memory": _RESERVED_BYTES})
    return replace(
        config,
        reserved_system_cpus=frozenset(reserved),
        reserved_cpu_count=0,
        reservation_hidden=not reserved,
        reserved_memory=(first,) if config.memory_manager_policy == "Static" else (),
    )


def _capacity(zone: NrtZone) -> int:
    return max(zone.capacity.get("cpu", 0), zone.allocatable.get("cpu", 0))


def _pages(zone: NrtZone) -> dict[str, int]:
    """Pages per size that the zone allocates; sizes as in the resource name."""
    pages = {}
    for name, amount in zone.allocatable.items():
        if name.startswith(_PAGES):
            size = name.removeprefix(_PAGES)
            pages[size] = amount // page_bytes(size)
    return pages


def _bytes_of(zone: NrtZone, size: str, count: int) -> int:
    """What the report says; for pages that it leaves out, their size."""
    return zone.allocatable.get(_PAGES + size, count * page_bytes(size))


def page_bytes(size: str) -> int:
    """Bytes of one page of a size such as 2Mi; 1 for a text that is no size, so that amounts stay bytes."""
    units = {"Ki": 10, "Mi": 20, "Gi": 30}
    number, unit = size[:-2], size[-2:]
    return int(number) << units[unit] if unit in units and number.isdecimal() and len(number) < 6 else 1


def _distances(nrt: Nrt, zone: NrtZone) -> tuple[int, ...]:
    return tuple(zone.costs.get(other.id, _LOCAL if other.id == zone.id else _REMOTE) for other in nrt.zones)


def _sockets(nrt: Nrt) -> list[int]:
    """A socket per zone: nearest zones share one where the distances form clean groups."""
    zones = nrt.zones
    one_each = list(range(len(zones)))
    if len(zones) < 3:
        return one_each
    rows = [_distances(nrt, zone) for zone in zones]
    nearest = min(value for i, row in enumerate(rows) for j, value in enumerate(row) if i != j)
    farthest = max(value for row in rows for value in row)
    if nearest == farthest:
        return one_each
    groups = [frozenset(j for j, value in enumerate(row) if i == j or value == nearest) for i, row in enumerate(rows)]
    if any(groups[j] != group for group in groups for j in group):
        return one_each
    order = sorted(set(groups), key=min)
    return [order.index(group) for group in groups]
