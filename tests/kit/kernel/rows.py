"""Rows and asks for kernel tests: by hand, and from the kubelet model's counts."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from _fastfit import Ask, CellsAsk, ContainerAsk, Entry, Placement, Policy, Row, Scope, ZoneRow
from extender.kubelet.admission import Kubelet
from extender.kubelet.pod import Kind, PodDemand
from tests.kit.kernel.backends import Backend

__all__ = ["GI", "GPU", "PAGES", "answer", "ask", "ask_of", "names", "place", "row", "row_of", "vm", "zone"]

GI = 1 << 30
PAGES = "hugepages-1Gi"
GPU = "example.com/gpu"
KINDS = {Kind.INIT: 0, Kind.SIDECAR: 1, Kind.APP: 2}
_POLICIES = {
    "none": Policy.NONE,
    "best-effort": Policy.BEST_EFFORT,
    "restricted": Policy.RESTRICTED,
    "single-numa-node": Policy.SINGLE_NUMA_NODE,
}


def zone(
    position: int,
    free: int,
    total: int = 16,
    *,
    socket: int | None = None,
    cores: int | None = None,
    threads: int = 2,
    memory: float = 32,
    pages: float = 32,
    used_memory: float = 0,
    used_pages: float = 0,
    physical: float | None = 32,
    **more: Any,
) -> ZoneRow:
    """A zone with amounts in GiB; one socket per zone, whole cores free."""
    allocatable = {"memory": int(memory * GI), PAGES: int(pages * GI)}
    free_memory = {"memory": int((memory - used_memory) * GI), PAGES: int((pages - used_pages) * GI)}
    return ZoneRow(
        id=position,
        socket=position if socket is None else socket,
        cpu_total=total,
        cpu_free=free,
        cores_free=free // threads if cores is None else cores,
        memory_allocatable=allocatable,
        memory_free=free_memory,
        pages_free=None if physical is None else {PAGES: int(physical * GI)},
        **more,
    )


def row(zones: Sequence[ZoneRow], policy: Policy = Policy.SINGLE_NUMA_NODE, name: str = "n", **more: Any) -> Row:
    """A node with static CPU Manager, two threads per core and 1Gi pages; no Memory Manager unless said."""
    settings: dict[str, Any] = {
        "cpu_static": True,
        "threads_per_core": 2,
        "physical_free": sum(own.cpu_free for own in zones),
        "page_sizes": frozenset({PAGES}),
        "distances": tuple(
            tuple(10 if one is other else 12 if one.socket == other.socket else 21 for other in zones) for one in zones
        ),
        **more,
    }
    return Row(name=name, zones=tuple(zones), policy=policy, **settings)


def ask(*parts: tuple[int, int, float, float], **more: Any) -> Ask:
    """A Guaranteed pod of (kind, CPUs, GiB of memory, GiB of 1Gi pages)."""
    return Ask(tuple(_part(*part) for part in parts), **more)


def _part(kind: int, cpus: int, memory: float, pages: float) -> ContainerAsk:
    amounts = (("memory", int(memory * GI)), (PAGES, int(pages * GI)))
    return ContainerAsk(kind, cpus, tuple(amount for amount in amounts if amount[1]))


def vm(cpus: int, pages: int, *, cores: int, threads: int = 1, sidecar: bool = True, guest: int | None = None) -> Ask:
    """A virt-launcher pod with guest NUMA passthrough: console-log sidecar, compute with an emulator thread or not."""
    parts = [ContainerAsk(1, 0, (("memory", 60_000_000),))] if sidecar else []
    parts.append(ContainerAsk(2, cpus, ((PAGES, pages * GI), ("memory", 444 << 20))))
    cells = CellsAsk(len(parts) - 1, cores, threads, PAGES, GI, (pages if guest is None else guest) * GI)
    return Ask(tuple(parts), dedicated=True, cells=cells)


def names(*rows: Row | str) -> bytes:
    """The raw array of these nodes' names, as Go writes it."""
    return json.dumps([one if isinstance(one, str) else one.name for one in rows], separators=(",", ":")).encode()


def answer(backend: Backend, node: Row, wanted: Ask) -> Entry:
    """The verdict of one node."""
    table = backend.table(node)
    entry: Entry = table.fit(table.prepare(wanted), names(node)).entries()[0]
    return entry


def place(backend: Backend, node: Row, wanted: Ask) -> Placement | None:
    """Where the pod would land on one node."""
    table = backend.table(node)
    placement: Placement | None = table.fit(table.prepare(wanted), names(node)).placement(node.name)
    return placement


def row_of(kubelet: Kubelet, name: str = "n") -> Row:
    """A node as its kubelet model counts it."""
    counts, config, machine = kubelet.counts(), kubelet.config, kubelet.machine
    reserved = kubelet._cpu.reserved
    zones = []
    for own, host in zip(counts.zones, machine.zones, strict=True):
        cpus = sum(1 << cpu for core in host.cores for cpu in core.threads)
        zones.append(
            ZoneRow(
                id=own.id,
                socket=own.socket,
                cpu_total=own.cpu_total,
                cpu_free=own.cpu_free,
                cores_free=own.cores_free,
                cpu_reserved=(cpus & reserved).bit_count(),
                memory_allocatable={name: amount.total for name, amount in own.memory.items()},
                memory_free={name: amount.free for name, amount in own.memory.items()},
                blocks=own.blocks,
                group=own.group,
                device_total={name: amount.total for name, amount in own.devices.items()},
                device_free={name: amount.free for name, amount in own.devices.items()},
            )
        )
    return Row(
        name=name,
        zones=tuple(zones),
        distances=tuple(tuple(host.distances) for host in machine.zones),
        policy=_POLICIES[config.topology_manager_policy],
        scope=Scope.POD if config.topology_manager_scope == "pod" else Scope.CONTAINER,
        prefer_closest=_on(config.topology_manager_policy_options, "prefer-closest-numa-nodes"),
        cpu_static=config.cpu_manager_policy == "static",
        memory_static=config.memory_manager_policy == "Static",
        full_pcpus_only=_on(config.cpu_manager_policy_options, "full-pcpus-only"),
        align_by_socket=_on(config.cpu_manager_policy_options, "align-by-socket"),
        spread=_on(config.cpu_manager_policy_options, "distribute-cpus-across-cores"),
        distribute=_on(config.cpu_manager_policy_options, "distribute-cpus-across-numa"),
        uncore=_on(config.cpu_manager_policy_options, "prefer-align-cpus-by-uncorecache") or counts.cut_zones,
        uneven=counts.uneven,
        devices_every_zone=counts.devices_every_zone,
        threads_per_core=counts.threads_per_core,
        physical_free=counts.physical_free,
        page_sizes=frozenset(f"hugepages-{size}" for host in machine.zones for size in host.hugepages),
    )


def _on(options: Mapping[str, str], name: str) -> bool:
    return options.get(name, "false").lower() == "true"


def ask_of(demand: PodDemand) -> Ask:
    """A pod as the kernel is asked about it. Pod-level resources pin nothing at the default gates."""
    if demand.pod_level:
        return Ask(())
    return Ask(
        tuple(
            ContainerAsk(KINDS[part.kind], part.exclusive_cpus, part.memory, part.devices) for part in demand.containers
        ),
    )
