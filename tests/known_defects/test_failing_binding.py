"""A VM whose binding fails every time, with one and the same message: a volume that cannot be made there.

kube-scheduler has forgotten the pod each time, and tries again within ten seconds. The condition changes at the first
failure alone, so the second one shows only in the next filter call for the pod.
"""

from dataclasses import dataclass, field

from extender.api.objects import Pod
from tests.kit.objects import machine, node, pod
from tests.known_defects.scene import FLOW, Extender, kubelet_facts, must

EVERY = 10.0
ATTEMPTS = 6
MESSAGE = 'running PreBind plugin "VolumeBinding": binding volumes: provisioning failed'


def vm(*, failed: bool) -> Pod:
    """The VM, before and after its first failure."""
    condition = {"type": "PodScheduled", "status": "False", "reason": "SchedulerError", "message": MESSAGE}
    return pod("v", 12, 0, conditions=[condition] if failed else None)


@dataclass
class Attempts:
    """What each attempt showed, the first one at 0."""

    sent: list[str] = field(default_factory=list)
    #: whether the VM still holds its place one second after the binding failed
    holds: list[bool] = field(default_factory=list)
    #: whether another VM of this size gets its place then
    other: list[bool] = field(default_factory=list)


def played(*nodes: str) -> Attempts:
    """Each node has room for one such VM. What is sent to a node fails there."""
    extender = Extender()
    for name in nodes:
        extender.see(node(name, kubelet_facts(reservedSystemCPUs="0,8"), machine(zones=1, pages=0)))
    seen = Attempts()
    for attempt in range(ATTEMPTS):
        extender.now(attempt * EVERY)
        record = vm(failed=attempt > 0)
        kept = extender.filter(record, *nodes).kept
        must(bool(kept), "an attempt has a node to go to")
        winners = extender.winners(record, kept) if len(kept) > 1 else kept
        must(len(winners) == 1, "one node is best")
        seen.sent += winners
        extender.see(vm(failed=True))
        extender.now(attempt * EVERY + 1.0)
        seen.holds.append(extender.assumed(record))
        another = pod("w", 12, 0)
        seen.other.append(bool(extender.filter(another, winners[0]).kept))
        extender.cluster.forget(another.metadata.uid)
    return seen


def test_the_first_failure_gives_the_place_back() -> None:
    """The condition shows it."""
    seen = played("a")
    assert not seen.holds[0]
    assert seen.other[0]


def test_every_attempt_may_go_to_the_only_node() -> None:
    """Volumes may be made in the end: no node is refused for it."""
    assert played("a").sent == ["a"] * ATTEMPTS


@FLOW
def test_after_two_equal_failures_nothing_stays_assumed() -> None:
    """From the third attempt on, on the only node."""
    assert played("a").holds[2:] == [False] * (ATTEMPTS - 2)


@FLOW
def test_after_two_equal_failures_another_vm_gets_the_place() -> None:
    """From the third attempt on."""
    assert played("a").other[2:] == [True] * (ATTEMPTS - 2)


@FLOW
def test_a_node_on_which_the_binding_fails_ranks_lower() -> None:
    """The other node is tried as well."""
    assert set(played("a", "b").sent) == {"a", "b"}
