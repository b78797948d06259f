"""A pod under judgement: what it is, what it asks, and of a migration target what is known of the VM that moves.

Made of a pod in a call of kube-scheduler (`subject_of`), or of a running VM as the target that KubeVirt would make to
migrate it now (`target_of`). Reads the cache and changes nothing in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from extender import names
from extender.api.objects import Meta, Owner, Pod, PodStatus
from extender.cache.cluster import Cluster
from extender.cache.pods.pod import PodEntry
from extender.kubevirt.demand import Question, devices_of, question_for, question_of
from extender.kubevirt.launcher_pod import Guest, PodRole, controlling_vmi, role_of
from extender.kubevirt.migration.cells_annotation import cells_in
from extender.kubevirt.migration.policy import Move, policy_of
from extender.kubevirt.migration.target_pod import target_demand

__all__ = ["Subject", "find_vm", "is_source_pod", "move_of", "subject_of", "target_of"]


@dataclass(frozen=True, slots=True)
class Subject:
    """A pod under judgement: what it is, what it asks, and its guest, None while the VMI is not known."""

    pod: Pod
    role: PodRole
    guest: Guest | None
    question: Question
    #: of a live-migration target: what is known of the VM that moves
    move: Move | None = None

    @property
    def passes(self) -> bool:
        """Whether no zone rule applies: not a VM, an ordinary one, or one whose huge pages nothing pins to zones."""
        return self.role is PodRole.OTHER or self.question.zoneless


def subject_of(cluster: Cluster, pod: Pod, *, complete: bool = True) -> Subject:
    """Reads the pod against the cache. While the cache is not `complete`, every device may turn out to have zones."""
    zoned = cluster.zoned_devices if complete else devices_of(pod)
    role = role_of(pod)
    vmi = controlling_vmi(pod)
    guest = cluster.vms.guest(vmi)
    installation = cluster.vms.kubevirt
    if role is not PodRole.MIGRATION_TARGET:
        last_layout = cluster.vms.last_layout(vmi)
        question = question_of(pod, role, guest, zoned, last_layout=last_layout, installation=installation)
        return Subject(pod, role, guest, question)
    move = move_of(cluster, vmi, pod.metadata.annotations or {})
    return Subject(pod, role, guest, question_of(pod, role, guest, zoned, move, installation=installation), move)


def move_of(cluster: Cluster, vmi: str, annotations: Mapping[str, str]) -> Move:
    """What is known of a VM that moves. KubeVirt copies its annotations to the pod, so the call itself carries them."""
    guest = cluster.vms.guest(vmi)
    policy, problem = policy_of(annotations, cluster.migration, owners_decide=cluster.owners_decide)
    carried, doubt = cells_in(annotations.get(names.CELLS_ANNOTATION), guest.size) if guest is not None else ((), "")
    cells, origin = cluster.vms.best_known(vmi, carried)
    if doubt:
        problem = "; ".join(filter(None, (problem, f"annotation {names.CELLS_ANNOTATION} is not believed: {doubt}")))
    elif carried and carried != cells:
        stated = "+".join(str(count) for count, _ in carried)
        known = f"annotation {names.CELLS_ANNOTATION} ({stated} vCPUs) contradicts what is known otherwise"
        problem = "; ".join(filter(None, (problem, known)))
    return Move(cells, cluster.vms.run_of(vmi).sockets, policy, problem, origin.value)


def find_vm(cluster: Cluster, namespace: str, name: str) -> PodEntry | None:
    """The pod that runs the VM (or is itself) of this name; None where no such pod holds anything of a zone."""
    for pod in cluster.pods.values():
        if pod.launcher and pod.namespace == namespace and name in (pod.vm, pod.name) and is_source_pod(cluster, pod):
            return pod
    return None


def is_source_pod(cluster: Cluster, pod: PodEntry) -> bool:
    """Whether the VM runs in this pod: while it migrates it has two, and its VMI names the source node."""
    return cluster.vms.run_of(pod.vmi).node in ("", pod.node)


def target_of(cluster: Cluster, pod: PodEntry) -> Subject:
    """The target of the VM that runs in this pod.

    The cache keeps no pod objects. What a target's zones depend on is in the entry; the target is that of
    kubevirt/migration/target_pod.py but for volumes, selectors and whatever else zones do not depend on.
    """
    guest, move = cluster.vms.guest(pod.vmi), move_of(cluster, pod.vmi, dict(pod.annotations))
    demand = target_demand(pod.demand, guest, cluster.vms.run_of(pod.vmi).plugged, cluster.vms.kubevirt)
    dedicated = guest.dedicated if guest is not None else any(part.exclusive_cpus for part in demand.containers)
    role = PodRole.MIGRATION_TARGET
    question = question_for(demand, role, guest, cluster.zoned_devices, dedicated, move)
    meta = Meta(
        name=f"{pod.name}-target",
        namespace=pod.namespace,
        uid=demand.uid,
        labels={
            names.LAUNCHER_LABEL: names.LAUNCHER_VALUE,
            names.NODE_NAME_LABEL: pod.node,
            names.MIGRATION_UID_LABEL: f"{pod.uid}-migration",
        },
        annotations=dict(pod.annotations),
        owner_references=[Owner(kind="VirtualMachineInstance", name=pod.vm, uid=pod.vmi, controller=True)],
    )
    record = Pod(metadata=meta, status=PodStatus(phase="Pending"))
    return Subject(record, role, guest, question, move)
