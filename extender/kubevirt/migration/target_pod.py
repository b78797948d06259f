"""The pod that KubeVirt would create to migrate a running VM, derived from the virt-launcher pod that runs it.

Sources (v1.9.0): pkg/virt-controller/watch/migration/migration.go. Only what placement needs is rendered: labels,
annotations and requests. After a hotplug, `compute` requests the size of the VMI's spec
(pkg/virt-controller/services/renderresources.go):

* CPUs, and 8Mi of overhead more per vCPU (pkg/hypervisor/kvm/hypervisorbackend.go);
* huge pages: the guest's memory, or the VM's own request where that is less;
* memory: the VM's own request, else the guest's memory by memoryOvercommit, without what huge pages give; and 1/512 of
  a request of its own as overhead.

additionalGuestMemoryOverheadRatio multiplies the overhead. Nothing else that the pod asks for depends on the size, so
the requests of the running pod are raised by the difference. A pod that has the new size already stays as it is: then
vCPUs or memory are still to be plugged.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from extender import names
from extender.api.objects import Container, Pod, PodStatus, Quantity, Resources
from extender.api.quantity import whole
from extender.kubelet.pod import ContainerDemand, PodDemand
from extender.kubevirt.guest.cpu_request import requested_cpus
from extender.kubevirt.installation import Installation
from extender.kubevirt.launcher_pod import COMPUTE, Guest

__all__ = ["Plugged", "largest_demand", "target_demand", "target_pod"]

_PER_VCPU = 8 * 2**20
#: Overhead of a VM with dedicated CPUs and graphics, without that of its vCPUs (GetMemoryOverhead).
_USUAL_OVERHEAD = 360 * 2**20
_DEFAULTS = Installation()

#: Amounts by resource name.
_Amounts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Plugged:
    """What of a VM runs, by its status.

    `sockets`: 0, the status does not say. `memory_bytes`: amounts other than the spec's that the status shows: those at boot,
    asked for by hotplug, and in the guest now. Which of them the pod was made for, its own requests show.
    """

    sockets: int = 0
    memory_bytes: tuple[int, ...] = ()


def target_pod(source: Pod, guest: Guest | None, plugged: Plugged, installation: Installation = _DEFAULTS) -> Pod:
    """The pending target pod of the VM that runs in `source`.

    Raises BadObject if the requests of `compute` cannot be read.
    """
    meta = source.metadata
    more = _growth(guest, plugged, _asked(source), installation)
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


def target_demand(
    source: PodDemand, guest: Guest | None, plugged: Plugged, installation: Installation = _DEFAULTS
) -> PodDemand:
    """The demand of `target_pod`, from the demand of the running pod."""
    asked: dict[str, int] = {}
    for part in source.containers:
        if part.name == COMPUTE:
            asked = {"cpu": part.exclusive_cpus, **dict(part.memory), **dict(part.pages)}
    more = _growth(guest, plugged, asked, installation)
    return dataclasses.replace(_grown(source, more), uid=f"{source.uid}-target")


def largest_demand(demand: PodDemand, guest: Guest, installation: Installation = _DEFAULTS) -> PodDemand:
    """The demand of the VM's pod with maxSockets and maxGuest, from the demand that its spec makes now."""
    size = guest.size
    more = max(guest.max_memory - size.memory_bytes, 0)
    largest = dataclasses.replace(
        guest,
        size=dataclasses.replace(
            size, sockets=max(size.max_sockets or 0, size.sockets), memory_bytes=size.memory_bytes + more
        ),
        memory_request=guest.memory_request and guest.memory_request + more,
    )
    return _grown(demand, _difference(largest, guest, installation))


def _asked(pod: Pod) -> _Amounts:
    """What `compute` requests; requests default to limits."""
    for container in pod.spec.containers or ():
        if container.name == COMPUTE and container.resources is not None:
            amounts = {**(container.resources.limits or {}), **(container.resources.requests or {})}
            return {name: whole(amount) for name, amount in amounts.items() if "/" not in name}
    return {}


def _growth(guest: Guest | None, plugged: Plugged, asked: _Amounts, installation: Installation) -> _Amounts:
    """What the spec asks for beyond what the pod asks, by resource; what does not change is left out.

    The pod may be of the size that runs, or of the spec's: each part of the size is looked at by itself.
    """
    if guest is None:
        return {}
    more: dict[str, int] = {}
    for ran in (_with_sockets(guest, plugged.sockets, asked), _with_memory(guest, plugged, asked, installation)):
        if ran is not None:
            for name, amount in _difference(guest, ran, installation).items():
                more[name] = more.get(name, 0) + amount
    return more


