"""The plan of a run: the VMs and where they start, those that end before any migration, and the list of migrations.

All of it follows from the seed alone, so every contestant meets the same VMs on the same CPUs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from extender.sample.vms import InstanceType
from tests.kit.admission.fleet import fleet
from tests.kit.vms import Mix

__all__ = ["MIX", "Plan"]

Json = dict[str, Any]

_1GI: Final = "1Gi"
#: Guests with cells, one half of which can grow; dedicated CPUs without cells; shared CPUs. Shares in percent.
MIX: Final[Mix] = (
    (InstanceType("cx1.xlarge1gi", 4, 8, _1GI, passthrough=True, hotplug=False), 8),
    (InstanceType("cx1.2xlarge1gi", 8, 16, _1GI, passthrough=True, hotplug=False), 12),
    (InstanceType("cx1.4xlarge1gi", 16, 32, _1GI, passthrough=True, hotplug=False), 14),
    (InstanceType("cx1.8xlarge1gi", 32, 64, _1GI, passthrough=True, hotplug=False), 6),
    (InstanceType("rt1.large", 2, 8, _1GI, passthrough=True, realtime=True), 6),
    (InstanceType("rt1.xlarge", 4, 16, _1GI, passthrough=True, realtime=True), 10),
    (InstanceType("rt1.2xlarge", 8, 32, _1GI, passthrough=True, realtime=True), 14),
    (InstanceType("rt1.4xlarge", 16, 64, _1GI, passthrough=True, realtime=True), 6),
    (InstanceType("n1.xlarge", 8, 16, _1GI), 6),
    (InstanceType("d1.xlarge", 4, 16), 6),
    (InstanceType("d1.2xlarge", 8, 32), 6),
    (InstanceType("u1.large", 2, 8, dedicated=False), 6),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """One run. `scheduler` is fastfit or default; `vms` are created, and `ends` of them end before the migrations."""

    seed: int
    scheduler: str = "fastfit"
    moves: int = 200
    nodes: int = 30
    vms: int = 300
    ends: float = 0.2

    def fleet(self) -> list[Json]:
        """The nodes, as `hollow-kubelets --nodes` takes them."""
        return sorted(fleet(self.seed), key=lambda node: Random(f"{self.seed} {node['name']}").random())[: self.nodes]

    def order(self, vm: str) -> list[str]:
        """Nodes in the order in which a VM is tried on them at its start."""
        names = sorted(node["name"] for node in self.fleet())
        Random(f"{self.seed} {vm} start").shuffle(names)
        return names

    def ended(self, running: Sequence[str]) -> list[str]:
        """VMs that end before the first migration, out of those that started."""
        return Random(f"{self.seed} ends").sample(sorted(running), int(len(running) * self.ends))

    def migrations(self, movable: Sequence[str]) -> list[tuple[str, bool]]:
        """Which VMs to migrate in order, and whether each gets more vCPUs by it, if it can."""
        random = Random(f"{self.seed} moves")
        return [(random.choice(sorted(movable)), random.random() < _PLUGS) for _ in range(self.moves)]


#: Share of migrations that grow their VM, where it can.
_PLUGS: Final = 0.4
