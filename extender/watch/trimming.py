"""What is handed on of an object that was read: enough for the state, and no more.

Pods that the kubelet's managers keep nothing for are left out: neither Guaranteed (no CPUs, no memory of their own;
cpumanager/policy_static.go, memorymanager/policy_static.go) nor with a resource that a device plugin or huge pages
may stand behind. Both are fixed for a pod's life. Failed pods stay, as do all of KubeVirt's launchers.
Of the others labels and annotations of KubeVirt and of ours are kept, and of the conditions PodScheduled.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from extender.api.objects import Container, Pod, Vmi
from extender.cache.events import Record
from extender.names import LAUNCHER_LABEL, LAUNCHER_VALUE, PREFIX

__all__ = ["trimmed"]

_SHARED_QOS = frozenset({"Burstable", "BestEffort"})
_DOMAINS = ("kubevirt.io", PREFIX)


def trimmed(record: Record) -> Record | None:
    """The record as it is kept; None when it need not be kept at all."""
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
        status=replace(status, conditions=conditions),
    )


def _has_devices(pod: Pod) -> bool:
    """Whether a container asks for anything but CPU, memory and ephemeral storage, or the pod for a whole."""
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
    """The entries whose key is in KubeVirt's domain or ours."""
    return {key: text for key, text in texts.items() if key.partition("/")[0].endswith(_DOMAINS)}
