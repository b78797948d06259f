"""Which devices the Device Manager takes: reusable ones, those in the affinity, then any other, lowest zone first."""

import pytest

from extender.kubelet.devices import DeviceManager
from extender.kubelet.results import Failure
from extender.kubelet.topology_manager import Affinity
from tests.kit.kubelet_nodes import DEVICE, B, config, kubelet, pod

NOBODY = Affinity(None, False)


def take(manager: DeviceManager, text: str, affinity: Affinity = NOBODY, uid: str = "p") -> dict[int, int] | Failure:
    """Allocates for the only container of a pod; how many of each zone it got."""
    demand = pod(uid, text)
    failure = manager.allocate(demand, demand.containers[0], affinity)
    return failure or manager.held[uid]["c0"][DEVICE]


@pytest.mark.parametrize(
    ("mask", "need", "taken"),
    [
        (None, 3, {0: 2, 1: 1}),
        (0b10, 2, {1: 2}),
        (0b10, 4, {1: 3, 0: 1}),
        (0b100, 2, {2: 1, 0: 1}),
        (0b110, 5, {1: 3, 2: 1, 0: 1}),
    ],
)
def test_the_affinity_first_then_any(mask: int | None, need: int, taken: dict[int, int]) -> None:
    """What the affinity's zones lack is taken elsewhere, silently."""
    manager = DeviceManager({DEVICE: {0: 2, 1: 3, 2: 1}})
    assert take(manager, f"1c/1Gi/{need}dev", Affinity(mask, False)) == taken
    left = {zone: count - taken.get(zone, 0) for zone, count in {0: 2, 1: 3, 2: 1}.items()}
    assert manager.free[DEVICE] == left


def test_too_few_devices() -> None:
    """More than the node has free is a failure that names both numbers."""
    manager = DeviceManager({DEVICE: {0: 1, 1: 1}})
    take(manager, "1c/1Gi/1dev")
    failed = take(manager, "1c/1Gi/2dev", uid="q")
    assert isinstance(failed, Failure)
    assert "Requested: 2, Available: 1" in failed.message


def test_init_devices_are_reused_and_no_more() -> None:
    """An app container takes its init container's devices again; a second one finds them gone."""
    manager = DeviceManager({DEVICE: {0: 1, 1: 2}})
    demand = pod("p", "1c/1Gi/1dev", "1c/1Gi/1dev", init=["1c/1Gi/1dev"])
    for container in demand.containers:
        assert manager.allocate(demand, container, NOBODY) is None
    assert [manager.held["p"][name][DEVICE] for name in ("i0", "c0", "c1")] == [{0: 1}, {0: 1}, {1: 1}]
    assert manager.free[DEVICE] == {0: 0, 1: 1}


@pytest.mark.parametrize(
    ("version", "masks", "hint"),
    [("1.33", {0b0001, 0b0011, 0b0101, 0b0111, 0b1001, 0b1011, 0b1101, 0b1111}, (0, 1, 2)), ("1.36", {0b0001}, (0,))],
)
def test_zones_of_hints_by_version(version: str, masks: set[int], hint: tuple[int, ...]) -> None:
    """Before 1.36 sets with zones that have no such device are offered too; none of them is preferred. 20 CPUs need three
    zones of eight: best-effort settles on three there, and from 1.36 on the zone of the device.
    """
    node = kubelet(B, config("BE", "0,16", memory=False), version, {DEVICE: {0: 2}})
    demand = pod("p", "20c/1Gi/1dev")
    found = node._now.devices.hints(demand, demand.containers[0])[0].hints
    assert found is not None
    assert set(found.masks) == masks
    assert found.preferred == {0b0001}
    assert node.admit(demand).containers["c0"].hint == hint
