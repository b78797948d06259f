"""Leaves out of records what the cache does not need.

Pods that hold nothing in the kubelet's resource managers are left out altogether: pods that are not Guaranteed (they
get no exclusive CPUs and no pinned memory; pkg/kubelet/cm/cpumanager/policy_static.go, memorymanager/policy_static.go,
Kubernetes 1.35 to 1.37) and ask for no device and no huge pages. Neither can change while the pod exists. Failed pods
and all virt-launcher pods are kept. Of the labels and annotations of a pod, those of KubeVirt and of fastfit are kept;
of its conditions, PodScheduled; of its containers' states, those in which the kubelet gave something else than the spec
asks for.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from extender.api.objects import Container, ContainerStatus, Pod, Vmi
from extender.cache.events import Record
from extender.names import LAUNCHER_LABEL, LAUNCHER_VALUE, PREFIX

__all__ = ["trimmed"]

_SHARED_QOS = frozenset({"Burstable", "BestEffort"})
_DOMAINS = ("kubevirt.io", PREFIX)


def trimmed(record: Record) -> Record | None:
    """The record with what the cache needs of it; None where the cache needs nothing."""
    match record:
        case Pod():
            return _pod(record)
        case Vmi() if record.metadata.annotations:
            return replace(record, metadata=replace(record.metadata, annotations=_ours(record.metadata.annotations)))
    return record


def _pod(pod: Pod) -> Pod | None:
    meta, status = pod.metadata, pod.status
    labels = meta.labels or {}
    if (
        status.qos_class in _SHARED_QOS
        and status.phase != "Failed"
        and labels.get(LAUNCHER_LABEL) != LAUNCHER_VALUE
        and not _has_devices(pod)
    ):
        return None
    conditions = [condition for condition in status.conditions or () if condition.type == "PodScheduled"]
    return replace(
        pod,
        metadata=replace(meta, labels=_ours(labels), annotations=_ours(meta.annotations or {})),
        status=replace(
            status,
            conditions=conditions,
            container_statuses=_resized(status.container_statuses, pod.spec.containers),
            init_container_statuses=_resized(status.init_container_statuses, pod.spec.init_containers),
        ),
    )


def _resized(
    statuses: list[ContainerStatus] | None, containers: list[Container] | None
) -> list[ContainerStatus] | None:
    """States whose allocated resources differ from what the container asks for now."""
    asked = {each.name: each.resources.requests for each in containers or () if each.resources is not None}
    return [
        one for one in statuses or () if one.allocated_resources and one.allocated_resources != asked.get(one.name)
    ] or None


def _has_devices(pod: Pod) -> bool:
    """Whether a container asks for a device or huge pages, or the pod has pod-level resources."""
    spec = pod.spec
    return spec.resources is not None or any(
        map(_asks_device, (*(spec.containers or ()), *(spec.init_containers or ())))
    )


def _asks_device(container: Container) -> bool:
    resources = container.resources
    if resources is None:
        return False
    return any("/" in name or "hugepages-" in name for name in (*(resources.requests or ()), *(resources.limits or ())))


def _ours(texts: Mapping[str, str]) -> dict[str, str]:
    """The entries whose key is in the domain of KubeVirt or of fastfit."""
    return {key: text for key, text in texts.items() if key.partition("/")[0].endswith(_DOMAINS)}
