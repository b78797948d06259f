"""The resource managers of one kubelet, in the order in which the Topology Manager asks them and they allocate."""

from collections.abc import Mapping
from dataclasses import dataclass

from extender.kubelet.cpu_manager import CpuManager
from extender.kubelet.devices import DeviceManager
from extender.kubelet.memory_manager import MemoryManager
from extender.kubelet.pod import ContainerDemand, PodDemand
from extender.kubelet.topology_manager import ResourceHints

__all__ = ["HintLists", "Managers"]


@dataclass(frozen=True, slots=True)
class HintLists:
    """The answer of each manager; empty (None for CPU) where it gives no hints."""

    devices: list[ResourceHints]
    cpu: ResourceHints | None
    memory: list[ResourceHints]

    def all(self) -> list[ResourceHints]:
        """Return the answers in one list."""
        return [*self.devices, *([] if self.cpu is None else [self.cpu]), *self.memory]


@dataclass(slots=True)
class Managers:
    """The state of the Device, CPU and Memory Manager of one node."""

    devices: DeviceManager
    cpu: CpuManager
    memory: MemoryManager

    def clone(self) -> "Managers":
        """Return an independent copy."""
        return Managers(self.devices.clone(), self.cpu.clone(), self.memory.clone())

    def hints(self, pod: PodDemand, container: ContainerDemand | None, given: list[ResourceHints] | None) -> HintLists:
        """Return hints for one container, or with None for the pod. `given` replaces the Device Manager's hints."""
        if container is None:
            devices = self.devices.pod_hints(pod) if given is None else given
            return HintLists(devices, self.cpu.pod_hints(pod), self.memory.pod_hints(pod))
        devices = self.devices.hints(pod, container) if given is None else given
        return HintLists(devices, self.cpu.hints(pod, container), self.memory.hints(pod, container))

    def capacity(self, resource: str) -> dict[int, int]:
        """Return the capacity from which minimal width is computed: zone position -> amount, used or not.

        CPUs include reserved ones. Memory is without the reservation. Devices are all healthy ones.
        """
        if resource == "cpu":
            return {position: own.bit_count() for position, own in self.cpu.topology.zones.items()}
        if resource in self.devices.total:
            return dict(self.devices.total[resource])
        return {position: zone.allocatable.get(resource, 0) for position, zone in enumerate(self.memory.zones)}

    def sweep(self, active: Mapping[str, object]) -> None:
        """Free what pods held that are not active."""
        for manager in (self.devices, self.cpu, self.memory):
            manager.sweep(active)

    def restart(self) -> None:
        """Read the state files again. Raises CannotStart if one of them is not accepted."""
        for manager in (self.devices, self.cpu, self.memory):
            manager.restart()
