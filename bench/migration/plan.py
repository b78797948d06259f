"""The plan of a run: the nodes, and one list of arrivals, ends and migrations for all contestants."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from extender.sample.vms import InstanceType, Vm
from tests.kit.machines import SHAPES

__all__ = ["LOADS", "POLICIES", "ZONES", "Boot", "End", "Event", "Move", "Setting", "events", "kubelet", "machine"]

POLICIES: Final = ("none", "best-effort", "restricted", "single-numa-node")
LOADS: Final = (50, 75, 85)
#: Real machines by number of zones: 2 x 40, 4 x 20 and 8 x 16 CPUs.
ZONES: Final[Mapping[int, str]] = {2: "H1", 4: "H2", 8: "H8"}
#: vCPUs of VMs that take less than half a zone, more than half, and more than a zone; one more CPU is the emulator's.
_SIZES: Final = {
    2: ((4, 8, 12, 16), (22, 28, 32), (48, 60)),
    4: ((2, 4, 8), (10, 12, 14), (24, 28)),
    8: ((2, 4, 6), (10, 12), (18, 22, 24)),
}
#: Share of each size among arrivals, and of VMs that end and are replaced before anything migrates.
_SHARES: Final = (60, 30, 10)
_CHURN: Final = 0.5
#: 1Gi pages of a zone for each of its CPUs; guests have 1Gi per vCPU.
_PAGES_PER_CPU: Final = 1.25


@dataclass(frozen=True, slots=True)
class Setting:
    """One case: Topology Manager policy, zones per machine, CPUs requested in percent of all, and the seed."""

    policy: str
    zones: int
    load: int
    seed: int
    nodes: int
    moves: int


@dataclass(frozen=True, slots=True)
class Boot:
    """A VM is created."""

    vm: Vm


@dataclass(frozen=True, slots=True)
class End:
    """A VM is stopped for good."""

    name: str


@dataclass(frozen=True, slots=True)
class Move:
    """A VM is to be migrated."""

    name: str


Event = Boot | End | Move


def machine(zones: int) -> dict[str, Any]:
    """The machine in the golden format."""
    bare = SHAPES[ZONES[zones]](None)
    pages = {zone["id"]: {"1Gi": int(_cpus(zone) * _PAGES_PER_CPU)} for zone in bare["numa"]}
    return SHAPES[ZONES[zones]](pages)


def kubelet(policy: str, zones: int) -> dict[str, Any]:
    """Its kubelet: CPU Manager static, one core of each zone reserved, no Memory Manager."""
    first = [cpu for zone in machine(zones)["numa"] for cpu in zone["cores"][0]["threads"]]
    return {
        "topologyManagerPolicy": policy,
        "topologyManagerScope": "container",
        "cpuManagerPolicy": "static",
        "memoryManagerPolicy": "None",
        "reservedSystemCPUs": ",".join(map(str, first)),
    }


def events(setting: Setting) -> Iterator[Event]:
    """Arrivals up to the load, half of the VMs replaced by others, then migrations of random VMs.

    VMs of more than a zone never start under single-numa-node, so none is created there.
    """
    random = Random(f"{setting.zones} {setting.load} {setting.seed} {setting.policy == 'single-numa-node'}")
    made = machine(setting.zones)["numa"]
    capacity = setting.nodes * sum(_cpus(zone) - len(zone["cores"][0]["threads"]) for zone in made)
    running: dict[str, int] = {}
    for number in range(100_000):
        vm = _vm(random, number, setting)
        if (sum(running.values()) + vm.cpus) * 100 > capacity * setting.load:
            break
        running[vm.name] = vm.cpus
        yield Boot(vm)
    for number in range(int(len(running) * _CHURN)):
        gone = random.choice(sorted(running))
        del running[gone]
        yield End(gone)
        vm = _vm(random, 100_000 + number, setting)
        if (sum(running.values()) + vm.cpus) * 100 <= capacity * setting.load:
            running[vm.name] = vm.cpus
            yield Boot(vm)
    for _ in range(setting.moves):
        yield Move(random.choice(sorted(running)))


def _vm(random: Random, number: int, setting: Setting) -> Vm:
    shares = _SHARES[:2] if setting.policy == "single-numa-node" else _SHARES
    sizes = _SIZES[setting.zones][: len(shares)]
    vcpus = random.choice(random.choices(sizes, shares)[0])
    kind = InstanceType(f"bench.{vcpus}", vcpus, vcpus, "1Gi", passthrough=True, hotplug=False)
    return Vm(f"vm-{number}", kind)


def _cpus(zone: Mapping[str, Any]) -> int:
    return sum(len(core["threads"]) for core in zone["cores"])
