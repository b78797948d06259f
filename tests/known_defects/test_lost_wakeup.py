"""A freed zone and a VM that waits for it, on the real kube-scheduler.

The end of a pod wakes the waiting VM in kube-scheduler. Its filter call overtakes the same news on our own watch, so the
VM is refused once more; the news comes a moment later, and nothing wakes the VM any more. Here our watch is held back
until kube-scheduler has given up asking, so that this happens every time.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.kit.cluster.control_plane import ControlPlane
from tests.kit.cluster.processes import wait_for
from tests.kit.instance_types import CX1_4XLARGE
from tests.kit.site import Object, Site, node, site
from tests.kit.wiretap import Call
from tests.known_defects.gate import Gate, behind
from tests.known_defects.scene import FLOW

#: Seconds for which the VM may wait once we have seen that its zone is free; kube-scheduler itself looks again after
#: five minutes.
PATIENCE = 15.0


@dataclass(frozen=True, slots=True)
class Wakeup:
    """One freed zone."""

    #: the filter calls that the end of the pod caused, before we heard of it
    overtaking: list[Call]
    #: the VM was bound in time, and after its own object had been touched
    bound: bool
    bound_when_touched: bool


@pytest.fixture(scope="module")
def scene(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wakeup]:
    """One node of two zones, a VM of 17 CPUs in each, and a third that waits."""
    fleet = [node("lab-1", "H29", "single-numa-node", pages=64)]
    with (
        behind(control_plane) as gate,
        site(control_plane, fleet, tmp_path_factory.mktemp("wakeup")) as here,
    ):
        yield played(here, gate)
        here.clear()


def played(here: Site, gate: Gate) -> Wakeup:
    for pod in (here.vm("stays", CX1_4XLARGE), ends := here.vm("ends", CX1_4XLARGE)):
        here.node_of(pod)
        here.verdict(pod)
    waits = here.vm("waits", CX1_4XLARGE)
    here.refusal(waits)
    calls = at_rest(here, waits, 0)
    gate.close()
    try:
        here.plane.api.delete(here.path(ends), grace=0)
        woken = at_rest(here, waits, calls)
    finally:
        gate.open()
    here.extender.wait_ready()
    wait_for(lambda: heard(here, waits), "the extender to hear of the end")
    bound = within(PATIENCE, here, waits)
    here.plane.api.patch(here.path(waits), {"metadata": {"annotations": {"example.com/touched": "yes"}}})
    return Wakeup(here.wiretap.of(waits, "filter")[calls:woken], bound, within(60, here, waits))


def heard(here: Site, waits: Object) -> bool:
    """Whether the extender knows of the end: one pod holds CPUs, or the waiting one is there already."""
    return here.extender.metric("fastfit_charged_pods") == 1 or bool(here.now(waits)["spec"].get("nodeName"))


def at_rest(here: Site, pod: Object, before: int) -> int:
    """Wait until the pod has been asked about more than `before` times, and no more for two seconds; how often it was.

    One event may lead to two calls, the second one some 10 ms after the first. The backoff is a second.
    """
    seen = wait_for(lambda: count if (count := len(here.wiretap.of(pod, "filter"))) > before else 0, "a filter call")
    while True:
        time.sleep(2)
        if (count := len(here.wiretap.of(pod, "filter"))) == seen:
            return seen
        seen = count


def within(seconds: float, here: Site, pod: Object) -> bool:
    """Whether the pod is bound in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if here.now(pod)["spec"].get("nodeName"):
            return True
        time.sleep(0.05)
    return False


def test_the_calls_overtake_our_watch(scene: Wakeup) -> None:
    """kube-scheduler asks about the VM as the pod ends, and it is refused: we have not heard of the end."""
    assert scene.overtaking
    for call in scene.overtaking:
        assert not call.answer.get("NodeNames")
        assert list(call.answer["FailedAndUnresolvableNodes"]) == ["lab-1"]


def test_asked_again_the_vm_is_bound(scene: Wakeup) -> None:
    """Its zone is free: all that is missing is the question."""
    assert scene.bound_when_touched


@FLOW
def test_the_waiting_vm_is_bound_once_we_know_of_the_free_zone(scene: Wakeup) -> None:
    """In far less than kube-scheduler's five minutes."""
    assert scene.bound
