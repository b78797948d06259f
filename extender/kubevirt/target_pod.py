"""The pod that KubeVirt would make to migrate a running VM, made from the launcher pod that runs it.

Source: virt-controller/watch/migration/migration.go. Only what decides about zones is rendered: labels, annotations and
requests; after a hotplug `compute` asks for the new size (renderresources.go, hypervisorbackend.go: 8Mi per vCPU).
"""

from collections.abc import Mapping
from dataclasses import replace

from msgspec.structs import replace as renewed

from extender import names
from extender.api.objects import Container, Pod, PodStatus, Quantity, Resources
from extender.api.quantity import whole
from extender.kubevirt.cpu_request import requested_cpus
from extender.kubevirt.guest_size import GuestSize
from extender.kubevirt.launcher_pod import COMPUTE, Guest

__all__ = ["target_pod"]

_PER_VCPU = 8 * 2**20


def target_pod(source: Pod, guest: Guest | None, sockets: int) -> Pod:
    """The waiting target of the VM that runs in `source`; `sockets`: those that run, 0 as many as the spec says."""
    meta = source.metadata
    more = _growth(source, guest.size, sockets) if guest is not None and 0 < sockets < guest.size.sockets else {}
    labels = {
        **(meta.labels or {}),
        names.NODE_NAME_LABEL: source.spec.node_name,
        names.MIGRATION_UID_LABEL: f"{meta.uid}-migration",
    }
    annotations = {k: text for k, text in (meta.annotations or {}).items() if k != names.MIGRATION_NAME_ANNOTATION}
    containers = [_grown(container, more) for container in source.spec.containers or ()]
    return renewed(
        source,
        metadata=renewed(
            meta, name=f"{meta.name}-target", uid=f"{meta.uid}-target", labels=labels, annotations=annotations
        ),
        spec=renewed(source.spec, node_name="", containers=containers),
        status=PodStatus(phase="Pending", qos_class=source.status.qos_class),
    )


def _growth(source: Pod, size: GuestSize, sockets: int) -> dict[str, int]:
    """What the new size adds to `compute`; nothing where the pod is of that size already, and vCPUs are yet to be plugged."""
    ran = replace(size, sockets=sockets)
    for container in source.spec.containers or ():
        if container.name == COMPUTE and container.resources is not None:
            cpus = (container.resources.requests or {}).get("cpu")
            if cpus is not None and whole(cpus) != requested_cpus(ran):
                return {}
    return {"cpu": requested_cpus(size) - requested_cpus(ran), "memory": (size.vcpus - ran.vcpus) * _PER_VCPU}


def _grown(container: Container, more: Mapping[str, int]) -> Container:
    resources = container.resources
    if not more or container.name != COMPUTE or resources is None:
        return container
    return renewed(
        container,
        resources=Resources(requests=_with(resources.requests, more), limits=_with(resources.limits, more)),
    )


def _with(amounts: dict[str, Quantity] | None, more: Mapping[str, int]) -> dict[str, Quantity] | None:
    if amounts is None:
        return None
    return {name: str(whole(amount) + more[name]) if name in more else amount for name, amount in amounts.items()}
