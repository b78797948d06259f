"""The steps of an admission, as they are told to people."""

from typing import Any

import pytest

from extender.kubelet.admission import DeviceHints, Kubelet
from extender.kubelet.pod import PodDemand
from extender.kubelet.results import Block
from extender.kubelet.trace import Answer, Asked, Decided, Failed, Step, Took
from tests.kit.kubelet_nodes import DEVICE, GI, A, B, config, kubelet, machine, pod


def node(policy: str = "R", **settings: Any) -> Kubelet:
    return kubelet(A, config(policy, "0,16", **settings), devices={DEVICE: {0: 2, 1: 1}})


def steps(twin: Kubelet, wanted: PodDemand, hints: DeviceHints | None = None) -> list[Step]:
    """The steps of an admission, whose answer is the same without anybody listening."""
    told: list[Step] = []
    silent = twin.clone().admit(wanted, hints)
    assert twin.admit(wanted, hints, told.append) == silent
    return told


def answers(step: Step) -> dict[str, Answer]:
    assert isinstance(step, Asked)
    return {answer.resource or answer.manager: answer for answer in step.answers}


def test_steps_of_an_admission() -> None:
    """Hints with preference, width and why; the merge; and what each manager gave."""
    asked, decided, device, cpu, memory = steps(node(), pod("p", "2c/1Gi/2hp/1dev"))
    assert isinstance(asked, Asked)
    assert asked.who == "container c0"
    assert [(answer.manager, answer.resource) for answer in asked.answers] == [
        ("device", DEVICE), ("cpu", "cpu"), ("memory", "hugepages-1Gi"), ("memory", "memory"),
    ]  # fmt: skip
    every = (((0,), True), ((1,), True), ((0, 1), False))
    assert answers(asked) == {
        DEVICE: Answer("device", DEVICE, 1, 1, every, f"a zone has up to 2 {DEVICE} in all"),
        "cpu": Answer("cpu", "cpu", 2, 1, every, "a zone has up to 16 CPUs in all"),
        "hugepages-1Gi": Answer(
            "memory", "hugepages-1Gi", 2 * GI, 1, every, "a zone has up to 32Gi hugepages-1Gi after reservation"
        ),
        "memory": Answer("memory", "memory", GI, 1, every, "a zone has up to 32Gi memory after reservation"),
    }
    assert decided == Decided(
        "container c0", (0,), True, True, "these zones are preferred for every resource that has a preference"
    )
    assert device == Took("c0", "device", devices={DEVICE: {0: 1}})
    assert cpu == Took("c0", "cpu", cpus=frozenset({1, 17}))
    assert memory == Took("c0", "memory", memory=(Block("hugepages-1Gi", (0,), 2 * GI), Block("memory", (0,), GI)))


def test_steps_of_a_refusal() -> None:
    """Zones by id; the refused merge says the rule of the answer, and nothing follows."""
    twin = kubelet(machine(2, 1, 8, ids=[0, 8]), config("R", "0,16"))
    wanted = pod("p", "20c/2Gi/16hp")
    asked, decided = steps(twin, wanted)
    assert answers(asked)["cpu"].hints == (((0, 8), True),)
    assert answers(asked)["cpu"].why == "1 zone has at most 16 CPUs in all"
    assert isinstance(decided, Decided)
    assert (decided.zones, decided.preferred, decided.admitted) == ((0, 8), False, False)
    assert decided.why == twin.admit(wanted).rule  # type: ignore[union-attr]


def test_pod_scope_asks_once() -> None:
    """One question for the pod, then an allocation for each container."""
    told = steps(node("SN", scope="pod", memory=False), pod("p", "2c", "3c", "100m"))
    assert [type(step).__name__ for step in told] == ["Asked", "Decided", "Took", "Took"]
    assert isinstance(told[0], Asked)
    assert told[0].who == "the pod"
    assert answers(told[0])["cpu"].request == 5
    assert [step.container for step in told if isinstance(step, Took)] == ["c0", "c1"]


@pytest.mark.parametrize(
    ("apps", "init", "cpus", "memory_gi", "devices"),
    [
        (["2c/3Gi/1dev"], [], 2, 3, 1),
        (["2c/3Gi/1dev", "1c/1Gi"], [], 3, 4, 1),
        (["2c/3Gi/1dev"], ["+1c/1Gi/1dev"], 3, 4, 2),
        (["2c/3Gi"], ["+1c/1Gi/2dev"], 3, 4, 2),
        (["1c/1Gi/1dev"], ["3c/5Gi/2dev"], 3, 5, 2),
        (["1c/1Gi/1dev"], ["3c/5Gi/2dev", "2c/2Gi"], 3, 5, 2),
        (["1c/1Gi"], ["+1c/1Gi/1dev", "3c/5Gi/1dev"], 4, 6, 2),
        (["1c/1Gi"], ["3c/5Gi/1dev", "+1c/1Gi/1dev"], 3, 5, 1),
        (["1c/1Gi"], ["+1c/1Gi", "+1c/1Gi/1dev"], 3, 3, 1),
    ],
)
def test_what_a_pod_asks_for(apps: list[str], init: list[str], cpus: int, memory_gi: int, devices: int) -> None:
    """Pod scope: sidecars add to what starts after them, init containers count for the most of one time."""
    told = answers(steps(node("BE", scope="pod"), pod("p", *apps, init=init))[0])
    assert told["cpu"].request == cpus
    assert told["memory"].request == memory_gi * GI
    assert told[DEVICE].request == devices


