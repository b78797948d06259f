"""Rows of live migrations: the outcome table M1-M10, the documented table of sizes and policies, and what it does not list.

The kubelet twin gives the cpusets of source and target, the guest model says what becomes of the guest there; KubeVirt's
own code and the real libvirt are asked about the same cases in tests/unit/placement. S: guest cells of the boot, T: zones with a vCPU on the
target. Hosts: 2 zones of 32 CPUs (16 cores x 2), one core per zone reserved, 64 x 1Gi pages per zone, unless a row says
otherwise. Sizes: small < half a zone, large > half a zone, XL > a zone; one more CPU for the emulator.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from fractions import Fraction
from typing import Any, Final

from extender.kubelet.admission import Kubelet
from extender.kubelet.cpuset import format_cpus, from_ids
from extender.kubelet.facts_json import config_from_json, machine_from_json
from extender.kubelet.pod import pod_demand
from extender.kubelet.results import TOPOLOGY, UNEXPECTED, Admitted, Refused
from extender.kubevirt.guest.boot import boot
from extender.kubevirt.guest.domain import Domain, GuestError, local_share, unbound_bytes, zone_pages
from extender.kubevirt.migration.target_domain import libvirt_refusal, migrate
from tests.kit.golden import cpus_of, size_of
from tests.kit.objects import GI, machine, pod


class Outcome(Enum):
    """What becomes of a migration."""

    SYMMETRIC = "T = S, the same vCPUs per cell"
    OTHER_SPLIT = "T = S, other vCPUs per cell"
    FEWER_CELLS = "T < S"
    MORE_CELLS = "T > S: libvirt refuses"
    PAGES_SHORT = "a zone has not the pages of the cells bound to it"
    LAUNCHER_FAILS = "KubeVirt cannot build the domain"
    KUBELET_REFUSES = "the kubelet refuses the target's pod"


@dataclass(frozen=True)
class Vm:
    """A VM with passthrough, as many sockets as its vCPUs need, and guest memory in pages of 1Gi."""

    vcpus: int
    gib: int
    threads: int = 1
    #: isolateEmulatorThread: one more CPU
    isolate: bool = True
    #: the console's side container, which KubeVirt adds by default
    sidecar: bool = True

    @property
    def golden(self) -> dict[str, Any]:
        """The `vm` object of the golden format."""
        return {
            "sockets": self.vcpus // self.threads,
            "cores": 1,
            "threads": self.threads,
            "memory": f"{self.gib}Gi",
            "pageSize": "1Gi",
            "isolateEmulatorThread": self.isolate,
            "passthrough": True,
        }


@dataclass(frozen=True)
class Host:
    """A node: its kubelet's policy, its machine, and the CPUs of the pods that were there first, in order."""

    policy: str
    busy: tuple[int, ...] = ()
    zones: int = 2
    cores: int = 16
    threads: int = 2
    #: 1Gi pages of each zone
    pages: tuple[int, ...] = (64, 64)
    memory_manager: bool = False
    #: distance between two zones
    far: int = 21
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def machine(self) -> dict[str, Any]:
        """The machine in the golden format."""
        made = machine(self.zones, self.cores, self.threads, memory_gi=256)
        for zone, pages in zip(made["numa"], self.pages, strict=True):
            zone["hugepages"] = {"1Gi": pages}
            zone["distances"] = [10 if other == zone["id"] else self.far for other in range(self.zones)]
        return made

    @property
    def config(self) -> dict[str, Any]:
        """Its kubelet's configuration in the golden format."""
        made = self.machine
        return {
            "topologyManagerPolicy": self.policy,
            "cpuManagerPolicy": "static",
            "reservedSystemCPUs": ",".join(str(cpu) for zone in made["numa"] for cpu in zone["cores"][0]["threads"]),
            "memoryManagerPolicy": "Static" if self.memory_manager else "None",
            "reservedMemory": [{"numaNode": 0, "limits": {"memory": "1Gi"}}] if self.memory_manager else [],
            **self.settings,
        }

    def kubelet(self) -> Kubelet:
        """The twin of its kubelet, with the pods that are there."""
        twin = Kubelet(machine_from_json(self.machine, "machine"), config_from_json(self.config, "kubelet"))
        for number, cpus in enumerate(self.busy):
            answer = twin.admit(pod_demand(pod(f"other{number}", cpus, 0, sidecar=False)))
            assert isinstance(answer, Admitted), answer
        return twin

    def admit(self, vm: Vm) -> frozenset[int] | Refused:
        """The cpuset that the VM's compute container gets here."""
        demand = pod_demand(pod("vm", vm.vcpus + vm.isolate, vm.gib, sidecar=vm.sidecar))
        answer = self.kubelet().admit(demand)
        return answer.containers["compute"].cpus if isinstance(answer, Admitted) else answer


