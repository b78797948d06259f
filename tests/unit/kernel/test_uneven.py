"""Machines whose sockets or cores have unequal numbers of CPUs: counts must not claim what averages decide."""

from typing import Any

import pytest

from _fastfit import Code
from extender.kubelet.admission import Kubelet
from extender.kubelet.facts_json import config_from_json, machine_from_json
from extender.kubelet.pod import ContainerDemand, Kind, PodDemand
from extender.kubelet.results import Admitted
from tests.kit.kernel.backends import Backend
from tests.kit.kernel.rows import answer, ask_of, place, row_of

#: name, zones as lists of (socket, threads), reserved CPUs, CPUs asked of an empty node, CPUs the kubelet hands out
CASES = [
    ("a zone across sockets of two CPUs and one", [[(0, [0]), (1, [1]), (0, [2])]], "0", 3, {0, 1, 2}),
    ("zones of two CPUs and three", [[(0, [0]), (0, [1])], [(1, [2]), (1, [3]), (1, [4])]], "0,2", 4, {1, 2, 3, 4}),
    ("a core whose sibling is offline", [[(0, [0, 1]), (0, [2])]], "0", 3, {0, 1, 2}),
]


def _node(zones: list[list[tuple[int, list[int]]]], reserved: str) -> Kubelet:
    machine: dict[str, Any] = {
        "sockets": len({socket for cores in zones for socket, _ in cores}),
        "numa": [
            {
                "id": number,
                "memoryBytes": 1 << 30,
                "distances": [10 if number == other else 20 for other in range(len(zones))],
                "cores": [{"socket": socket, "l3": None, "threads": threads} for socket, threads in cores],
            }
            for number, cores in enumerate(zones)
        ],
    }
    config = {
        "topologyManagerPolicy": "best-effort",
        "cpuManagerPolicy": "static",
        "memoryManagerPolicy": "None",
        "reservedSystemCPUs": reserved,
    }
    return Kubelet(machine_from_json(machine, "machine"), config_from_json(config, "kubelet"))


def _pod(*cpus: int) -> PodDemand:
    parts = (ContainerDemand(f"c{number}", Kind.APP, count) for number, count in enumerate(cpus))
    return PodDemand("p", True, False, tuple(parts))


@pytest.mark.parametrize(("name", "zones", "reserved", "asked", "given"), CASES, ids=[case[0] for case in CASES])
def test_reserved_cpus_are_handed_out(
    backend: Backend, name: str, zones: list[list[tuple[int, list[int]]]], reserved: str, asked: int, given: set[int]
) -> None:
    """The kubelet gives more CPUs than count as free; the kernel says undecided instead of refusing."""
    node = _node(zones, reserved)
    pod = _pod(asked)
    entry = answer(backend, row_of(node), ask_of(pod))
    truth = node.admit(pod)
    assert isinstance(truth, Admitted)
    assert truth.containers["c0"].cpus == given
    assert Code(entry.code) is Code.OptionsUndecided


def test_what_follows_is_undecided(backend: Backend) -> None:
    """After a container whose CPUs are not known, the next one's are not either."""
    node = _node(CASES[0][1], CASES[0][2])
    pod = _pod(2, 1)
    assert Code(answer(backend, row_of(node), ask_of(pod)).code) is Code.OptionsUndecided


def test_one_whole_zone_is_certain(backend: Backend) -> None:
    """A zone on a socket of its own gives what it has, however large the others are."""
    node = _node(CASES[1][1], "0")
    pod = _pod(3)
    placed = place(backend, row_of(node), ask_of(pod))
    assert placed is not None
    assert placed.exact
    assert placed.cpus == (0, 3)
