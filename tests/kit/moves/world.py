"""The actual outcome of every boot and every migration, computed from the cpusets that the kubelets gave.

Nothing here uses what the extender says. Domains follow from the real cpuset of each boot and target by KubeVirt's rules
(extender/kubevirt, which is tested against the real code), refusals follow by libvirt's rules, and huge pages have an
accounting of their own. Beside each real kubelet runs a twin. It only answers what other nodes would have done.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from extender.api.objects import Pod
from extender.kubelet.admission import Kubelet
from extender.kubelet.cpuset import bits, parse_cpus
from extender.kubelet.facts_json import config_from_json, machine_from_json
from extender.kubelet.pod import PodDemand, pod_demand
from extender.kubelet.results import Refused
from extender.kubevirt.guest.boot import boot
from extender.kubevirt.guest.domain import Domain, GuestError, is_symmetric, local_share
from extender.kubevirt.guest.host_topology import HostTopology
from extender.kubevirt.launcher_pod import COMPUTE, Guest
from extender.kubevirt.migration.target_domain import libvirt_refusal, migrate
from extender.placement.outcomes import Outcome
from tests.kit.admission.judge import Judged, PageAccounting, Taken, fits_sums, guest_for

__all__ = ["CERTAIN_FAILURES", "Judgement", "Vm", "World", "cpus_of"]

Json = dict[str, Any]

#: The target is bound and admitted, but the migration fails: KubeVirt or libvirt refuses, or QEMU finds no memory.
CERTAIN_FAILURES: Final = frozenset({Outcome.MORE_CELLS, Outcome.PAGES_SHORT, Outcome.NO_FIT})


@dataclass(slots=True)
class Vm:
    """A VM that runs. `sockets` run, `guest` is its spec now; `pod` as it was created, with what the server wrote."""

    name: str
    node: str
    pod: Json
    instance: Json
    guest: Guest
    domain: Domain
    sockets: int

    @property
    def uid(self) -> str:
        """The UID of the pod that runs it."""
        return str(self.pod["metadata"]["uid"])

    @property
    def grows(self) -> bool:
        """Whether its spec asks for more sockets than run."""
        return self.sockets < self.guest.size.sockets


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome of a migration: zones with a vCPU and how many each has, share of vCPUs local to their memory."""

    outcome: Outcome
    zones: tuple[int, ...] = ()
    cells: tuple[int, ...] = ()
    local: float | None = None
    text: str = ""
    #: the domain on the target where the guest arrives
    domain: Domain | None = None

    @property
    def arrives(self) -> bool:
        """Whether the VM runs on the target afterwards."""
        return self.outcome not in CERTAIN_FAILURES and self.outcome is not Outcome.KUBELET_REFUSES


