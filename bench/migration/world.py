"""The outcome of a boot or a migration on the chosen node, by the kubelet twin, KubeVirt's rules and libvirt's.

Every contestant has a world of its own, with the same machines. A world does not depend on how nodes are chosen.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from bench.migration.plan import Setting, kubelet, machine
from extender.kubelet.admission import Kubelet
from extender.kubelet.facts_json import config_from_json, machine_from_json
from extender.kubelet.pod import PodDemand
from extender.kubelet.results import Refused
from extender.kubevirt.guest.boot import boot
from extender.kubevirt.guest.domain import Domain, GuestError, is_symmetric, zone_pages
from extender.kubevirt.guest.host_topology import host_topology
from extender.kubevirt.guest.size import GuestSize
from extender.kubevirt.launcher_pod import COMPUTE
from extender.kubevirt.migration.target_domain import libvirt_refusal, migrate

__all__ = ["Outcome", "World"]


class Outcome(StrEnum):
    """The outcome of a migration, in the order of the chart."""

    SYMMETRIC = "symmetric"
    DEGRADED = "degraded"
    #: it was bound, and failed: the kubelet or libvirt refused, or pages were missing
    REFUSED = "refused"
    #: no node was chosen: the target waits
    WAITS = "waits"


@dataclass(slots=True)
class _Vm:
    """A VM that runs: in which pod, with which guest, on which pages per zone."""

    node: str
    uid: str
    domain: Domain
    pages: dict[int, int]


class World:
    """Nodes of one setting with the VMs that really run there."""

    def __init__(self, setting: Setting) -> None:
        made = machine_from_json(machine(setting.zones), "machine")
        empty = Kubelet(made, config_from_json(kubelet(setting.policy, setting.zones), "kubelet"))
        free = {zone.id: zone.hugepages["1Gi"] << 30 for zone in made.zones}
        self._host = host_topology(made)
        self._kubelets = {f"node-{number:02}": empty.clone() for number in range(setting.nodes)}
        self._free = {name: dict(free) for name in self._kubelets}
        self._vms: dict[str, _Vm] = {}

    def runs(self, vm: str) -> bool:
        """Whether the VM has been started and not stopped."""
        return vm in self._vms

    def start(self, vm: str, node: str, demand: PodDemand, size: GuestSize) -> str:
        """Boot the VM there; returns why it does not run, by the kubelet's reason where it refused; empty: it runs."""
        answer = self._kubelets[node].admit(demand)
        if isinstance(answer, Refused):
            return answer.reason
        domain = boot(self._host, answer.containers[COMPUTE].cpus, size)
        pages = self._pages(domain, node) if isinstance(domain, Domain) else None
        if isinstance(domain, GuestError) or pages is None:
            self._kubelets[node].remove(demand.uid)
            return "GuestCannotStart"
        self._vms[vm] = _Vm(node, demand.uid, domain, pages)
        self._take(node, pages)
        return ""

    def stop(self, vm: str) -> None:
        """The VM ends."""
        gone = self._vms.pop(vm)
        self._kubelets[gone.node].remove(gone.uid)
        self._take(gone.node, {zone: -amount for zone, amount in gone.pages.items()})

    def move(self, vm: str, node: str, demand: PodDemand, size: GuestSize) -> tuple[Outcome, str]:
        """The target pod is bound there. Returns the outcome and the kubelet's reason where it refused."""
        target = self._kubelets[node]
        outcome, found = self._judge(target, vm, node, demand, size)
        if isinstance(found, _Vm):
            self.stop(vm)
            self._vms[vm] = found
            self._take(node, found.pages)
            return outcome, ""
        target.remove(demand.uid)
        return outcome, found

    def could(self, vm: str, demand: PodDemand, size: GuestSize) -> Iterator[Outcome]:
        """The outcome on each other node, computed one at a time as the caller asks."""
        for node, target in self._kubelets.items():
            if node != self._vms[vm].node:
                yield self._judge(target.clone(), vm, node, demand, size)[0]

    def load(self) -> float:
        """Share of the allocatable CPUs that VMs hold."""
        zones = [zone for each in self._kubelets.values() for zone in each.counts().zones]
        most = sum(zone.cpu_total - zone.cpu_reserved for zone in zones)
        return 1 - sum(zone.cpu_free for zone in zones) / most

    def _judge(
        self, target: Kubelet, vm: str, node: str, demand: PodDemand, size: GuestSize
    ) -> tuple[Outcome, "_Vm | str"]:
        answer = target.admit(demand)
        if isinstance(answer, Refused):
            return Outcome.REFUSED, answer.reason
        moved = migrate(self._vms[vm].domain, self._host, answer.containers[COMPUTE].cpus, size)
        if isinstance(moved, GuestError) or libvirt_refusal(moved) is not None:
            return Outcome.REFUSED, ""
        pages = self._pages(moved, node)
        if pages is None:
            return Outcome.REFUSED, ""
        outcome = Outcome.SYMMETRIC if is_symmetric(moved) else Outcome.DEGRADED
        return outcome, _Vm(node, demand.uid, moved, pages)

    def _pages(self, domain: Domain, node: str) -> dict[int, int] | None:
        """Bytes per zone that the guest touches; None: pages are missing. Unbound memory takes the emptiest zone."""
        free, taken = self._free[node], dict(zone_pages(domain))
        if any(free[zone] < amount for zone, amount in taken.items()):
            return None
        rest = sum(cell.memory_bytes for cell in domain.cells) - sum(taken.values())
        for zone in sorted(domain.nodeset, key=lambda zone: taken[zone] - free[zone]):
            more = min(rest, free[zone] - taken[zone])
            taken[zone] += more
            rest -= more
        return None if rest else taken

    def _take(self, node: str, pages: dict[int, int]) -> None:
        for zone, amount in pages.items():
            self._free[node][zone] -= amount
