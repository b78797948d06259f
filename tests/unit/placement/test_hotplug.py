"""CPU hotplug of running VMs: the target is made for the new size, cells are judged by the vCPUs that run.

KubeVirt's own code and libvirt are asked about the same cpusets, and the whole picture must come to their answers.
"""

import json
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import pytest

from extender.api.objects import Vmi
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.kubelet.facts_json import machine_from_json
from extender.kubevirt.demand import question_of
from extender.kubevirt.guest.boot import boot
from extender.kubevirt.guest.domain import Domain
from extender.kubevirt.launcher_pod import PodRole, guest_of
from extender.kubevirt.migration.policy import Move
from extender.kubevirt.migration.target_domain import MEMNODE_REFUSAL, migrate
from extender.placement.outcomes import Outcome
from tests.conformance.kubevirt.comparison import compare
from tests.kit.bodies import args
from tests.kit.golden import cpus_of, size_of
from tests.kit.libvirt.domain_xml import domain_xml
from tests.kit.libvirt.fixtures import Judge
from tests.kit.migrations import running, target
from tests.kit.objects import GI, KUBELET_A, machine, node, pod, vmi
from tests.kit.oracle.kubevirt.process import KubevirtOracle
from tests.kit.verbs import explained, make_verbs

#: 2 zones of 48 CPUs without SMT: 0-47 and 48-95.
HOST: Final = machine(cores=48, threads=1, pages=256, memory_gi=512)


@dataclass(frozen=True)
class Growth:
    """A VM of single-CPU sockets with an emulator CPU, grown while it runs."""

    id: str
    old: int
    new: int
    #: CPUs of its pod at the boot, and those of the target
    booted: str
    moved: str
    expected: Outcome
    #: vCPUs per cell at the boot; vCPUs that the move pins per zone there, empty where nothing is pinned
    cells: tuple[int, ...]
    now: tuple[int, ...] = ()

    @property
    def gib(self) -> int:
        """Guest memory."""
        return 4 * self.old if self.old == 48 else 16

    def golden(self) -> dict[str, Any]:
        """The case in the golden format."""
        made = {
            "sockets": self.new, "cores": 1, "threads": 1, "maxSockets": 4 * self.old, "memory": f"{self.gib}Gi",
            "pageSize": "1Gi", "isolateEmulatorThread": True, "passthrough": True, "evenParity": False,
        }  # fmt: skip
        return {
            "name": self.id,
            "vm": made,
            "boot": {"sockets": self.old, "enabledSockets": self.old},
            "source": {"machine": HOST, "cpuset": self.booted},
            "target": {"machine": HOST, "cpuset": self.moved},
        }


GROWTHS: Final = [
    Growth("8 to 12, one zone", 8, 12, "1-9", "49-61", Outcome.SYMMETRIC, (8,), (8,)),
    Growth("8 to 12 on 8+5 CPUs", 8, 12, "1-9", "1-8,49-53", Outcome.SYMMETRIC, (8,), (8,)),
    Growth("8 to 12 on 5+8 CPUs", 8, 12, "1-9", "1-5,49-56", Outcome.MORE_CELLS, (8,), (5, 3)),
    Growth("8 to 12, the new size does not fit", 8, 12, "1-9", "1-12", Outcome.KUBELET_REFUSES, (8,)),
    Growth("48 to 64, even", 48, 64, "1-24,49-73", "1-24,49-89", Outcome.SYMMETRIC, (24, 24), (24, 24)),
    Growth("48 to 64 on 32+33 CPUs", 48, 64, "1-24,49-73", "1-32,49-81", Outcome.OTHER_SPLIT, (24, 24), (32, 16)),
    Growth("48 to 64 on 39+26 CPUs", 48, 64, "1-24,49-73", "1-39,49-74", Outcome.OTHER_SPLIT, (24, 24), (39, 9)),
]


def _host(name: str, free: str) -> Any:
    """A node whose kubelet can give exactly these CPUs, all of them to the one pod that takes as many."""
    held = ",".join(str(cpu) for cpu in range(96) if cpu not in cpus_of(free))
    return node(
        name,
        {
            **KUBELET_A,
            "topologyManagerPolicy": "none",
            "memoryManagerPolicy": "None",
            "reservedMemory": [],
            "reservedSystemCPUs": held,
        },
        HOST,
    )


