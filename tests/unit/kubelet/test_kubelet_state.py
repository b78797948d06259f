"""The twin's state: clones, loading, counts, removal, leaks after a refusal, devices, versions, CPU lists."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extender.errors import BadObject
from extender.kubelet.admission import Kubelet
from extender.kubelet.counts import Amount
from extender.kubelet.cpuset import bits, format_cpus, from_ids, parse_cpus
from extender.kubelet.model import CannotStart, Machine
from extender.kubelet.results import Admitted, Block, ContainerPlacement, Refused
from extender.kubelet.versions import version_of
from tests.kit.kubelet_nodes import DEVICE, GI, A, B, config, kubelet, machine, parse_config, pod


def node(policy: str = "BE", **settings: object) -> Kubelet:
    return kubelet(A, config(policy, "0,16", **settings), devices={DEVICE: {0: 2, 1: 1}})  # type: ignore[arg-type]


def test_counts() -> None:
    """Per zone: CPUs, whole cores, memory, blocks, group, devices; and the node's physical CPUs."""
    twin = node("R")
    twin.admit(pod("p", "19c/2Gi/40hp"))
    counts = twin.counts()
    zone = counts.zones[0]
    assert (zone.id, zone.socket, zone.cpu_total, zone.cpu_free, zone.cores_free) == (0, 0, 16, 11, 5)
    assert (zone.cpu_reserved, counts.zones[1].cpu_reserved) == (2, 0)
    assert zone.memory == {"hugepages-1Gi": Amount(32 * GI, 0), "memory": Amount(31 * GI, 29 * GI)}
    assert (zone.blocks, zone.group) == (2, 0b11)
    assert zone.devices == {DEVICE: Amount(2, 2)}
    assert counts.zones[1].devices == {DEVICE: Amount(1, 1)}
    assert (counts.physical_free, counts.threads_per_core) == (11, 2)


def test_counts_without_memory_manager() -> None:
    """No memory known; every zone a group of its own."""
    counts = kubelet(B, config("R", "0,1", memory=False)).counts()
    assert [zone.memory for zone in counts.zones] == [{}] * 4
    assert [zone.group for zone in counts.zones] == [1, 2, 4, 8]
    assert [zone.socket for zone in counts.zones] == [0, 0, 1, 1]
    assert counts.physical_free == 28
    assert counts.zones[0].cpu_free == 6
    assert counts.zones[0].cores_free == 2


def test_sparse_zone_ids() -> None:
    """Outside, zones are named by id; groups are masks of positions."""
    twin = kubelet(machine(2, 1, 8, ids=[0, 8]), config("R", "0,16"))
    answer = twin.admit(pod("p", "20c/2Gi/40hp"))
    assert answer.containers["c0"].hint == (0, 8)
    assert answer.containers["c0"].memory[0].zones == (0, 8)
    assert [zone.group for zone in twin.counts().zones] == [3, 3]
    assert twin.state()["memory"]["8"]["group"] == [0, 8]  # type: ignore[index]


def test_clone_is_independent() -> None:
    """What a clone admits or removes does not touch the original, and the other way round."""
    twin = node()
    twin.admit(pod("p", "2c/1Gi/2hp/1dev", init=["1c"]))
    state, counts = twin.state(), twin.counts()
    copy = twin.clone()
    assert copy.state() == state
    copy.admit(pod("q", "20c/1Gi/20hp/1dev"))
    copy.remove("p")
    copy.admit(pod("r", "1c"))
    assert twin.state() == state
    assert twin.counts() == counts
    assert twin.placements().keys() == {"p"}
    assert copy.placements().keys() == {"q", "r"}
    assert twin.admit(pod("x", "3c")) == twin.clone().admit(pod("x", "3c"))


def test_load_repeats_what_was_placed() -> None:
    """A fresh twin loaded with another's placements is in the same state and answers the same."""
    twin = node()
    for uid, text in (("a", "20c/1Gi/40hp"), ("b", "2c/1Gi/2hp"), ("c", "15m/1Gi")):
        assert isinstance(twin.admit(pod(uid, text)), Admitted)
    other = node()
    other.admit(pod("before", "4c"))
    other.load(twin.placements())
    assert other.state() == twin.state()
    assert other.counts() == twin.counts()
    assert other.admit(pod("d", "3c/2Gi")) == twin.admit(pod("d", "3c/2Gi"))
    other.remove("a")
    assert [zone.cpu_free for zone in other.counts().zones] != [zone.cpu_free for zone in twin.counts().zones]
    assert other.restart().keys() == {"d"}
    assert other.placements().keys() == {"b", "c", "d"}


