"""The CPUs a VM's pod asks for against those its launcher pins; KubeVirt's recorded answers judge."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from extender.api.objects import Vmi
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.kubelet.facts_json import machine_from_json
from extender.kubevirt.guest.cpu_request import lacks_cpus, pinned_cpus, requested_cpus, size_at_creation
from extender.kubevirt.guest.host_topology import HostTopology, host_topology
from extender.kubevirt.guest.size import GuestSize
from extender.kubevirt.migration.policy import MigrationPolicy
from tests.kit.bodies import args
from tests.kit.golden import cases, cpus_of, size_of
from tests.kit.migrations import running, target
from tests.kit.objects import GI, KUBELET_A, machine, node, pod, vmi
from tests.kit.verbs import explained, make_verbs

GOLDEN = Path(__file__).parents[2] / "golden" / "kubevirt"
#: Errors of a cpuset that is too small, wherever its CPUs lie.
SHORT = ("not enough exclusive threads", "no CPU allocated", "no second CPU allocated")
PARITY = "alpha.kubevirt.io/EmulatorThreadCompleteToEvenParity"


def size(vcpus: int, pool: int, *, parity: bool = True, isolate: bool = True) -> GuestSize:
    """A VM of single-thread sockets with a supplemental IO thread pool."""
    return GuestSize(
        sockets=vcpus,
        memory_bytes=16 * GI,
        page_bytes=GI,
        isolate_emulator=isolate,
        passthrough=True,
        even_parity=parity,
        supplemental_pool=pool,
    )


@pytest.mark.slow
def test_recorded_boots() -> None:
    """KubeVirt says that a cpuset is too small for exactly the recorded boots in which the rule says so."""
    seen = {True: 0, False: 0}
    for name in ("scenarios", "boot"):
        for where, case in cases(GOLDEN / f"{name}.jsonl.gz"):
            if "cpuset" not in case:
                continue
            topology = host_topology(machine_from_json(case["machine"], "machine"))
            if _misread(topology):
                continue
            there = cpus_of(case["cpuset"]) & topology.zone_of.keys()
            lacks = lacks_cpus(size_of(case["vm"]), len(there))
            error = case["observed"].get("error", "")
            assert not (lacks and not error), where
            assert lacks or not error.startswith(SHORT), where
            seen[lacks] += 1
    assert seen[True] > 20 and seen[False] > 1000


def _misread(topology: HostTopology) -> bool:
    """Whether KubeVirt reads a sibling set in part, so that it hands out a CPU twice."""
    read = {cpu.id: cpu.siblings or (cpu.id,) for cell in topology.cells for cpu in cell.cpus}
    return any(cpu not in siblings for cpu, siblings in read.items())


@pytest.mark.parametrize(
    ("vcpus", "pool", "asked", "pinned"),
    [
        (8, 0, 10, 10),
        (7, 0, 8, 8),
        (8, 2, 12, 12),
        (7, 2, 10, 10),
        (8, 1, 11, 10),
        (7, 1, 9, 10),
        (7, 3, 11, 12),
    ],
)
def test_parity_with_a_pool(vcpus: int, pool: int, asked: int, pinned: int) -> None:
    """An even pool agrees; an odd one leaves an even VM a CPU idle, and an odd VM never starts."""
    assert requested_cpus(size(vcpus, pool)) == asked
    assert pinned_cpus(size(vcpus, pool)) == pinned
    assert lacks_cpus(size(vcpus, pool), asked) is (asked < pinned)


@pytest.mark.parametrize("vcpus", [7, 8])
@pytest.mark.parametrize("isolate", [True, False])
def test_without_the_annotation_they_agree(vcpus: int, isolate: bool) -> None:
    """Only the parity annotation counts twice."""
    one = size(vcpus, 1, parity=False, isolate=isolate)
    assert requested_cpus(one) == pinned_cpus(one)


def test_relaxed_one_thread_short_starts() -> None:
    """Without passthrough a shortage below one guest core leaves a vCPU unpinned; a whole core is an error."""
    relaxed = replace(size(3, 0, isolate=False), threads=2, passthrough=False)
    assert [lacks_cpus(relaxed, cpus) for cpus in (6, 5, 4)] == [False, False, True]


@pytest.mark.parametrize(
    ("spec", "cpus", "sockets"),
    [(12, 13, 12), (12, 9, 8), (64, 49, 48), (12, 1, 12), (12, 20, 12), (8, 9, 8)],
)
def test_the_size_of_a_pod(spec: int, cpus: int, sockets: int) -> None:
    """A pod from before a hotplug is of the old size; CPUs that no size explains are of the spec's."""
    assert size_at_creation(size(spec, 0, parity=False), cpus).sockets == sockets


