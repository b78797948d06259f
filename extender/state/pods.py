"""Pods as the state keeps them: who they are, where they are, what they hold."""

from dataclasses import dataclass

from extender import names
from extender.api.objects import Pod
from extender.errors import BadObject
from extender.kubelet.pod import PodDemand, pod_demand
from extender.kubevirt.launcher_pod import boots_guest, controlling_vmi, is_launcher

__all__ = ["PodEntry", "PodPhase", "entry_of", "holds_something", "is_over"]


class PodPhase:
    """Phases after which a pod holds nothing any more."""

    OVER = frozenset({"Succeeded", "Failed"})


@dataclass(slots=True)
class PodEntry:
    """A live pod that holds exclusive CPUs, pinned memory or devices.

    `order` sorts pods of one node into the order in which its kubelet saw them, as well as the API tells.
    """

    uid: str
    namespace: str
    name: str
    node: str
    order: tuple[str, str, str]
    demand: PodDemand
    vmi: str
    launcher: bool
    #: the VM boots in it (it does not come by live migration)
    boots: bool = False
    #: the kubelet has admitted it (it has a start time)
    admitted: bool = False
    #: its app containers run, so its init containers are over
    running: bool = False
    #: what we said of the node where it was bound: fits, unknown, refused, or none
    our_verdict: str = "none"


def is_over(pod: Pod) -> bool:
    """Whether the pod holds nothing any more. A terminating pod holds everything until it is gone."""
    return pod.status.phase in PodPhase.OVER


def holds_something(demand: PodDemand) -> bool:
    """Whether the resource managers keep anything of a zone for such a pod; KubeVirt's own devices have no zone."""
    if demand.pod_level:
        return False
    return any(
        c.exclusive_cpus or c.memory or any(not name.startswith(names.KUBEVIRT_DEVICE_PREFIX) for name, _ in c.devices)
        for c in demand.containers
    )


def entry_of(pod: Pod) -> PodEntry | None:
    """The entry of a bound or pending pod; None when it can hold nothing, or its requests cannot be read."""
    try:
        demand = pod_demand(pod)
    except BadObject:
        return None
    if not holds_something(demand):
        return None
    return PodEntry(
        uid=pod.metadata.uid,
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        node=pod.spec.node_name,
        order=_order(pod),
        demand=demand,
        vmi=controlling_vmi(pod),
        launcher=is_launcher(pod),
        boots=boots_guest(pod),
        admitted=bool(pod.status.start_time),
        running=pod.status.phase == "Running",
    )


def _order(pod: Pod) -> tuple[str, str, str]:
    """Start at the kubelet, else the time of binding, else creation; RFC 3339 in UTC sorts as text."""
    seen = pod.status.start_time
    if not seen:
        for condition in pod.status.conditions or ():
            if condition.type == "PodScheduled" and condition.status == "True":
                seen = condition.last_transition_time
    return (seen or "9999", pod.metadata.creation_timestamp or "", pod.metadata.name)
