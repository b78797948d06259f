"""A VM that runs, found by its name, and the target that KubeVirt would make to migrate it now.

The picture keeps no pod objects; what a target's zones depend on is in the entry of the pod that runs the VM. The same
target as made of the pod itself (kubevirt/migration/target_pod.py), but for volumes, selectors and whatever else zones ignore.
"""

from extender import names
from extender.api.objects import Meta, Owner, Pod, PodStatus
from extender.cache.cluster import Cluster
from extender.cache.pods.pod import PodEntry
from extender.kubevirt.demand import question_for
from extender.kubevirt.launcher_pod import PodRole
from extender.kubevirt.migration.target_pod import target_demand
from extender.placement.decide import Subject, move_of

__all__ = ["find_vm", "is_source_pod", "target_of"]


def find_vm(cluster: Cluster, namespace: str, name: str) -> PodEntry | None:
    """The pod that runs the VM (or is itself) of this name; None where no such pod holds anything of a zone."""
    for pod in cluster.pods.values():
        if pod.launcher and pod.namespace == namespace and name in (pod.vm, pod.name) and is_source_pod(cluster, pod):
            return pod
    return None


def is_source_pod(cluster: Cluster, pod: PodEntry) -> bool:
    """Whether the VM runs in this pod: while it migrates it has two, and its VMI names the node."""
    return cluster.vms.layouts.run_of(pod.vmi).node in ("", pod.node)


def target_of(cluster: Cluster, pod: PodEntry) -> Subject:
    """The target of the VM in this pod, under judgement."""
    guest, move = cluster.vms.guest(pod.vmi), move_of(cluster, pod.vmi, dict(pod.annotations))
    demand = target_demand(pod.demand, guest, move.sockets)
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