@pytest.mark.parametrize(
    ("settings", "wanted", "cpu", "memory"),
    [
        ({}, {"burstable": True}, "the pod is not Guaranteed, so nothing is pinned", ""),
        ({}, {"pod_level": "4c/1Gi"}, "the pod has resources of its own (spec.resources), so nothing is pinned", ""),
        ({"cpuManagerPolicy": "none"}, {}, "cpuManagerPolicy is none", "-"),
        ({"memoryManagerPolicy": "None"}, {}, "-", "memoryManagerPolicy is None"),
    ],
)
def test_managers_without_a_say(settings: dict[str, str], wanted: dict[str, Any], cpu: str, memory: str) -> None:
    """A manager that gives no hints says why."""
    twin = kubelet(A, config("BE", "0,16") | settings)
    told = answers(steps(twin, pod("p", "2c/1Gi", **wanted))[0])
    assert told["cpu"].why == cpu or cpu == "-"
    assert told["memory"].why == (memory or cpu) or memory == "-"
    assert (told["cpu"].hints is None) is (cpu != "-")


@pytest.mark.parametrize(
    ("scope", "why"),
    [("container", "the container asks for no whole CPUs"), ("pod", "its containers ask for no whole CPUs")],
)
def test_fractions_have_no_hints(scope: str, why: str) -> None:
    """A Guaranteed pod with 2500m stays in the shared pool."""
    assert answers(steps(node(scope=scope), pod("p", "2500m/1Gi"))[0])["cpu"] == Answer("cpu", "", 0, 0, None, why)


def test_memory_that_is_nowhere_is_said_where_it_hides() -> None:
    """No zones for the memory: no preference at the merge, a failure at allocation."""
    twin = node("BE")
    twin.admit(pod("s", "2c/1Gi/2hp"))
    asked, decided, cpu, failed = steps(twin, pod("p", "20c/2Gi/40hp"))
    assert answers(asked)["memory"].hints is None
    assert "no set of zones can give the memory now" in answers(asked)["memory"].why
    assert isinstance(decided, Decided)
    assert decided.zones == (0, 1)
    assert isinstance(cpu, Took)
    assert cpu.manager == "cpu"
    assert isinstance(failed, Failed)
    assert (failed.container, failed.manager) == ("c0", "memory")
    assert "violates NUMA node allocation" in failed.failure.message


def test_policy_none_asks_nobody() -> None:
    """Nothing guides the managers; a failure names the one that failed."""
    told = steps(node("NO"), pod("p", "1c/1Gi/4dev"))
    assert told[0] == Decided("the pod", None, False, True, "policy none asks for no hints and gives no guidance")
    assert isinstance(told[1], Failed)
    assert told[1].manager == "device"
    assert [type(step).__name__ for step in steps(node("NO"), pod("q", "1c/1Gi"))] == ["Decided", "Took", "Took"]


def test_what_leaves_the_guidance_is_said() -> None:
    """best-effort: CPUs from other zones and memory that was widened, each with its words."""
    twin = node("BE")
    twin.admit(pod("s", "2c/1Gi/1hp"))
    asked, decided, cpu, memory = steps(twin, pod("p", "20c/1Gi/16hp"))
    assert isinstance(decided, Decided)
    assert (decided.zones, decided.preferred, decided.admitted) == ((0,), False, True)
    assert decided.why == "no zones are preferred for every resource; the policy admits all the same"
    assert isinstance(cpu, Took)
    assert cpu.why == "8 CPUs (8-11,24-27) from other zones"
    assert isinstance(memory, Took)
    assert memory.why == ""
    *_, memory = steps(node("BE"), pod("q", "2c/1Gi/40hp"), {DEVICE: [([0], True)]})
    assert isinstance(memory, Took)
    assert memory.memory[0].zones == (0, 1)
    assert memory.why == "other zones than the guidance: it does not hold all of the memory"


def test_device_hints_from_outside() -> None:
    """Given hints are told as such; a resource without zones has no preference."""
    told = steps(node("SN", memory=False), pod("p", "2c/1Gi/2dev"), {DEVICE: [([1], True), ([0, 1], False)], "x": None})
    assert answers(told[0])[DEVICE] == Answer(
        "device", DEVICE, 0, 0, (((1,), True), ((0, 1), False)), "given from outside"
    )
    assert answers(told[0])["x"] == Answer("device", "x", 0, 0, None, "its devices have no zones")
    assert [step.manager for step in told if isinstance(step, Took)] == ["cpu"]


def test_no_preference_at_all() -> None:
    """Nothing that is pinned: every manager is silent, and so is the merge."""
    _, decided = steps(node("BE"), pod("p", "2c", burstable=True))
    assert decided == Decided("container c0", (0, 1), True, True, "no resource has a preference")
    asked, decided = steps(node("SN", memory=False), pod("p", "100m/1Gi/9dev", burstable=True), {"x": None})
    assert decided == Decided("container c0", None, True, True, "no resource has a preference")


def test_a_resource_that_is_nowhere() -> None:
    """No hints at all, and the width that would be needed: the request is impossible."""
    asked, _ = steps(node("R", memory=False), pod("p", "1c/1Gi/4dev"))
    assert answers(asked)[DEVICE] == Answer("device", DEVICE, 4, 2, (), f"all zones together have 3 {DEVICE} in all")


def test_hints_are_told_narrow_first() -> None:
    """Sets of zones stand by size, then by number, each with its own preference."""
    hints = answers(steps(kubelet(B, config("BE", "0,16", memory=False)), pod("p", "12c"))[0])["cpu"].hints
    assert hints is not None
    assert [zones for zones, preferred in hints if preferred] == [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    assert [len(zones) for zones, _ in hints] == sorted(len(zones) for zones, _ in hints)