def _with_sockets(guest: Guest, sockets: int, asked: _Amounts) -> Guest | None:
    """The guest with the sockets that the pod was made for; None: those of the spec.

    `sockets`: those that run; 0: the status does not say, and the pod's own request decides.
    """
    if not guest.dedicated or (not sockets and asked.get("cpu", 0) == requested_cpus(guest.size)):
        return None
    for count in range(sockets or 1, guest.size.sockets):
        size = dataclasses.replace(guest.size, sockets=count)
        if asked.get("cpu", 0) == requested_cpus(size):
            return dataclasses.replace(guest, size=size)
    return None


def _with_memory(guest: Guest, plugged: Plugged, asked: _Amounts, installation: Installation) -> Guest | None:
    """The guest with the memory that the pod was made for; None: that of the spec, or the spec states none."""
    if not guest.size.memory_bytes:
        return None
    amounts = plugged.memory_bytes
    if guest.pages and not guest.memory_request and installation.memory_overcommit == 100:
        amounts = (asked.get(guest.pages, 0),)
    others = [_with_amount(guest, amount) for amount in amounts if amount and amount != guest.size.memory_bytes]
    if guest.pages:
        held = asked.get(guest.pages, 0)
        if held == _rendered(guest, installation)[guest.pages]:
            return None
        return next((ran for ran in others if _rendered(ran, installation)[guest.pages] == held), None)
    # Without huge pages the overhead is in the same sum: the pod is of the size that leaves the most usual overhead.
    usual = _USUAL_OVERHEAD * installation.overhead_ratio
    over = {
        abs(asked.get("memory", 0) - usual - _rendered(ran, installation)["memory"]): ran for ran in (*others, guest)
    }
    nearest = over[min(over)]
    return None if nearest is guest else nearest


def _with_amount(guest: Guest, memory_bytes: int) -> Guest:
    """The guest before its memory was changed. The controller raises a request of the VM's own by as much."""
    less = guest.size.memory_bytes - memory_bytes
    return dataclasses.replace(
        guest,
        size=dataclasses.replace(guest.size, memory_bytes=memory_bytes),
        memory_request=guest.memory_request and max(guest.memory_request - less, memory_bytes),
    )


def _difference(larger: Guest, smaller: Guest, installation: Installation) -> _Amounts:
    """What a pod of the one asks for beyond that of the other."""
    made = _rendered(smaller, installation)
    return {
        name: amount - made[name] for name, amount in _rendered(larger, installation).items() if amount != made[name]
    }


def _rendered(guest: Guest, installation: Installation) -> dict[str, int]:
    """The part of the request of `compute` that depends on the size of the VM."""
    size = guest.size
    memory = guest.memory_request or size.memory_bytes * 100 // installation.memory_overcommit
    amounts = {"cpu": requested_cpus(size) if guest.dedicated else 0}
    if guest.pages:
        amounts[guest.pages] = min(memory, size.memory_bytes)
        memory -= amounts[guest.pages]
    overhead = (guest.memory_request // 512 + size.vcpus * _PER_VCPU) * installation.overhead_ratio
    return {**amounts, "memory": memory + int(overhead)}


def _grown(demand: PodDemand, more: _Amounts) -> PodDemand:
    if not more:
        return demand
    containers = tuple(_grown_demand(part, more) if part.name == COMPUTE else part for part in demand.containers)
    return dataclasses.replace(demand, containers=containers)


def _grown_demand(part: ContainerDemand, more: _Amounts) -> ContainerDemand:
    memory = tuple((name, amount + more.get(name, 0)) for name, amount in part.memory)
    pages = tuple((name, amount + more.get(name, 0)) for name, amount in part.pages)
    cpus = part.exclusive_cpus and part.exclusive_cpus + more.get("cpu", 0)
    return dataclasses.replace(part, exclusive_cpus=cpus, memory=memory, pages=pages)


def _grown_container(container: Container, more: _Amounts) -> Container:
    resources = container.resources
    if not more or container.name != COMPUTE or resources is None:
        return container
    return replace(
        container,
        resources=Resources(requests=_increased(resources.requests, more), limits=_increased(resources.limits, more)),
    )


def _increased(amounts: dict[str, Quantity] | None, more: _Amounts) -> dict[str, Quantity] | None:
    if amounts is None:
        return None
    return {name: str(whole(amount) + more[name]) if name in more else amount for name, amount in amounts.items()}
