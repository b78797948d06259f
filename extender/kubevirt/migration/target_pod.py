"""The pod that KubeVirt would create to migrate a running VM, derived from the virt-launcher pod that runs it.

Sources (v1.9.0): pkg/virt-controller/watch/migration/migration.go. Only what placement needs is rendered: labels,
annotations and requests. After a hotplug, `compute` requests the new size
(pkg/virt-controller/services/renderresources.go) and 8Mi of overhead more per vCPU
(pkg/hypervisor/kvm/hypervisorbackend.go).
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
    """The pending target pod of the VM that runs in `source`. `sockets`: those that run; 0: as many as the spec says.

    Raises BadObject if the requests of `compute` cannot be read.
    """
    meta = source.metadata
    compute = next((container for container in source.spec.containers or () if container.name == COMPUTE), None)
    asked = (compute.resources.requests or {}).get("cpu") if compute is not None and compute.resources else None
    more = _hotplug_growth(guest, sockets, whole(asked) if asked is not None else 0)
    labels = {
        **(meta.labels or {}),
        names.NODE_NAME_LABEL: source.spec.node_name,
        names.MIGRATION_UID_LABEL: f"{meta.uid}-migration",
    }
    annotations = {k: text for k, text in (meta.annotations or {}).items() if k != names.MIGRATION_NAME_ANNOTATION}
    containers = [_grown_container(container, more) for container in source.spec.containers or ()]
    return replace(
        source,
        metadata=replace(
            meta, name=f"{meta.name}-target", uid=f"{meta.uid}-target", labels=labels, annotations=annotations
        ),
        spec=replace(source.spec, node_name="", containers=containers),
        status=PodStatus(phase="Pending", qos_class=source.status.qos_class),
    )


def target_demand(source: PodDemand, guest: Guest | None, sockets: int) -> PodDemand:
    """The demand of `target_pod`, from the demand of the running pod."""
    containers = source.containers
    more = _hotplug_growth(
        guest, sockets, max((part.exclusive_cpus for part in containers if part.name == COMPUTE), default=0)
    )
    if more:
        containers = tuple(_grown_demand(part, more) if part.name == COMPUTE else part for part in containers)
    return PodDemand(f"{source.uid}-target", source.guaranteed, source.pod_level, containers)


def _hotplug_growth(guest: Guest | None, sockets: int, cpus: int) -> Mapping[str, int]:
    """What sockets of the spec that do not run yet add to the request of a pod that requests `cpus` CPUs now.

    Empty if all sockets run, and if the pod has the new size already and its vCPUs are still to be plugged.
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


def _grown_demand(part: ContainerDemand, more: Mapping[str, int]) -> ContainerDemand:
    memory = tuple((name, amount + (more["memory"] if name == "memory" else 0)) for name, amount in part.memory)
    cpus = part.exclusive_cpus and part.exclusive_cpus + more["cpu"]
    return dataclasses.replace(part, exclusive_cpus=cpus, memory=memory)


def _grown_container(container: Container, more: Mapping[str, int]) -> Container:
    resources = container.resources
    if not more or container.name != COMPUTE or resources is None:
        return container
    return replace(
        container,
        resources=Resources(requests=_increased(resources.requests, more), limits=_increased(resources.limits, more)),
    )


def _increased(amounts: dict[str, Quantity] | None, more: Mapping[str, int]) -> dict[str, Quantity] | None:
    if amounts is None:
        return None
    return {name: str(whole(amount) + more[name]) if name in more else amount for name, amount in amounts.items()}