@dataclass(frozen=True)
class Row:
    """One row: a VM, where it runs, where it shall go, and what is expected."""

    id: str
    vm: Vm
    source: Host
    target: Host
    expected: Outcome
    #: guest cells, and zones on the target where a domain was built
    cells: tuple[int, int] | None = None
    #: share of the vCPUs that run at their cell's memory afterwards
    share: Fraction | None = None


SMALL, LARGE, XL = Vm(8, 16), Vm(24, 32), Vm(48, 96)
#: An XL VM whose memory fits one zone.
XL_CPUS = Vm(48, 32)
NONE, BEST, RESTRICTED, SINGLE = "none", "best-effort", "restricted", "single-numa-node"

#: Four zones of 16 CPUs.
QUAD: Final = Host(NONE, zones=4, cores=8, pages=(64, 64, 64, 64))
#: More than a zone there.
XL_QUAD: Final = Vm(24, 24)


def idle(policy: str) -> Host:
    """Nothing runs there."""
    return Host(policy)


def begun(policy: str) -> Host:
    """A pod of 10 CPUs runs there: the first zone has 20 of 30 CPUs left."""
    return Host(policy, busy=(10,))


#: The documented cells that name a migration, in the documented order: size, policy.
DOCUMENTED = [
    *(
        Row(f"small|{p} M1", SMALL, idle(p), begun(p), Outcome.SYMMETRIC, (1, 1))
        for p in (NONE, SINGLE, BEST, RESTRICTED)
    ),
    # "Does not work": it depends on what else runs on the target.
    Row("large|none M3", LARGE, idle(NONE), begun(NONE), Outcome.MORE_CELLS, (1, 2)),
    Row("large|none-idle M1", LARGE, idle(NONE), idle(NONE), Outcome.SYMMETRIC, (1, 1)),
    *(Row(f"large|{p} M1", LARGE, idle(p), begun(p), Outcome.SYMMETRIC, (1, 1)) for p in (SINGLE, BEST, RESTRICTED)),
    Row("xl|none M1", XL, idle(NONE), idle(NONE), Outcome.SYMMETRIC, (2, 2), Fraction(1)),
    Row("xl|none-begun M2", XL, idle(NONE), begun(NONE), Outcome.OTHER_SPLIT, (2, 2), Fraction(38, 48)),
    Row("xl|best-effort M1", XL, idle(BEST), idle(BEST), Outcome.SYMMETRIC, (2, 2), Fraction(1)),
    Row("xl|best-effort-begun M2", XL, idle(BEST), begun(BEST), Outcome.OTHER_SPLIT, (2, 2), Fraction(38, 48)),
]

#: Those where the VM does not even start, on an idle node.
NEVER_STARTS = [
    ("xl|single-numa-node S5", XL, Host(SINGLE), TOPOLOGY),
    # "Does not work": with a Memory Manager, where one zone holds the memory; or, with another reason than the Topology
    # Manager's, where the VM's own side container holds memory of a single zone.
    ("xl|restricted S10", XL_CPUS, Host(RESTRICTED, memory_manager=True), TOPOLOGY),
    ("xl|restricted-sidecar S12", XL, Host(RESTRICTED, memory_manager=True), UNEXPECTED),
]

#: What the documented table does not list.
COUNTER = [
    Row("small|none M3 nearly full", SMALL, idle(NONE), Host(NONE, (25,)), Outcome.MORE_CELLS, (1, 2)),
    Row("large|best-effort M3 no zone fits", LARGE, idle(BEST), Host(BEST, (10, 22)), Outcome.MORE_CELLS, (1, 2)),
    Row("xl|none M3 four zones", XL_QUAD, QUAD, replace(QUAD, busy=(10,)), Outcome.MORE_CELLS, (2, 3)),
    Row("xl|none M4 four zones", XL_QUAD, replace(QUAD, busy=(10,)), QUAD, Outcome.FEWER_CELLS, (3, 2)),
    Row("xl|restricted S9", XL, idle(RESTRICTED), idle(RESTRICTED), Outcome.SYMMETRIC, (2, 2)),
    Row(
        "xl|restricted S11",
        replace(XL, sidecar=False),
        Host(RESTRICTED, memory_manager=True),
        Host(RESTRICTED, memory_manager=True),
        Outcome.SYMMETRIC,
        (2, 2),
    ),
]

#: A VM of two cells, 5 and 3 vCPUs, on a nearly full node.
SPLIT = Host(NONE, (25,))