class World:
    """The nodes of a fleet and the VMs that run there."""

    def __init__(self, fleet: Sequence[Json], objects: Mapping[str, Json]) -> None:
        """`objects`: the Node objects, by name."""
        self.vms: dict[str, Vm] = {}
        self._objects = objects
        self._pods: dict[str, dict[str, Json]] = {node["name"]: {} for node in fleet}
        #: pages that the guest in a pod touched, by UID of the pod
        self._taken: dict[str, Taken] = {}
        self._page_accounting = {node["name"]: PageAccounting(node) for node in fleet}
        self._twins = {
            node["name"]: Kubelet(
                machine_from_json(node["machine"], node["name"]), config_from_json(node["kubelet"], node["name"])
            )
            for node in fleet
        }
        #: pods to which a twin gave other CPUs than its kubelet did
        self.twins_wrong: list[str] = []

    def topology(self, node: str) -> HostTopology:
        """The node's machine as KubeVirt sees it."""
        return self._page_accounting[node].topology

    def load(self) -> float:
        """CPUs held, in percent of those that may be given."""
        zones = [zone for twin in self._twins.values() for zone in twin.counts().zones]
        most = sum(zone.cpu_total - zone.cpu_reserved for zone in zones)
        return 100 * (1 - sum(zone.cpu_free for zone in zones) / most)

    # --- where VMs may start -----------------------------------------------------------------------------

    def would_start(self, node: str, pod: Json, instance: Json) -> bool:
        """Whether the kubelet would admit the pod, which has no UID yet, and the guest would boot on what it gets."""
        if not fits_sums(pod, self._objects[node], self._pods[node].values()):
            return False
        answer = self._twins[node].clone().admit(_demand(pod))
        if isinstance(answer, Refused):
            return False
        guest = guest_for(instance)
        place = answer.containers[COMPUTE]
        if not guest.dedicated:
            return True
        domain = boot(self._page_accounting[node].topology, place.cpus, guest.size)
        return isinstance(domain, Domain) and not self._page_accounting[node].missing_pages(domain, guest.pages)

    def start(self, name: str, pod: Json, instance: Json, verdict: Judged) -> None:
        """The VM boots, with this verdict of its kubelet. Raises ValueError if it does not run: the plan was wrong."""
        self.meet(pod, verdict)
        guest, pages = guest_for(instance), self._page_accounting[verdict.node]
        if not verdict.admitted or pages.obstacle(guest, verdict.holdings):
            raise ValueError(f"{name} on {verdict.node}: {verdict.reason} {verdict.message}")
        domain = boot(pages.topology, cpus_of(verdict), guest.size) if guest.dedicated else _NO_GUEST
        assert isinstance(domain, Domain)
        self._taken[verdict.uid] = pages.take(pod, guest, verdict.holdings)
        self.vms[name] = Vm(name, verdict.node, pod, instance, guest, domain, guest.size.sockets)

    def stop(self, name: str) -> Vm:
        """The VM ends, and its pod with it."""
        gone = self.vms.pop(name)
        self.leave(gone.node, gone.uid)
        return gone

    # --- migrations ----------------------------------------------------------------------------------------

    def meet(self, pod: Json, verdict: Judged) -> None:
        """Play a kubelet's verdict on its twin; verdicts must come in the order in which they were given."""
        answer = self._twins[verdict.node].admit(_demand(pod))
        given = frozenset() if isinstance(answer, Refused) else answer.containers[COMPUTE].cpus
        if isinstance(answer, Refused) == verdict.admitted or (
            verdict.admitted and given != frozenset(cpus_of(verdict))
        ):
            self.twins_wrong.append(f"{verdict.pod} on {verdict.node}")
        if verdict.admitted:
            self._pods[verdict.node][verdict.uid] = pod

    def leave(self, node: str, uid: str) -> None:
        """Remove a pod from a node, admitted or not, and free the pages that its guest had touched."""
        self._page_accounting[node].give_back(self._taken.pop(uid, ()))
        self._pods[node].pop(uid, None)
        self._twins[node].remove(uid)

    def judge(self, vm: Vm, verdict: Judged) -> Judgement:
        """The outcome of the migration whose target got this verdict."""
        if not verdict.admitted:
            return Judgement(Outcome.KUBELET_REFUSES, text=f"{verdict.reason}: {verdict.message}")
        return self._judge(vm, verdict.node, cpus_of(verdict))

    def move(self, vm: Vm, pod: Json, verdict: Judged, judged: Judgement) -> None:
        """The VM runs in the target pod from now on, with all sockets of its spec. Its source pod still exists."""
        assert judged.domain is not None
        pages = self._page_accounting[verdict.node]
        if vm.guest.size.passthrough:
            self._taken[verdict.uid] = pages.take_cells(judged.domain, vm.guest.pages)
        else:
            self._taken[verdict.uid] = pages.take(pod, vm.guest, verdict.holdings)
        vm.node, vm.pod, vm.sockets = verdict.node, pod, vm.guest.size.sockets
        vm.domain = replace(judged.domain, vcpus=vm.guest.size.vcpus)

    def could(self, vm: Vm, target: Json) -> Iterator[tuple[str, Judgement]]:
        """Nodes that kube-scheduler's own sums allow for this target, and the outcome on each by its twin."""
        for node, twin in self._twins.items():
            if node == vm.node or not fits_sums(target, self._objects[node], self._pods[node].values()):
                continue
            answer = twin.clone().admit(_demand(target))
            if isinstance(answer, Refused):
                yield node, Judgement(Outcome.KUBELET_REFUSES, text=answer.reason)
            else:
                yield node, self._judge(vm, node, sorted(answer.containers[COMPUTE].cpus))

    def _judge(self, vm: Vm, node: str, cpus: Sequence[int]) -> Judgement:
        pages, size = self._page_accounting[node], vm.guest.size
        moved = migrate(vm.domain, pages.topology, cpus, size, enabled_sockets=vm.sockets)
        if isinstance(moved, GuestError):
            return Judgement(Outcome.NO_FIT, text=moved.text)
        if not size.passthrough:
            return Judgement(Outcome.NOT_NUMA, domain=moved)
        zones = moved.memnodes
        cells = tuple(sum(zone == at for at in moved.pin_zones) for zone in zones)
        refusal = libvirt_refusal(moved)
        if refusal is not None:
            return Judgement(Outcome.MORE_CELLS, zones, cells, text=refusal)
        missing = pages.missing_pages(moved, vm.guest.pages)
        if missing:
            return Judgement(Outcome.PAGES_SHORT, zones, cells, text=missing)
        if is_symmetric(moved):
            outcome = Outcome.SYMMETRIC
        else:
            outcome = Outcome.FEWER_CELLS if len(zones) < len(moved.cells) else Outcome.OTHER_SPLIT
        return Judgement(outcome, zones, cells, float(local_share(moved)), domain=moved)


#: Stands for a VM on shared CPUs, which is never migrated here.
_NO_GUEST: Final = Domain(vcpus=0, max_vcpus=0, pins=(), pin_zones=())


def _demand(pod: Json) -> PodDemand:
    return pod_demand(msgspec.convert(pod, Pod))


def cpus_of(verdict: Judged) -> list[int]:
    """The CPUs of the container `compute`, ascending."""
    return list(bits(parse_cpus(verdict.holdings[COMPUTE]["cpus"], verdict.pod)))
