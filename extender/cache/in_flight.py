"""Pods on their way to a node: what must be seen of them before another one may follow.

Both doubts end by themselves within moments: at the binding, or at the kubelet's answer, whose events also wake the
pods that wait.
"""

from collections.abc import Callable

from _fastfit.codes import Code
from extender.cache.nodes.node import NodeState
from extender.cache.nodes.placement import PodGuest
from extender.cache.pods.pod import PodEntry, splits_cores

__all__ = ["doubt_in_flight", "probe_under_way"]

_OPTIONS = "cpuManagerPolicyOptions"


def probe_under_way(state: NodeState, pod: PodEntry) -> bool:
    """Whether the node of unknown options is just being tried with another pod that full-pcpus-only would refuse."""
    threads = state.threads_per_core
    if not splits_cores(pod.demand, threads):
        return False
    under_way = any(
        o.uid != pod.uid and not o.admitted and splits_cores(o.demand, threads) for o in state.ledger.pods()
    )
    return under_way and _may_want_whole_cores(state)


def doubt_in_flight(state: NodeState, pod: PodEntry, guest_in: Callable[[PodEntry], PodGuest]) -> Code | None:
    """Why `pod`, just promised to the node, should rather wait; None: nothing speaks against it."""
    return Code.OrderUndecided if state.ledger.order_matters(pod, guest_in) else None


def _may_want_whole_cores(state: NodeState) -> bool:
    """Whether nobody has said, and nothing has shown, if full-pcpus-only is on."""
    if state.refusals.admits_split_cores or state.facts.config.cpu_manager_policy != "static":
        return False
    return all(fact.name != _OPTIONS for fact in state.facts.facts)