def test_load_forgets_what_the_topology_manager_said() -> None:
    """A placement that is loaded has no affinity, even for a pod that was admitted before."""
    twin = node("R")
    placed = twin.admit(pod("p", "2c/1Gi")).containers
    assert placed["c0"].hint == (0,)
    twin.load({"p": placed})
    assert twin.placements()["p"]["c0"].hint is None


@pytest.mark.parametrize(
    ("placement", "text"),
    [
        (ContainerPlacement(cpus=frozenset({99})), "placement of p/c: the machine has no CPU 99"),
        (ContainerPlacement(cpus=frozenset({-1})), "CPU ids are 0 to 8191"),
        (ContainerPlacement(cpus=frozenset({10**9})), "CPU ids are 0 to 8191"),
        (ContainerPlacement(memory=(Block("memory", (0, 7), 1),)), "the machine has no zone 7"),
    ],
)
def test_load_refuses_what_is_not_there(placement: ContainerPlacement, text: str) -> None:
    """CPUs and zones that the machine does not have are errors."""
    with pytest.raises(BadObject, match=text):
        node().load({"p": {"c": placement}})


def test_load_books_no_more_than_there_is() -> None:
    """More memory than the zones have leaves them empty, never below zero."""
    twin = node()
    twin.load({"p": {"c": ContainerPlacement(memory=(Block("memory", (0, 1), 999 * GI), Block("other", (0,), 1)))}})
    assert [zone.memory["memory"].free for zone in twin.counts().zones] == [0, 0]
    twin.remove("p")
    assert [zone.memory["memory"].free // GI for zone in twin.counts().zones] == [31, 32]


def test_a_refused_pod_holds_until_the_next_admission() -> None:
    """What a refused pod got stays in the state files; the next admission, or a look at the counts, takes it back."""
    twin = node()
    answer = twin.admit(pod("p", "2c/40Gi", init=["+1c/1Gi"]))
    assert isinstance(answer, Refused)
    assert len(answer.containers["i0"].cpus) == 1
    assert twin.state()["sharedPoolCPUs"] != "0-31"
    twin.clone().counts()
    assert twin.state()["sharedPoolCPUs"] != "0-31"
    twin.counts()
    assert twin.state()["sharedPoolCPUs"] == "0-31"


def test_memory_is_swept_only_when_its_manager_is_called() -> None:
    """Under policy none a CPU failure ends admission before the Memory Manager is asked, so its state stays stale."""
    twin = node("NO")
    twin.admit(pod("a", "2c/1Gi"))
    twin.remove("a")
    assert isinstance(twin.admit(pod("b", "31c/1Gi")), Refused)
    assert twin.state()["memory"]["0"]["assignments"] == 1  # type: ignore[index]
    assert twin.state()["sharedPoolCPUs"] == "0-31"


# --- devices -------------------------------------------------------------------------------------------------


def used(twin: Kubelet) -> list[int]:
    return [zone.devices[DEVICE].total - zone.devices[DEVICE].free for zone in twin.counts().zones]


def test_devices_are_counted() -> None:
    """Each pod takes devices in its zones; a removed one gives them back; too few are impossible."""
    twin = node("SN", memory=False)
    assert twin.admit(pod("a", "2c/1Gi/2dev")).containers["c0"].hint == (0,)
    assert twin.admit(pod("b", "2c/1Gi/1dev")).containers["c0"].hint == (1,)
    assert used(twin) == [2, 1]
    refused = twin.admit(pod("c", "2c/1Gi/1dev"))
    assert isinstance(refused, Refused)
    assert f"1 {DEVICE} fits nowhere now" in refused.rule
    twin.remove("a")
    assert twin.admit(pod("c", "2c/1Gi/1dev")).containers["c0"].hint == (0,)
    assert used(twin) == [1, 1]


@pytest.mark.parametrize(
    ("texts", "init", "admitted"),
    [
        (["2c/1Gi/2dev"], [], False),
        (["2c/1Gi/1dev"], [], True),
        (["1c/1Gi/1dev", "1c/1Gi/1dev"], [], False),
        (["1c/1Gi/1dev"], ["+1c/1Gi/1dev"], False),
        (["1c/1Gi"], ["+1c/1Gi/2dev"], False),
        (["1c/1Gi"], ["+1c/1Gi/1dev"], True),
        (["1c/1Gi/1dev"], ["1c/1Gi/1dev"], True),
        (["1c/1Gi/1dev"], ["1c/1Gi/2dev"], False),
        (["1c/1Gi/1dev"], ["+1c/1Gi/1dev", "1c/1Gi"], False),
        (["1c/1Gi"], ["+1c/1Gi/1dev", "1c/1Gi/1dev"], False),
    ],
)
def test_devices_of_a_whole_pod(texts: list[str], init: list[str], admitted: bool) -> None:
    """Pod scope, CPUs left on zone 1 only, where one device is: what all containers hold at one time must be there."""
    twin = node("SN", memory=False, scope="pod")
    twin.admit(pod("a", "14c/1Gi"))
    assert isinstance(twin.admit(pod("p", *texts, init=init)), Admitted) is admitted


def test_a_clone_knows_what_may_be_reused() -> None:
    """A pod that comes again under its own uid is answered alike by the original and its clone."""
    twin = node("BE", memory=False)
    twin.admit(pod("p", "1c/1Gi/1dev", init=["1c/1Gi/2dev"]))
    twin.remove("p")
    assert used(twin) == [0, 0]
    copy = twin.clone()
    again = pod("p", "1c/1Gi/4dev")
    assert isinstance(twin.admit(again), Admitted)
    assert isinstance(copy.admit(again), Admitted)
    assert copy.counts() == twin.counts()


def test_devices_on_some_zones() -> None:
    """A zone without devices of a resource does not list it."""
    twin = kubelet(A, config("SN", "0,16"), devices={DEVICE: {0: 0, 1: 2}})
    assert [zone.devices for zone in twin.counts().zones] == [{}, {DEVICE: Amount(2, 2)}]
    twin.load({"p": {"c": ContainerPlacement(devices={DEVICE: {0: 1}})}})
    assert twin.placements() == {"p": {}}
    assert [zone.devices for zone in twin.counts().zones] == [{}, {DEVICE: Amount(2, 2)}]


def test_device_width_counts_all_devices() -> None:
    """Two devices fit zone 0 by number; with one in use only {0,1} is left, which restricted refuses."""
    twin = node("R", memory=False)
    twin.admit(pod("a", "1c/1Gi/1dev"))
    assert isinstance(twin.admit(pod("b", "1c/1Gi/2dev")), Refused)
    best = node("BE", memory=False)
    best.admit(pod("a", "1c/1Gi/1dev"))
    assert isinstance(best.admit(pod("b", "1c/1Gi/2dev")), Admitted)
    assert used(best) == [2, 1]


def test_devices_fail_at_allocation_without_hints() -> None:
    """Policy none asks no hints, so too few devices fail when they are allocated."""
    answer = node("NO", memory=False).admit(pod("p", "1c/1Gi/4dev"))
    assert isinstance(answer, Refused)
    assert answer.reason == "UnexpectedAdmissionError"
    assert f"requested number of devices unavailable for {DEVICE}. Requested: 4, Available: 3" in answer.message


@pytest.mark.parametrize("scope", ["container", "pod"])
def test_devices_of_init_containers_are_reused(scope: str) -> None:
    """An init container's devices serve the app container; a sidecar keeps its own."""
    twin = node("SN", memory=False, scope=scope)
    assert isinstance(twin.admit(pod("p", "1c/1Gi/1dev", init=["1c/1Gi/2dev"])), Admitted)
    assert used(twin) == [2, 0]
    twin.remove("p")
    assert isinstance(twin.admit(pod("q", "1c/1Gi/1dev", init=["+1c/1Gi/1dev"])), Admitted)
    assert used(twin) == [2, 0]
    assert isinstance(twin.restart()["q"], Admitted)
    assert used(twin) == [2, 0]


def test_devices_are_loaded() -> None:
    """Placements carry devices, reused ones once; what is more than the node has, or unknown, is not booked."""
    twin = node("SN", memory=False)
    twin.admit(pod("p", "1c/1Gi/1dev", init=["1c/1Gi/2dev"]))
    placements = twin.placements()
    assert placements["p"]["c0"].devices == {DEVICE: {0: 1}}
    assert placements["p"]["i0"].devices == {DEVICE: {0: 1}}
    other = node("SN", memory=False)
    other.load(placements)
    assert used(other) == [2, 0]
    assert other.counts() == twin.counts()
    other.load({"q": {"c": ContainerPlacement(devices={DEVICE: {1: 9}, "unknown": {0: 1}})}})
    assert used(other) == [0, 1]
    assert other.placements()["q"]["c"].devices == {DEVICE: {1: 1}}
    other.remove("q")
    assert used(other) == [0, 0]


def test_devices_without_zones_never_constrain() -> None:
    """A resource that the node's table does not have is left to the scheduler."""
    twin = kubelet(A, config("SN", "0,16", memory=False))
    assert isinstance(twin.admit(pod("p", "1c/1Gi/99dev")), Admitted)


def test_given_hints_replace_devices() -> None:
    """With hints from outside no devices are taken."""
    twin = node("SN", memory=False)
    answer = twin.admit(pod("p", "2c/1Gi/2dev"), {DEVICE: [([1], True)]})
    assert answer.containers["c0"].hint == (1,)
    assert used(twin) == [0, 0]
    with pytest.raises(BadObject, match="no zone 5"):
        twin.admit(pod("q", "2c"), {DEVICE: [([5], True)]})


def test_devices_of_unknown_zones() -> None:
    """Devices on a zone that the machine does not have are an error."""
    with pytest.raises(BadObject, match="devices of gpu: the machine has no zone 9"):
        kubelet(A, config("SN", "0,16"), devices={"gpu": {9: 1}})


def test_no_zones() -> None:
    """A machine without zones has no kubelet."""
    with pytest.raises(CannotStart, match="no zones"):
        Kubelet(Machine(1, ()), parse_config({}))


def test_too_many_zones() -> None:
    """Seventeen zones cannot be enumerated; with policy none and no Memory Manager nobody enumerates them."""
    kubelet(machine(1, 16, 1), config("BE", "0", options={"max-allowable-numa-nodes": "16"}, memory=False))
    wide = machine(1, 17, 1)
    with pytest.raises(CannotStart, match="17 zones"):
        kubelet(wide, config("BE", "0", options={"max-allowable-numa-nodes": "17"}, memory=False))
    assert isinstance(kubelet(wide, config("NO", "0", memory=False)).admit(pod("p", "4c")), Admitted)


# --- small parts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("v1.36.2", "1.36"),
        ("1.35.0+k3s1", "1.35"),
        ("v1.37.0-rc.1", "1.37"),
        ("v1.37", "1.37"),
        ("v1.33.4", "1.33"),
        ("v1.34.2+rke2r1", "1.34"),
        ("v1.29.4", "1.33"),
        ("v1.44.0", "1.37"),
        ("", "1.37"),
        ("v2.0", "1.37"),
        ("edge", "1.37"),
    ],
)
def test_version_of(text: str, minor: str) -> None:
    """The nearest modelled minor; what cannot be read counts as the newest."""
    assert version_of(text) == minor


@settings(deadline=None)
@given(st.sets(st.integers(0, 300)))
def test_cpu_lists(ids: set[int]) -> None:
    """A set survives its text form."""
    text = format_cpus(from_ids(ids))
    assert set(bits(parse_cpus(text, "t"))) == ids


@pytest.mark.parametrize(
    ("ids", "text"),
    [([], ""), ([0], "0"), ([0, 1], "0-1"), ([0, 2, 3, 5], "0,2-3,5"), ([7, 8, 9, 31], "7-9,31")],
)
def test_format_cpus(ids: list[int], text: str) -> None:
    """The kernel's list format."""
    assert format_cpus(from_ids(ids)) == text


@pytest.mark.parametrize("text", ["0-", "a", "0,,1", "1-0", "0-9999", "-1", "٣", "1" * 70000])
def test_bad_cpu_lists(text: str) -> None:
    """What is not such a list is an error that names the place."""
    with pytest.raises(BadObject, match="^here: "):
        parse_cpus(text, "here")