ROWS = [
    Row("M1", SMALL, SPLIT, SPLIT, Outcome.SYMMETRIC, (2, 2), Fraction(1)),
    # 5 + 3 to 3 + 5: two vCPUs run away from their memory.
    Row("M2", SMALL, SPLIT, Host(NONE, (27,)), Outcome.OTHER_SPLIT, (2, 2), Fraction(6, 8)),
    Row("M3", SMALL, idle(NONE), SPLIT, Outcome.MORE_CELLS, (1, 2)),
    Row("M4", SMALL, SPLIT, idle(NONE), Outcome.FEWER_CELLS, (2, 1), Fraction(1)),
    # M5: per cell, in the source's sizes: 15Gi are 8 and 7 pages, and the first zone has 7.
    Row("M5", Vm(8, 15), SPLIT, replace(SPLIT, pages=(7, 64)), Outcome.PAGES_SHORT, (2, 2)),
    Row("M5-enough", Vm(8, 15), SPLIT, replace(SPLIT, pages=(8, 7)), Outcome.SYMMETRIC, (2, 2)),
    # Both cells on one zone: it must hold all of the memory.
    Row("M5-fewer", SMALL, SPLIT, replace(idle(NONE), pages=(15, 64)), Outcome.PAGES_SHORT, (2, 1)),
    Row("M6", LARGE, idle(SINGLE), Host(SINGLE, (10, 22)), Outcome.KUBELET_REFUSES),
    Row("M6-restricted", LARGE, idle(RESTRICTED), Host(RESTRICTED, (10, 22)), Outcome.KUBELET_REFUSES),
    # M8: the guest knows no distances in this release, so nothing refuses; the hosts differ all the same.
    Row("M8", SMALL, SPLIT, replace(SPLIT, far=32), Outcome.SYMMETRIC, (2, 2), Fraction(1)),
    # Not numbered: 3 + 3 CPUs without SMT hold only two of three guest cores with two threads each.
    Row(
        "core-split",
        Vm(6, 16, threads=2, isolate=False),
        idle(NONE),
        Host(NONE, (12,), threads=1),
        Outcome.LAUNCHER_FAILS,
    ),
]

#: Rows that neither kubelet nor launcher nor libvirt decides, with what does.
ELSEWHERE = {
    "M9": "labels of the CPU model, devices under the PCI gate and volumes: kube-scheduler and KubeVirt's own checks",
    "M10": "the target's anti-affinity to the VM's own pod: kube-scheduler",
}
ALL = [*DOCUMENTED, *COUNTER, *ROWS]


def golden_case(row: Row) -> dict[str, Any]:
    """The row in the golden format, with the twin's cpusets; without a target where its kubelet refuses."""
    made: dict[str, Any] = {"name": row.id, "vm": row.vm.golden}
    for at, host in (("source", row.source), ("target", row.target)):
        cpus = host.admit(row.vm)
        if isinstance(cpus, frozenset):
            made[at] = {"machine": host.machine, "cpuset": format_cpus(from_ids(cpus))}
    return made


def running_domain(case: Mapping[str, Any]) -> Domain:
    """The guest on its source."""
    source = case["source"]
    running = boot(machine_from_json(source["machine"], "machine"), cpus_of(source["cpuset"]), size_of(case["vm"]))
    assert isinstance(running, Domain), running
    return running


def target_domain(case: Mapping[str, Any]) -> Domain | GuestError:
    """The guest on its target."""
    target = case["target"]
    host = machine_from_json(target["machine"], "machine")
    return migrate(running_domain(case), host, cpus_of(target["cpuset"]), size_of(case["vm"]))


def outcome(row: Row) -> tuple[Outcome, tuple[int, int] | None, Fraction | None]:
    """What becomes of the migration, with S and T, and the share of local vCPUs."""
    case = golden_case(row)
    if "target" not in case:
        return Outcome.KUBELET_REFUSES, None, None
    running, moved = running_domain(case), target_domain(case)
    if isinstance(moved, GuestError):
        return Outcome.LAUNCHER_FAILS, None, None
    cells = len(running.cells), len(moved.memnodes)
    if libvirt_refusal(moved) is not None:
        return Outcome.MORE_CELLS, cells, None
    free = {zone["id"]: zone["hugepages"]["1Gi"] * GI for zone in case["target"]["machine"]["numa"]}
    bound = zone_pages(moved)
    left = sum(free[zone] - bound[zone] for zone in moved.nodeset)
    if any(free[zone] < needed for zone, needed in bound.items()) or left < unbound_bytes(moved):
        return Outcome.PAGES_SHORT, cells, None
    share = local_share(moved)
    if cells[1] < cells[0]:
        return Outcome.FEWER_CELLS, cells, share
    return Outcome.SYMMETRIC if share == 1 else Outcome.OTHER_SPLIT, cells, share
