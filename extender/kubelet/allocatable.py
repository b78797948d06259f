"""What a kubelet reports as its node's allocatable: capacity less reservations, hard eviction and huge pages.

Rules (Kubernetes 1.36): pkg/kubelet/nodestatus/setters.go (MachineInfo), pkg/kubelet/cm/node_container_manager_linux.go
(GetNodeAllocatableReservation), cmd/kubelet/app/server.go (reservedSystemCPUs replaces reserved CPUs; evictionHard has a
default only where the file does not name it).
"""

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from extender.api.quantity import milli, whole
from extender.errors import BadObject
from extender.kubelet.memory_manager import page_bytes
from extender.kubelet.model import KubeletConfig, Machine
from extender.kubelet.predicates import Allocatable

__all__ = ["MAX_PODS", "Reservations", "allocatable_of", "node_allocatable", "reservations_of", "stated_reservations"]

#: The kubelet's default of maxPods.
MAX_PODS = 110
_EVICTION = "memory.available"
#: The kubelet's default of evictionHard for memory (pkg/kubelet/eviction/defaults_linux.go).
_EVICTION_DEFAULT = "100Mi"
_RESERVED = ("kubeReserved", "systemReserved")
#: What every kubelet reports of its node.
_ALWAYS = ("cpu", "memory", "ephemeral-storage", "pods")


@dataclass(frozen=True, slots=True)
class Reservations:
    """What is not for pods: CPUs in thousandths, memory in bytes. `eviction`: its hard threshold, bytes or a percentage.

    Numbers of pods: 0 where they are not stated.
    """

    cpu: int = 0
    memory: int = 0
    eviction: str = _EVICTION_DEFAULT
    max_pods: int = 0
    pods_per_core: int = 0


def allocatable_of(machine: Machine, reserved: Reservations, devices: Mapping[str, Mapping[int, int]]) -> Allocatable:
    """Return a machine's allocatable. A machine does not state its disk, so ephemeral-storage is not known."""
    cpus = sum(len(core.threads) for zone in machine.zones for core in zone.cores)
    memory = sum(zone.memory_bytes for zone in machine.zones)
    pages: dict[str, int] = {}
    for zone in machine.zones:
        for size, count in zone.hugepages.items():
            name = f"hugepages-{size}"
            pages[name] = pages.get(name, 0) + count * page_bytes(size)
    left = max(0, memory - reserved.memory - _threshold(reserved.eviction, memory)) - sum(pages.values())
    pods = reserved.max_pods or MAX_PODS
    if reserved.pods_per_core:
        pods = min(pods, cpus * reserved.pods_per_core)
    amounts = {"cpu": max(0, 1000 * cpus - reserved.cpu), "memory": max(0, left), "pods": pods, **pages}
    amounts.update({resource: sum(counts.values()) for resource, counts in devices.items()})
    return Allocatable(amounts, frozenset({"ephemeral-storage"}))


def node_allocatable(reported: Mapping[str, str | int | float] | None) -> Allocatable:
    """Return what a Node reports in status.allocatable. Of what every kubelet reports, a name that is missing is unknown."""
    amounts = {}
    for name, value in (reported or {}).items():
        try:
            amounts[name] = milli(value) if name == "cpu" else whole(value)
        except BadObject as fault:
            raise BadObject(f"status.allocatable: {name}: {fault}") from None
    unknown = frozenset(name for name in _ALWAYS if name not in amounts)
    return Allocatable(amounts, unknown, partial=bool(unknown))


def stated_reservations(config: KubeletConfig) -> Reservations:
    """Return what the fields that decide admission say: with the Memory Manager Static, its reservedMemory is all memory
    that is reserved, the eviction threshold included, or the kubelet does not start.
    """
    cpus = len(config.reserved_system_cpus) or config.reserved_cpu_count
    memory = [entry.limits["memory"] for entry in config.reserved_memory if "memory" in entry.limits]
    if config.memory_manager_policy == "Static" and memory:
        return Reservations(1000 * cpus, sum(memory), "0%")
    return Reservations(1000 * cpus)


def reservations_of(content: Mapping[str, object], config: KubeletConfig, where: str) -> Reservations:
    """Return what a KubeletConfiguration reserves. Raises BadObject whose text starts with `where`."""
    cpu = memory = 0
    for field in _RESERVED:
        amounts = _map(content, field, where)
        memory += _quantity(amounts, "memory", f"{where}: {field}", whole)
        cpu += _quantity(amounts, "cpu", f"{where}: {field}", milli)
    if config.reserved_system_cpus:
        cpu = 1000 * len(config.reserved_system_cpus)
    eviction = _EVICTION_DEFAULT
    if content.get("evictionHard") is not None:
        stated = _map(content, "evictionHard", where)
        merged = content.get("mergeDefaultEvictionSettings") is True
        eviction = str(stated.get(_EVICTION, _EVICTION_DEFAULT if merged else "0%"))
        try:
            _threshold(eviction, 0)
        except (BadObject, ValueError):
            raise BadObject(
                f"{where}: evictionHard: {_EVICTION}: {eviction!r} is no amount and no percentage"
            ) from None
    pods = _number(content, "maxPods", where), _number(content, "podsPerCore", where)
    return Reservations(cpu, memory, eviction, *pods)


def _threshold(text: str, capacity: int) -> int:
    if not text.endswith("%"):
        return whole(text)
    # The kubelet keeps percentages in 32 bits; 0% and 100% switch the threshold off.
    share = ctypes.c_float(ctypes.c_float(float(text.rstrip("%"))).value / 100).value
    return 0 if text in ("0%", "100%") else int(capacity * share)


def _map(content: Mapping[str, object], name: str, where: str) -> Mapping[str, object]:
    value = content.get(name) or {}
    if not isinstance(value, dict):
        raise BadObject(f"{where}: {name} is not an object")
    return value


def _quantity(amounts: Mapping[str, object], name: str, where: str, read: Callable[[str | int | float], int]) -> int:
    value = amounts.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadObject(f"{where}.{name} is not a quantity")
    try:
        return read(value)
    except BadObject as fault:
        raise BadObject(f"{where}.{name}: {fault}") from None


def _number(content: Mapping[str, object], name: str, where: str) -> int:
    value = content.get(name) or 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadObject(f"{where}: {name}: {value!r} is not a number")
    return value
