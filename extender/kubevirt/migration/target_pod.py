"""The pod that KubeVirt would make to migrate a running VM, made from the launcher pod that runs it.

Source: virt-controller/watch/migration/migration.go. Only what decides about zones is rendered: labels, annotations and
requests; after a hotplug `compute` asks for the new size (renderresources.go, hypervisorbackend.go: 8Mi per vCPU).
"""

import dataclasses
from collections.abc import Mapping

from msgspec.structs import replace

from extender import names
from extender.api.objects import Container, Pod, PodStatus, Quantity, Resources
from extender.api.quantity import whole
from extender.kubelet.pod import ContainerDemand, PodDemand
from extender.kubevirt.guest.cpu_request import requested_cpus
from extender.kubevirt.launcher_pod import COMPUTE, Guest

__all__ = ["target_demand", "target_pod"]

_PER_VCPU = 8 * 2**20


def target_pod(source: Pod, guest: Guest | None, sockets: int) -> Pod:
    """The waiting target of the VM that runs in `source`; `sockets`: those that run, 0 as many as the spec says."""
    meta = source.metadata
    compute = next((one for one in source.spec.containers or () if one.name == COMPUTE), None)
    asked = (compute.resources.requests or {}).get("cpu") if compute is not None and compute.resources else None
    more = _plugged(guest, sockets, whole(asked) if asked is not None else 0)
    labels = {
        **(meta.labels or {}),
        names.NODE_NAME_LABEL: source.spec.node_name,
        names.MIGRATION_UID_LABEL: f"{meta.uid}-migration",
    }
    annotations = {k: text for k, text in (meta.annotations or {}).items() if k != names.MIGRATION_NAME_ANNOTATION}
    containers = [_grown(container, more) for container in source.spec.containers or ()]
    return replace(
        source,
        metadata=replace(
            meta, name=f"{meta.name}-target", uid=f"{meta.uid}-target", labels=labels, annotations=annotations
        ),
        spec=replace(source.spec, node_name="", containers=containers),
        status=PodStatus(phase="Pending", qos_class=source.status.qos_class),
    )


def target_demand(source: PodDemand, guest: Guest | None, sockets: int) -> PodDemand:
    """What `target_pod` asks for, from what the running pod asks for."""
    containers = source.containers
    more = _plugged(
        guest, sockets, max((part.exclusive_cpus for part in containers if part.name == COMPUTE), default=0)
    )
    if more:
        containers = tuple(_more(part, more) if part.name == COMPUTE else part for part in containers)
    return PodDemand(f"{source.uid}-target", source.guaranteed, source.pod_level, containers)


def _plugged(guest: Guest | None, sockets: int, cpus: int) -> Mapping[str, int]:
    """What sockets of the spec that do not run yet add to the request of the pod, which asks for `cpus` now.

    Empty if all run, and where the pod is of the new size already and vCPUs are yet to be plugged.
    """
    if guest is None or not 0 < sockets < guest.size.sockets:
        return {}
    ran = dataclasses.replace(guest.size, sockets=sockets)
    if cpus != requested_cpus(ran):
        return {}
    return {
        "cpu": requested_cpus(guest.size) - requested_cpus(ran),
        "memory": (guest.size.vcpus - ran.vcpus) * _PER_VCPU,
    }


def _more(part: ContainerDemand, more: Mapping[str, int]) -> ContainerDemand:
    memory = tuple((name, amount + (more["memory"] if name == "memory" else 0)) for name, amount in part.memory)
    cpus = part.exclusive_cpus and part.exclusive_cpus + more["cpu"]
    return dataclasses.replace(part, exclusive_cpus=cpus, memory=memory)


def _grown(container: Container, more: Mapping[str, int]) -> Container:
    resources = container.resources
    if not more or container.name != COMPUTE or resources is None:
        return container
    return replace(
        container,
        resources=Resources(requests=_with(resources.requests, more), limits=_with(resources.limits, more)),
    )


def _with(amounts: dict[str, Quantity] | None, more: Mapping[str, int]) -> dict[str, Quantity] | None:
    if amounts is None:
        return None
    return {name: str(whole(amount) + more[name]) if name in more else amount for name, amount in amounts.items()}
