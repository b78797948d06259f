"""Memory Manager: widths, groups, init containers, messages, and what cannot start."""

from typing import Any

import pytest

from extender.kubelet.admission import Kubelet
from extender.kubelet.memory_manager import page_bytes
from extender.kubelet.model import CannotStart
from extender.kubelet.pod import ContainerDemand, Kind, PodDemand
from extender.kubelet.results import Admitted, Block, ContainerPlacement, Refused
from tests.kit.kubelet_nodes import GI, A, E, config, kubelet, machine, pod

EXTENDED = "[memorymanager] failed to find the extended preferred hint"


def node(policy: str = "R", **settings: Any) -> Kubelet:
    return kubelet(A, config(policy, "0,16", **settings))


def free(twin: Kubelet, resource: str = "hugepages-1Gi") -> list[int]:
    return [zone.memory[resource].free // GI for zone in twin.counts().zones]


def test_capacity() -> None:
    """Allocatable memory is the zone's less its pages and what is reserved; pages are whole."""
    zones = node().counts().zones
    assert [zone.memory["memory"].total // GI for zone in zones] == [31, 32]
    assert [zone.memory["hugepages-1Gi"].total // GI for zone in zones] == [32, 32]


def test_width_is_joint() -> None:
    """1Gi of memory beside 40Gi of pages needs two zones for both."""
    answer = node().admit(pod("p", "20c/1Gi/40hp"))
    assert answer.containers["c0"].memory == (
        Block("hugepages-1Gi", (0, 1), 40 * GI),
        Block("memory", (0, 1), GI),
    )


def test_init_memory_is_reused_by_the_same_zones() -> None:
    """An init container's 10Gi serve the app container's first 10Gi; its own block shrinks to nothing."""
    twin = node()
    answer = twin.admit(pod("p", "2c/12Gi", init=["1c/10Gi"]))
    assert isinstance(answer, Admitted)
    assert answer.containers["i0"].memory == (Block("memory", (0,), 0),)
    assert answer.containers["c0"].memory == (Block("memory", (0,), 12 * GI),)
    assert free(twin, "memory") == [19, 32]
    assert twin.counts().zones[0].blocks == 2


def test_sidecar_memory_is_not_reused() -> None:
    """A sidecar keeps its memory beside the app container's."""
    twin = node()
    twin.admit(pod("p", "2c/12Gi", init=["+1c/10Gi"]))
    assert free(twin, "memory") == [9, 32]


def test_started_gives_init_memory_back() -> None:
    """When the app container starts, the rest of the init container's memory is free; its CPUs are not."""
    twin = node()
    twin.admit(pod("p", "2c/4Gi", init=["4c/10Gi", "+1c/1Gi"]))
    assert free(twin, "memory") == [21, 32]
    twin.started("p", "i0")
    assert free(twin, "memory") == [21, 32]
    twin.started("p", "c0")
    assert free(twin, "memory") == [26, 32]
    assert twin.counts().zones[0].blocks == 2
    assert twin.counts().zones[0].cpu_free == 10
    twin.started("unknown", "c0")


def test_restart_asks_again_for_released_init_memory() -> None:
    """Memory full, init block given back: after a kubelet restart the running pod is refused."""
    twin = node("NO")
    assert isinstance(twin.admit(pod("p", "1c/1Gi", init=["1c/31Gi"])), Admitted)
    twin.started("p", "c0")
    assert isinstance(twin.admit(pod("q", "1c/30Gi")), Admitted)
    assert isinstance(twin.admit(pod("r", "1c/32Gi")), Admitted)
    answers = twin.restart()
    assert list(answers) == ["p", "q", "r"]
    assert isinstance(answers["p"], Refused)
    assert "default NUMA affinity" in answers["p"].message
    assert isinstance(answers["q"], Admitted)
    assert answers["q"].containers["c0"].memory == (Block("memory", (0,), 30 * GI),)


def test_restart_keeps_what_is_held() -> None:
    """Containers found in the state files keep CPUs, blocks and zones; stale pods are swept afterwards."""
    twin = node("BE")
    before = twin.admit(pod("p", "20c/1Gi/40hp"))
    twin.admit(pod("gone", "1c/1Gi"))
    twin.remove("gone")
    state = twin.state()
    answers = twin.restart()
    assert twin.state() == state
    assert {name: (c.cpus, c.memory) for name, c in answers["p"].containers.items()} == {
        name: (c.cpus, c.memory) for name, c in before.containers.items()
    }
    twin.counts()
    assert twin.state() != state


def test_restart_with_overlapping_groups() -> None:
    """A zone with a block of its own and one of a group: the start-up check may fail."""
    twin = kubelet(A, config("BE", "0,16"))
    twin.admit(pod("wide", "16c/2Gi/40hp"))
    twin.admit(pod("p", "2c/1Gi"), {"example.com/dev": [([0], True)]})
    with pytest.raises(CannotStart, match="of its own and of a group"):
        twin.restart()


def test_restart_with_an_empty_shared_pool() -> None:
    """strict-cpu-reservation with every CPU given out: the state file is not accepted."""
    twin = node("NO", cpu_options=["strict-cpu-reservation"], memory=False)
    twin.admit(pod("p", "30c"))
    with pytest.raises(CannotStart, match="shared pool is empty"):
        twin.restart()


def test_a_wide_request_may_not_become_wider_than_preferred() -> None:
    """One zone by capacity, room only in both, and the other resources prefer one zone: the extended hint fails."""
    twin = node("R")
    assert isinstance(twin.admit(pod("wide", "20c/2Gi/34hp")), Admitted)
    answer = twin.admit(pod("p", "2c/1Gi/31hp"))
    assert isinstance(answer, Refused)
    assert answer.reason == "UnexpectedAdmissionError"
    twin = node("SN")
    twin.load({"wide": {"c0": admitted_blocks((0, 1), 33)}})
    answer = twin.admit(pod("p", "2c/1Gi/31hp"))
    assert isinstance(answer, Refused)


def admitted_blocks(zones: tuple[int, ...], pages: int) -> Any:
    twin = node("BE")
    placed = twin.admit(pod("x", f"20c/1Gi/{pages}hp")).containers["c0"]
    assert placed.memory[0].zones == zones
    return placed


def test_refusal_says_what_is_free() -> None:
    """The rule of a memory refusal names amounts and groups."""
    twin = node("BE")
    twin.admit(pod("s", "2c/1Gi/2hp"))
    answer = twin.admit(pod("p", "20c/2Gi/40hp"))
    assert isinstance(answer, Refused)
    assert "40Gi hugepages-1Gi" in answer.rule
    assert "zone 0 has 30Gi hugepages-1Gi" in answer.rule
    assert "+ 30Gi memory free and 2 blocks; zone 1 has" in answer.rule
    twin = node("NO")
    twin.load({"wide": {"c0": admitted_blocks((0, 1), 60)}})
    answer = twin.admit(pod("p", "2c/1Gi/10hp"))
    assert isinstance(answer, Refused)
    assert "zone 0 has 0Gi hugepages-1Gi + 30Gi memory free and 2 blocks in a group of 2 zones" in answer.rule


def test_default_hint_that_is_wider_than_preferred() -> None:
    """Pod scope: the pod as a whole finds no zones, so nothing guides; each container alone finds only the group."""
    twin = node("SN", scope="pod")
    twin.load({"wide": {"c0": admitted_blocks((0, 1), 40)}})
    answer = twin.admit(pod("p", "100m/1Gi/20hp", "100m/1Gi/20hp"))
    assert isinstance(answer, Refused)
    assert "failed to find the default preferred hint" in answer.message
    assert "20Gi hugepages-1Gi + 1Gi memory would fit 1 zone(s) by capacity, only 2 zones" in answer.rule


@pytest.mark.parametrize("scope", ["container", "pod"])
@pytest.mark.parametrize(("asked", "hint"), [("1c/4Gi", (1,)), ("1c/5Gi", (0,))])
def test_zones_of_held_memory(scope: str, asked: str, hint: tuple[int, ...]) -> None:
    """Blocks found with the size asked for decide the zone again; of another size they have no say."""
    twin = node("R", scope=scope)
    twin.load({"p": {"c0": ContainerPlacement(memory=(Block("memory", (1,), 4 * GI),))}})
    answer = twin.admit(pod("p", asked))
    assert isinstance(answer, Admitted)
    assert answer.containers["c0"].hint == hint
    assert answer.containers["c0"].memory == (Block("memory", (1,), 4 * GI),)


def test_cpuless_zone_is_used() -> None:
    """Memory over what CPU zones have goes to the CPU-less one."""
    twin = kubelet(E, config("NO", "0,16"))
    assert twin.admit(pod("p", "1c/200Gi")).containers["c0"].memory == (Block("memory", (2,), 200 * GI),)
    assert twin.counts().zones[2].socket == -1
    assert twin.counts().zones[2].cpu_total == 0


def test_names_from_pods_are_not_kept() -> None:
    """Sums over zones are kept for what the node has; any other name that pods come up with leaves no trace."""
    twin = node("BE")
    wanted = ContainerDemand("c", Kind.APP, memory=(("hugepages-3Mi", GI), ("memory", GI)))
    assert isinstance(twin.admit(PodDemand("p", True, False, (wanted,))), Refused)
    assert twin._now.memory._capacity.keys() == {"memory"}


@pytest.mark.parametrize("scope", ["container", "pod"])
def test_a_fraction_of_a_byte_is_refused(scope: str) -> None:
    """Hints are given for none of it, and allocation fails; without the manager the pod runs."""
    odd = ContainerDemand("c", Kind.APP, 2, (("memory", GI),), fraction="memory: '1073741823500m' is a fraction")
    demand = PodDemand("p", True, False, (odd,))
    answer = node(scope=scope).admit(demand)
    assert isinstance(answer, Refused)
    assert answer.reason == "UnexpectedAdmissionError"
    assert "failed to represent quantity as int64" in answer.message
    assert answer.rule.endswith("memory: '1073741823500m' is a fraction")
    assert isinstance(node(scope=scope, memory=False).admit(demand), Admitted)


def test_unknown_page_size() -> None:
    """A page size that no zone has is refused, never a crash."""
    twin = kubelet(machine(1, 1, 4, pages=0) | {}, config("NO", "0"))
    assert isinstance(twin.admit(pod("p", "1c/1Gi/1hp")), Refused)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"memoryManagerPolicy": "static"}, "memoryManagerPolicy"),
        ({"reservedMemory": []}, "needs reservedMemory"),
        ({"reservedMemory": [{"numaNode": 0, "limits": {"hugepages-1Gi": "1Gi"}}]}, "needs reservedMemory"),
        ({"reservedMemory": [{"numaNode": 0, "limits": {"memory": "65Gi"}}]}, "less memory"),
        (
            {"reservedMemory": [{"numaNode": 0, "limits": {"memory": "1Gi"}}] * 2},
            "two entries",
        ),
    ],
)
def test_cannot_start(settings: dict[str, Any], text: str) -> None:
    """Configurations of the Memory Manager with which the kubelet stops at its start."""
    with pytest.raises(CannotStart, match=text):
        kubelet(A, config("R", "0,16") | settings)


@pytest.mark.parametrize(
    ("size", "count"),
    [
        ("2Mi", 2 << 20),
        ("1Gi", GI),
        ("1Ti", 1 << 40),
        ("64Ki", 65536),
        ("1G", 0),
        ("Gi", 0),
        ("", 0),
        ("x2Mi", 0),
        ("-1Gi", 0),
    ],
)
def test_page_bytes(size: str, count: int) -> None:
    """Page sizes as they stand in resource names."""
    assert page_bytes(size) == count
