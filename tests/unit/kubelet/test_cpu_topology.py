"""What a machine's shape says: free cores, and where counts per zone do not tell which CPUs are taken."""

from typing import Any

import pytest

from extender.kubelet.cpu_topology import CpuTopology
from extender.kubelet.cpuset import from_ids
from tests.kit.kubelet_nodes import A, B, parse_machine

Zones = list[list[tuple[int, list[int]]]]


def topology(zones: Zones, sockets: int = 1) -> CpuTopology:
    """Zones as lists of cores, a core as its socket and its CPUs."""
    numa: list[dict[str, Any]] = [
        {
            "id": number,
            "memoryBytes": 1 << 30,
            "cores": [{"socket": socket, "l3": None, "threads": threads} for socket, threads in cores],
        }
        for number, cores in enumerate(zones)
    ]
    return CpuTopology(parse_machine({"sockets": sockets, "numa": numa}))


@pytest.mark.parametrize("node", [A, B])
def test_even_machines(node: dict[str, Any]) -> None:
    """Equal cores and sockets, each zone in one socket: nothing is hidden from counts."""
    even = CpuTopology(parse_machine(node))
    assert (even.uneven, even.cut_zones) == (False, False)


def test_sockets_of_unequal_size() -> None:
    """Averages measure no socket rightly, but no zone is cut."""
    found = topology([[(0, [0]), (0, [1])], [(1, [2])]], 2)
    assert (found.uneven, found.cut_zones) == (True, False)


def test_cores_of_unequal_size() -> None:
    """One core has a single CPU: uneven, though the sockets are equal, and what the zones give is not told by counts."""
    found = topology([[(0, [0, 1]), (0, [2])], [(1, [3, 4]), (1, [5])]], 2)
    assert (found.uneven, found.cut_zones) == (True, True)


def test_a_zone_across_sockets() -> None:
    """Equal sockets that share a zone: even, and the zone is cut."""
    found = topology([[(0, [0]), (1, [1])]], 2)
    assert (found.uneven, found.cut_zones) == (False, True)


@pytest.mark.parametrize(
    "zones",
    [
        [[(0, [0, 4]), (0, [1, 5])], [(0, [2, 6]), (0, [3, 7])]],
        [[(0, [0, 1]), (0, [4, 5])], [(0, [2, 3]), (0, [6, 7])]],
        [[(0, [0, 7]), (0, [1, 5])], [(0, [2, 3]), (0, [4, 6])]],
        [[(0, [0]), (0, [1, 5])], [(0, [2, 3, 4]), (0, [6])]],
        [[(0, [0]), (0, [5])], [(0, [2]), (0, [6])]],
    ],
    ids=["split", "adjacent", "mixed pairs", "unequal cores", "single CPUs"],
)
def test_free_cores_are_those_with_every_cpu(zones: Zones) -> None:
    """Whatever the numbering, and whatever is free: counted one by one."""
    found = topology(zones)
    for free in range(256):
        for position, cores in enumerate(zones):
            whole = sum(from_ids(threads) & free == from_ids(threads) for _, threads in cores)
            assert found.free_cores(position, free) == whole
    assert found.free_cores(2, 255) == 0
