"""What a kubelet reports as allocatable, from machine and reservations or from a Node."""

from typing import Any

import pytest

from extender.errors import BadObject
from extender.kubelet.allocatable import (
    MAX_PODS,
    Reservations,
    allocatable_of,
    node_allocatable,
    reservations_of,
    stated_reservations,
)
from extender.kubelet.model import Core, KubeletConfig, Machine, ReservedMemory, Zone

GI, MI = 1 << 30, 1 << 20
MACHINE = Machine(
    1,
    (
        Zone(0, 32 * GI, {"1Gi": 4, "2Mi": 512}, (), (Core(0, None, (0, 2)),)),
        Zone(1, 32 * GI, {"1Gi": 4}, (), (Core(0, None, (1, 3)),)),
    ),
)


def amounts(reserved: Reservations, **devices: dict[int, int]) -> Any:
    return allocatable_of(MACHINE, reserved, devices).amounts


def read(content: dict[str, Any], **config: Any) -> Reservations:
    return reservations_of(content, KubeletConfig(**config), "f.yaml")


def test_capacity_less_reservations_eviction_and_pages() -> None:
    """Huge pages of every size are no memory; a machine does not state its disk."""
    found = allocatable_of(MACHINE, Reservations(1500, 2 * GI), {"example.com/gpu": {0: 1, 1: 2}})
    assert found.amounts == {
        "cpu": 2500,
        "memory": (64 - 2 - 9) * GI - 100 * MI,
        "pods": MAX_PODS,
        "hugepages-1Gi": 8 * GI,
        "hugepages-2Mi": GI,
        "example.com/gpu": 3,
    }
    assert found.unknown == {"ephemeral-storage"}


def test_it_is_never_negative() -> None:
    """More is reserved than there is."""
    found = amounts(Reservations(99_000, 900 * GI))
    assert (found["cpu"], found["memory"]) == (0, 0)


@pytest.mark.parametrize(
    ("eviction", "reserved"), [("1Gi", GI), ("25%", 16 * GI), ("0%", 0), ("100%", 0), ("500Mi", 500 * MI)]
)
def test_eviction_thresholds(eviction: str, reserved: int) -> None:
    """An amount, or a share of the memory; 0% and 100% switch it off."""
    assert amounts(Reservations(eviction=eviction))["memory"] == (64 - 9) * GI - reserved


@pytest.mark.parametrize(
    ("pods", "per_core", "allocatable"), [(0, 0, 110), (250, 0, 250), (0, 10, 40), (20, 10, 20), (250, 60, 240)]
)
def test_number_of_pods(pods: int, per_core: int, allocatable: int) -> None:
    """maxPods, or podsPerCore times the CPUs where that is less."""
    assert amounts(Reservations(max_pods=pods, pods_per_core=per_core))["pods"] == allocatable


def test_a_kubelets_file() -> None:
    """Reservations add up; a file that names evictionHard has no default for what it does not name."""
    both = {"kubeReserved": {"cpu": "500m", "memory": "1Gi"}, "systemReserved": {"cpu": "1", "memory": "1Gi"}}
    assert read(both) == Reservations(1500, 2 * GI)
    assert read(both, reserved_system_cpus=frozenset({0, 2})).cpu == 2000
    assert read({"evictionHard": {"nodefs.available": "10%"}}).eviction == "0%"
    merged = {"evictionHard": {"nodefs.available": "10%"}, "mergeDefaultEvictionSettings": True}
    assert read(merged).eviction == "100Mi"
    assert read({"maxPods": 250, "podsPerCore": 10}) == Reservations(max_pods=250, pods_per_core=10)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"kubeReserved": 3}, "kubeReserved is not an object"),
        ({"kubeReserved": {"memory": "lots"}}, "kubeReserved.memory"),
        ({"systemReserved": {"cpu": True}}, "systemReserved.cpu is not a quantity"),
        ({"evictionHard": {"memory.available": "x%"}}, "memory.available: 'x%'"),
        ({"maxPods": "many"}, "maxPods: 'many' is not a number"),
    ],
)
def test_bad_files_are_named(content: dict[str, Any], told: str) -> None:
    """File, field, value."""
    with pytest.raises(BadObject, match=f"^f.yaml: .*{told}"):
        read(content)


def test_the_fields_that_decide_admission() -> None:
    """With the Memory Manager Static, reservedMemory is all memory that is reserved, the threshold included."""
    memory = (ReservedMemory(0, {"memory": 3 * GI, "hugepages-1Gi": GI}), ReservedMemory(1, {"memory": GI}))
    static = KubeletConfig(memory_manager_policy="Static", reserved_memory=memory, reserved_cpu_count=2)
    assert stated_reservations(static) == Reservations(2000, 4 * GI, "0%")
    assert stated_reservations(KubeletConfig(reserved_system_cpus=frozenset({0}))) == Reservations(1000)


def test_a_node() -> None:
    """CPUs in thousandths. What every kubelet reports and this one does not is unknown."""
    found = node_allocatable({"cpu": "3900m", "memory": "1Gi", "ephemeral-storage": "1k", "pods": "110"})
    assert found.amounts == {"cpu": 3900, "memory": GI, "ephemeral-storage": 1000, "pods": 110}
    assert not found.partial
    cut = node_allocatable({"cpu": "1"})
    assert cut.partial
    assert [cut.judges(name) for name in ("cpu", "memory", "pods", "hugepages-1Gi")] == [True, False, False, False]


def test_a_node_that_cannot_be_read() -> None:
    """The resource is named."""
    with pytest.raises(BadObject, match="status.allocatable: memory"):
        node_allocatable({"memory": "much"})