def grown(growth: Growth, *, sockets: int = 0, most: int | None = None) -> Vmi:
    """Its VMI in the middle of the hotplug."""
    made: dict[str, Any] = msgspec.to_builtins(vmi("vm", sockets or growth.new, growth.gib))
    made["spec"]["domain"]["cpu"]["maxSockets"] = 4 * growth.old if most is None else most
    made["status"] = {"nodeName": "source", "currentCPUTopology": {"sockets": growth.old, "cores": 1, "threads": 1}}
    return msgspec.convert(made, Vmi)


def picture(growth: Growth) -> Cluster:
    """The VM has booted, then its spec has grown; one node to go to."""
    cluster = Cluster()
    cluster.put(Source.NODES, _host("source", growth.booted))
    cluster.put(Source.NODES, _host("target", growth.moved))
    cluster.put(Source.VMIS, grown(growth, sockets=growth.old))
    cluster.put(Source.PODS, running("vm", "source", growth.old + 1, growth.gib))
    cluster.make_rows()
    cluster.put(Source.VMIS, grown(growth))
    return cluster


@pytest.mark.parametrize("growth", GROWTHS, ids=lambda growth: growth.id)
def test_growth(growth: Growth) -> None:
    """The outcome by the vCPUs that run, the room by all of them; filter and explain agree."""
    cluster = picture(growth)
    waiting = target("vm", growth.new + 1, growth.gib)
    answer = {one.node: one for one in explained(cluster, waiting).nodes}["target"]
    assert answer.migration is not None
    assert answer.migration.outcome == growth.expected, answer
    if growth.now:
        assert (answer.migration.cells_then, answer.migration.cells_now) == (growth.cells, growth.now)
    record = json.loads(msgspec.json.encode(waiting))
    kept = json.loads(make_verbs(cluster).filter(args(["target"], record), 1.0).body)["NodeNames"]
    fails = growth.expected in {Outcome.MORE_CELLS, Outcome.KUBELET_REFUSES}
    assert kept == ([] if fails else ["target"])


@pytest.mark.parametrize("growth", [one for one in GROWTHS if one.now], ids=lambda growth: growth.id)
def test_kubevirt_agrees(growth: Growth, kubevirt_oracle: KubevirtOracle) -> None:
    """KubeVirt's hook makes the same domain of the same cpuset: the old count pinned, the new one prepared."""
    case = kubevirt_oracle.play(growth.golden())
    assert compare(case).differences == ()
    assert len(case["observed"]["pins"]) == growth.old
    assert len(case["observedPrepare"]["pins"]) == growth.new


def test_libvirt_agrees(libvirt_judge: Judge) -> None:
    """The real libvirt refuses the target with more zones than cells, and takes the others, vCPUs to plug included."""
    growths = [growth for growth in GROWTHS if growth.now]
    documents = []
    for growth in growths:
        size = size_of(growth.golden()["vm"])
        host = machine_from_json(HOST, "host")
        ran = boot(host, cpus_of(growth.booted), replace(size, sockets=growth.old))
        assert isinstance(ran, Domain)
        moved = migrate(ran, host, cpus_of(growth.moved), size)
        assert isinstance(moved, Domain)
        documents.append(domain_xml(moved, size))
    for growth, answer in zip(growths, libvirt_judge(documents), strict=True):
        refused = growth.expected is Outcome.MORE_CELLS
        assert answer.get("error") == (MEMNODE_REFUSAL if refused else None), growth.id


@pytest.mark.parametrize("most", [0, 8, 32, 512])
def test_max_sockets_is_never_a_demand(most: int) -> None:
    """A boot and a migration target ask the kernel the same, whatever hotplug may reach one day."""
    growth = GROWTHS[0]
    guest, plain = guest_of(grown(growth, sockets=8, most=most)), guest_of(vmi("vm"))
    move = Move(((8, 16 * GI),))
    for role, waiting, how in (
        (PodRole.FIRST_BOOT, pod("vm"), None),
        (PodRole.MIGRATION_TARGET, target("vm"), move),
    ):
        asked, reference = (question_of(waiting, role, one, frozenset(), how) for one in (guest, plain))
        assert asked == reference
