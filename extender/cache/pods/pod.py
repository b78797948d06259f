"""Pods as the state keeps them: who they are, where they are, what they hold."""

from dataclasses import dataclass

from extender import names
from extender.api.objects import Pod
from extender.cache.interning import Interner, intern_text
from extender.errors import BadObject
from extender.kubelet.pod import PodDemand, pod_demand
from extender.kubevirt.launcher_pod import boots_guest, controlling_vmi, is_launcher, vmi_name

__all__ = ["PodEntry", "PodPhase", "entry_of", "holds_something", "is_over", "splits_cores"]


class PodPhase:
    """Phases after which a pod holds nothing any more."""

    OVER = frozenset({"Succeeded", "Failed"})


@dataclass(slots=True)
class PodEntry:
    """A live pod that holds exclusive CPUs, pinned memory, huge pages or devices."""

    uid: str
    namespace: str
    name: str
    node: str
    #: when its kubelet saw it, then when it was created, as digits: `order` is made of it
    since: int
    demand: PodDemand
    vmi: str
    launcher: bool
    #: name of the VMI, which is that of its VM
    vm: str = ""
    #: what annotations say that KubeVirt copies, by name: policy, guest cells and instance type
    annotations: tuple[tuple[str, str], ...] = ()
    #: the VM boots in it (it does not come by live migration)
    boots: bool = False
    #: it was bound while we watched, so what its kubelet had then is known as well as we know anything
    boot_seen: bool = False
    #: the kubelet has admitted it (it has a start time)
    admitted: bool = False
    #: its app containers run, so its init containers are over
    running: bool = False
    #: it was bound where we had assumed it after a decision of ours
    placed_by_us: bool = False
    #: what we said of the node where it was bound: fits, unknown, refused, or none
    our_verdict: str = "none"

    @property
    def order(self) -> tuple[int, str]:
        """Sorts pods of one node into the order in which its kubelet saw them, as far as the API shows it."""
        return self.since, self.name


def is_over(pod: Pod) -> bool:
    """Whether the pod holds nothing any more. A terminating pod holds everything until it is gone."""
    return pod.status.phase in PodPhase.OVER


def holds_something(demand: PodDemand) -> bool:
    """Whether such a pod has anything of a zone: what the resource managers keep for it, and huge pages of any pod.

    Pod-level resources pin no CPUs and no memory from kubelet 1.34 on; devices are allocated all the same. KubeVirt's own devices have no
    zone.
    """
    if demand.by_containers is not None and holds_something(demand.by_containers):
        return True
    return any(
        (not demand.pod_level and (c.exclusive_cpus or c.memory))
        or c.pages
        or any(not name.startswith(names.KUBEVIRT_DEVICE_PREFIX) for name, _ in c.devices)
        for c in demand.containers
    )


#: Annotations that a pod's entry keeps.
_KEPT_ANNOTATIONS = (names.MIGRATION_ANNOTATION, names.CELLS_ANNOTATION, *names.INSTANCETYPE_ANNOTATIONS)
#: Few owners say anything, and instance types are few.
_ANNOTATIONS: Interner[tuple[tuple[str, str], ...]] = Interner()


def entry_of(pod: Pod, demand: PodDemand | None = None) -> PodEntry | None:
    """The entry of a bound or pending pod; None when it can hold nothing, or its requests cannot be read.

    `demand`: the pod's, where it has been read already.
    """
    try:
        demand = demand or pod_demand(pod)
    except BadObject:
        return None
    if not holds_something(demand):
        return None
    meta = pod.metadata
    annotations = meta.annotations
    return PodEntry(
        uid=meta.uid,
        namespace=intern_text(meta.namespace),
        name=meta.name,
        node=pod.spec.node_name,
        since=_since(pod),
        demand=demand,
        vmi=controlling_vmi(pod),
        launcher=is_launcher(pod),
        vm=vmi_name(pod),
        annotations=_ANNOTATIONS.intern(
            tuple((key, annotations[key]) for key in _KEPT_ANNOTATIONS if key in annotations)
        )
        if annotations
        else (),
        boots=boots_guest(pod),
        admitted=bool(pod.status.start_time),
        running=pod.status.phase == "Running",
    )


def _since(pod: Pod) -> int:
    """Start at the kubelet, else the time of binding, else a far future; then the time of creation."""
    seen = pod.status.start_time
    if not seen:
        for condition in pod.status.conditions or ():
            if condition.type == "PodScheduled" and condition.status == "True":
                seen = condition.last_transition_time
    return _digits(seen or "9999") * 10**14 + _digits(pod.metadata.creation_timestamp or "")


def _digits(moment: str) -> int:
    """`2026-01-02T03:04:05Z` as 20260102030405: sorts like the text and takes a quarter of its memory."""
    digits = moment[:4] + moment[5:7] + moment[8:10] + moment[11:13] + moment[14:16] + moment[17:19]
    return int(digits.ljust(14, "0")) if digits.isdecimal() and digits.isascii() else 0


def splits_cores(demand: PodDemand, threads: int) -> bool:
    """Whether full-pcpus-only would refuse the demand whatever is free."""
    return threads > 1 and any(container.exclusive_cpus % threads for container in demand.containers)