def test_pages_during_a_hotplug() -> None:
    """8 vCPUs in zone 0 and the emulator in zone 1: all pages are in zone 0, also once the spec says 12."""
    made = machine(cores=8, threads=1)
    kubelet = {
        **KUBELET_A,
        "topologyManagerPolicy": "none",
        "memoryManagerPolicy": "None",
        "reservedMemory": [],
        "reservedSystemCPUs": "9-15",
    }
    cluster = Cluster()
    cluster.put(Source.NODES, node("a", kubelet, made))
    cluster.put(Source.VMIS, vmi("vm"))
    cluster.put(Source.PODS, running("vm", "a"))
    for spec in (vmi("vm"), vmi("vm", 12)):
        cluster.put(Source.VMIS, spec)
        cluster.make_rows()
        state = cluster.node("a")
        assert state is not None and state.row is not None
        free = [(zone.pages_free or {}).get("hugepages-1Gi", 0) // GI for zone in state.row.zones]
        assert free == [16, 32]


def odd_pool(vcpus: int, **status: Any) -> Vmi:
    """A VMI with the parity annotation and a pool of one thread."""
    made: dict[str, Any] = msgspec.to_builtins(vmi("vm", vcpus))
    made["metadata"]["annotations"] = {PARITY: ""}
    made["spec"]["domain"] |= {"ioThreadsPolicy": "supplementalPool", "ioThreads": {"supplementalPoolThreadCount": 1}}
    made["status"] = status
    return msgspec.convert(made, Vmi)


def cluster_with(record: Vmi) -> Cluster:
    """One node that holds anything of this size."""
    cluster = Cluster()
    cluster.put(Source.NODES, node("a", KUBELET_A, machine()))
    cluster.put(Source.VMIS, record)
    cluster.make_rows()
    return cluster


def test_a_boot_is_refused_with_its_reason() -> None:
    """7 vCPUs and an odd pool: no node takes the VM, kube-scheduler hears why, and explain has the numbers."""
    cluster = cluster_with(odd_pool(7))
    waiting = pod("vm", 9)
    answer = json.loads(make_verbs(cluster).filter(args(["a"], msgspec.to_builtins(waiting)), 1.0).body)
    assert answer["FailedAndUnresolvableNodes"] == {"a": "never starts: the pod asks for fewer CPUs than are pinned"}
    told = explained(cluster, waiting)
    assert told.nodes[0].code == "LauncherCpusShort"
    assert "virt-launcher pins 10 CPUs, and `compute` asks for fewer: the VM never starts" in told.notes


def test_an_even_vm_with_the_same_pool_boots() -> None:
    """8 vCPUs and the same pool have a CPU to spare."""
    cluster = cluster_with(odd_pool(8))
    answer = json.loads(make_verbs(cluster).filter(args(["a"], msgspec.to_builtins(pod("vm", 11))), 1.0).body)
    assert answer["NodeNames"] == ["a"]


@pytest.mark.parametrize("policy", list(MigrationPolicy))
def test_hotplug_to_an_odd_size(policy: MigrationPolicy) -> None:
    """8 vCPUs run, 9 are asked for: the target's preparation needs 12 CPUs and gets 11; `off` ignores it."""
    cluster = cluster_with(odd_pool(9, currentCPUTopology={"sockets": 8}))
    cluster.put(Source.NODES, node("source", KUBELET_A, machine()))
    cluster.put(Source.PODS, running("vm", "source", 11))
    record = msgspec.to_builtins(target("vm", 11, policy=policy.value))
    answer = json.loads(make_verbs(cluster).filter(args(["a"], record), 1.0).body)
    assert answer["NodeNames"] == (["a"] if policy is MigrationPolicy.OFF else [])
