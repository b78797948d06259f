"""What a kubelet refused is refused before it is asked again, and that has to have a cause and an end.

Three everyday causes that pass by themselves, each on a node that is empty afterwards: no pod is left there whose end
could lift the ban of the shape.
"""

from dataclasses import dataclass

import pytest

from _fastfit.codes import Code
from extender.api.objects import NodeResourceTopology
from extender.kubelet.results import Admitted, Refused
from extender.reasons import REASONS
from tests.kit.objects import machine, node, nrt, pod
from tests.known_defects.scene import Answer, Extender, RealKubelet, ended, kubelet_facts, must, running

HOUR, WEEK = 3600.0, 7 * 86400.0
WAITS = [pytest.param(HOUR, id="1h"), pytest.param(WEEK, id="1w")]
#: Only zone 1 has so many.
CPUS = 15


def report(*free: int) -> NodeResourceTopology:
    """An exporter that shows every pod, and what containers hold that have no pod any more."""
    return nrt("n", [{"cpu": cpus} for cpus in free])


@dataclass(frozen=True, slots=True)
class Refusal:
    """One cause, and what the node's report says while it lasts."""

    reason: str
    message: str
    during: tuple[int, int] = (14, 16)
    #: a pod that was deleted by force; its container ends later
    lingers: bool = False


CAUSES = {
    "device plugin restarts": Refusal(
        "UnexpectedAdmissionError",
        "Pod was rejected: Allocate failed due to no healthy devices present; cannot allocate unhealthy devices "
        "devices.kubevirt.io/kvm, which is unexpected",
    ),
    "container outlives its pod": Refusal(
        "TopologyAffinityError",
        "Pod was rejected: Resources cannot be allocated with Topology locality",
        during=(14, 1),
        lingers=True,
    ),
    "burstable pods overbook": Refusal(
        "OutOfcpu",
        "Pod was rejected: Node didn't have enough resource: cpu, requested: 15015, used: 15500, capacity: 30000",
    ),
}
CASES = pytest.mark.parametrize("cause", CAUSES.values(), ids=CAUSES)


def refused(cause: Refusal) -> tuple[Extender, RealKubelet]:
    """A VM was sent to the node and its kubelet refused it; then the cause is over, and the node empty and well."""
    extender = Extender()
    extender.now(0.0)
    extender.see(node("n", kubelet_facts(), machine(pages=0)))
    kubelet = RealKubelet(extender, "n")
    old = running("old", CPUS, "n", second=0)
    if cause.lingers:
        kubelet.admit(old)
        extender.see(old)
        extender.see(report(*cause.during))
        extender.gone(old)
    else:
        extender.see(report(*cause.during))
    extender.now(1.0)
    answer = extender.filter(pod("first", CPUS, 0), "n")
    must(answer.kept == ["n"], "the first VM is sent to the node")
    bound = pod("first", CPUS, 0, node_name="n")
    must(isinstance(kubelet.admit(bound), Refused) == cause.lingers, "the managers refuse what lingers")
    kubelet.remove(bound)
    extender.see(bound)
    extender.see(ended(bound, cause.reason, cause.message))
    extender.gone(bound)
    return extender, kubelet


def over(cause: Refusal, extender: Extender, kubelet: RealKubelet, seconds: float) -> Answer:
    """The cause has passed; so much later an equal VM is asked about."""
    kubelet.remove(running("old", CPUS, "n", second=0))
    extender.now(2.0)
    extender.see(report(14, 16))
    extender.now(seconds)
    return extender.filter(pod("second", CPUS, 0), "n")


@CASES
def test_at_once_an_equal_vm_is_refused(cause: Refusal) -> None:
    """Otherwise kube-scheduler would send one after the other."""
    extender, _ = refused(cause)
    answer = extender.filter(pod("second", CPUS, 0), "n")
    assert answer.kept == []
    assert answer.refused == {"n": REASONS[Code.RefusedBefore].text}


@CASES
def test_the_end_of_a_pod_lifts_the_ban(cause: Refusal) -> None:
    """Any pod that the kubelet had admitted."""
    extender, kubelet = refused(cause)
    passing = running("passing", 1, "n", second=9)
    extender.see(passing)
    extender.gone(passing)
    assert over(cause, extender, kubelet, HOUR).kept == ["n"]


@CASES
def test_the_kubelet_takes_an_equal_vm_once_the_cause_is_over(cause: Refusal) -> None:
    """The node is empty."""
    extender, kubelet = refused(cause)
    over(cause, extender, kubelet, HOUR)
    assert kubelet.free() == [14, 16]
    assert isinstance(kubelet.admit(pod("second", CPUS, 0)), Admitted)


@CASES
@pytest.mark.parametrize("wait", WAITS)
def test_the_ban_ends_with_its_cause(cause: Refusal, wait: float) -> None:
    """An hour and a week later, though no pod came and left."""
    assert over(cause, *refused(cause), wait).kept == ["n"]
