"""What a pod requests of the kubelet's resource managers, per container, in the order in which they handle containers.

Rules (Kubernetes 1.33 to 1.37):
* QoS class: pkg/apis/core/v1/helper/qos/qos.go.
* Exclusive CPUs: a container of a Guaranteed pod that requests a whole number of CPUs. A fractional CPU of a Guaranteed
  container is not exclusive (pkg/kubelet/cm/cpumanager/policy_static.go).
* Pinned memory: every container of a Guaranteed pod (pkg/kubelet/cm/memorymanager/policy_static.go).
* Devices: from limits (pkg/kubelet/cm/devicemanager/manager.go).
* Huge pages: every container that asks for them touches some; only the Memory Manager pins them to zones.
Requests default to limits, as at the API server. Once the kubelet has admitted a pod, its status states what was
allocated (allocatedResources); the spec may ask for a resize that the kubelet has not made, or never will.
Kubelets before 1.34 do not know pod-level resources and go by the containers alone (`PodDemand.as_seen_by`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

import msgspec

from extender.api.objects import Container, ContainerStatus, Pod, Resources
from extender.api.quantity import milli, whole
from extender.errors import BadObject

__all__ = ["ContainerDemand", "Kind", "PodDemand", "is_memory", "is_pages", "loose_pages", "peak_need", "pod_demand"]

#: Amounts by name, in ascending order of the name: hashable, unlike a dict.
Amounts = tuple[tuple[str, int], ...]
_Quantities = Mapping[str, str | int | float]
_NONE: _Quantities = {}
#: The first minor whose kubelet has PodLevelResources on by default (KEP-2837).
_KNOWS_POD_LEVEL = "1.34"
_FRACTION = "is not a whole number of bytes, which the Memory Manager refuses"


class Kind(Enum):
    """INIT ends before the next container starts. SIDECAR is an init container with restartPolicy Always."""

    INIT = "init"
    SIDECAR = "sidecar"
    APP = "app"


@dataclass(frozen=True, slots=True)
class ContainerDemand:
    """One container. `memory` is in bytes per type ("memory", "hugepages-1Gi"), empty unless the pod is Guaranteed.

    `pages`: huge pages of a pod that is not Guaranteed, or has pod-level resources: no manager pins them to a zone.
    `fraction`: which amount of memory is no whole number of bytes; the Memory Manager refuses it, nothing else does.
    """

    name: str
    kind: Kind
    exclusive_cpus: int = 0
    memory: Amounts = ()
    devices: Amounts = ()
    pages: Amounts = ()
    fraction: str = ""


@dataclass(frozen=True, slots=True)
class PodDemand:
    """A pod's containers in kubelet order: init containers as declared, then app containers.

    `pod_level`: the pod sets spec.resources (KEP-2837); with the default feature gates the managers then pin nothing.
    """

    uid: str
    guaranteed: bool
    pod_level: bool
    containers: tuple[ContainerDemand, ...]
    #: with pod-level resources: what the pod is to a kubelet that does not know them (its UID is not set)
    by_containers: "PodDemand | None" = None

    @property
    def shape(self) -> "tuple[bool, bool, tuple[ContainerDemand, ...], PodDemand | None]":
        """Everything but the UID. Pods of one shape get the same answer from one node state."""
        return self.guaranteed, self.pod_level, self.containers, self.by_containers

    def as_seen_by(self, version: str) -> "PodDemand":
        """Return the demand as a kubelet of this modelled minor understands it."""
        if self.by_containers is None or version >= _KNOWS_POD_LEVEL:
            return self
        return replace(self.by_containers, uid=self.uid)


def is_memory(name: str) -> bool:
    """Return whether the Memory Manager handles the resource `name`."""
    return name == "memory" or is_pages(name)


def is_pages(name: str) -> bool:
    """Return whether the resource `name` is huge pages."""
    return name.startswith("hugepages-")


def loose_pages(container: ContainerDemand) -> Amounts:
    """Return the huge pages of a container that no manager pins; for peak_need()."""
    return container.pages


_encode = msgspec.json.Encoder().encode
#: Demands by the JSON that they are read from. Pods have few shapes, and parsing quantities is half of the work per
#: pod.
_SHAPES: dict[bytes, PodDemand] = {}
_MAX_SHAPES = 4096


def pod_demand(pod: Pod) -> PodDemand:
    """Return the demand of `pod`; equal pods share its containers. Raises BadObject for amounts that no API server
    accepts.
    """
    spec, status = pod.spec, pod.status
    allocated = _allocated(status.container_statuses), _allocated(status.init_container_statuses)
    shape = _encode((spec.containers, spec.init_containers, spec.resources, status.qos_class, allocated))
    first = _SHAPES.get(shape)
    if first is None:
        first = _read(pod, {**allocated[0], **allocated[1]})
        if len(_SHAPES) >= _MAX_SHAPES:
            _SHAPES.clear()
        _SHAPES[shape] = first
    return PodDemand(pod.metadata.uid, first.guaranteed, first.pod_level, first.containers, first.by_containers)


def _allocated(statuses: list[ContainerStatus] | None) -> dict[str, _Quantities]:
    """What the kubelet gave, by container; the names of a pod's containers, init containers included, are unique."""
    return {each.name: each.allocated_resources for each in statuses or () if each.allocated_resources}


def _read(pod: Pod, allocated: Mapping[str, _Quantities]) -> PodDemand:
    spec = pod.spec
    init = spec.init_containers or []
    apps = spec.containers or []
    pod_level = _is_pod_level(spec.resources)
    if pod.status.qos_class:
        guaranteed = pod.status.qos_class == "Guaranteed"
    elif pod_level:
        guaranteed = _is_guaranteed([spec.resources])
    else:
        guaranteed = _is_guaranteed([c.resources for c in (*init, *apps)])
    kinds = [Kind.SIDECAR if c.restart_policy == "Always" else Kind.INIT for c in init] + [Kind.APP for _ in apps]
    containers = [
        _container(container, kind, allocated.get(container.name, _NONE), guaranteed=guaranteed, pod_level=pod_level)
        for container, kind in zip((*init, *apps), kinds, strict=True)
    ]
    by_containers = None
    if pod_level:
        containers = _with_pages_of_pod(containers, spec.resources)
        plain = msgspec.structs.replace(pod, spec=msgspec.structs.replace(spec, resources=None))
        by_containers = replace(_read(plain, allocated), uid="")
    return PodDemand(pod.metadata.uid, guaranteed, pod_level, tuple(containers), by_containers)


def _with_pages_of_pod(containers: list[ContainerDemand], resources: Resources | None) -> list[ContainerDemand]:
    """Containers with the huge pages that the whole pod asks for: all in the last one, for nothing tells who uses them.

    A size that the pod as a whole does not name stays with the containers that do.
    """
    requests = _requests(resources)
    whole_pod = tuple(sorted((name, whole(requests[name])) for name in requests if is_pages(name)))
    if not whole_pod or not containers:
        return containers
    named = {name for name, _ in whole_pod}
    rest = [replace(c, pages=tuple(own for own in c.pages if own[0] not in named)) for c in containers]
    rest[-1] = replace(rest[-1], pages=tuple(sorted((*rest[-1].pages, *whole_pod))))
    return rest


def peak_need(pod: PodDemand, amounts: Callable[[ContainerDemand], Amounts]) -> dict[str, int]:
    """The most that is held at one time, by resource name: sidecars keep running, init containers run one by one."""
    sidecars: dict[str, int] = {}
    inits: dict[str, int] = {}
    apps: dict[str, int] = {}
    for container in pod.containers:
        for resource, amount in amounts(container):
            before = sidecars.get(resource, 0)
            if container.kind is Kind.SIDECAR:
                sidecars[resource] = before + amount
            elif container.kind is Kind.INIT:
                inits[resource] = max(inits.get(resource, 0), before + amount)
            else:
                apps[resource] = apps.get(resource, 0) + amount
    names = sorted({*sidecars, *inits, *apps})
    return {name: max(apps.get(name, 0) + sidecars.get(name, 0), inits.get(name, 0)) for name in names}


def _requests(resources: Resources | None) -> _Quantities:
    if resources is None:
        return _NONE
    return {**(resources.limits or _NONE), **(resources.requests or _NONE)}


def _limits(resources: Resources | None) -> _Quantities:
    return (resources.limits if resources is not None else None) or _NONE


def _is_pod_level(resources: Resources | None) -> bool:
    return any(name == "cpu" or is_memory(name) for name in _requests(resources))


def _is_guaranteed(all_resources: list[Resources | None]) -> bool:
    requests: dict[str, int] = {}
    limits: dict[str, int] = {}
    for resources in all_resources:
        limited = set()
        for name in ("cpu", "memory"):
            request = _amount(_requests(resources), name)
            limit = _amount(_limits(resources), name)
            if request:
                requests[name] = requests.get(name, 0) + request
            if limit:
                limited.add(name)
                limits[name] = limits.get(name, 0) + limit
        if len(limited) < 2:
            return False
    return bool(limits) and requests == limits


def _amount(quantities: _Quantities, name: str) -> int:
    """Return an amount in thousandths, so that requests and limits are compared exactly."""
    value = quantities.get(name)
    if value is None:
        return 0
    amount = milli(value)
    if amount < 0:
        raise BadObject(f"{name}: {value!r} is negative")
    return amount


def _container(
    container: Container, kind: Kind, allocated: _Quantities, *, guaranteed: bool, pod_level: bool
) -> ContainerDemand:
    where = f"container {container.name!r}"
    try:
        cpus = 0
        memory: list[tuple[str, int]] = []
        fraction = ""
        requests = _allocated_requests(_requests(container.resources), allocated)
        if guaranteed:
            cpu = _amount(requests, "cpu")
            cpus = cpu // 1000 if cpu % 1000 == 0 else 0
            for name in sorted(filter(is_memory, requests)):
                amount = _amount(requests, name)
                memory.append((name, -(-amount // 1000)))
                if amount % 1000 and not fraction:
                    fraction = f"{where}: {name}: {requests[name]!r} {_FRACTION}"
        pages = []
        if pod_level or not guaranteed:
            pages = [(name, -(-_amount(requests, name) // 1000)) for name in sorted(filter(is_pages, requests))]
        limits = _limits(container.resources)
        devices = sorted((name, _count(limits, name)) for name in limits if _is_extended(name))
    except BadObject as fault:
        raise BadObject(f"{where}: {fault}") from None
    return ContainerDemand(
        container.name,
        kind,
        cpus,
        tuple(memory),
        tuple(d for d in devices if d[1]),
        tuple(p for p in pages if p[1]),
        fraction,
    )


def _allocated_requests(requests: _Quantities, allocated: _Quantities) -> _Quantities:
    """Requests as the kubelet has granted them; a resize changes CPU and memory alone.

    A granted amount that cannot be read says nothing: then the request stands, and the pod still holds something.
    """
    if not allocated:
        return requests
    return {name: allocated[name] if _readable(allocated, name) else requests[name] for name in requests}


def _readable(quantities: _Quantities, name: str) -> bool:
    if name not in quantities:
        return False
    try:
        return _amount(quantities, name) >= 0
    except BadObject:
        return False


def _count(quantities: _Quantities, name: str) -> int:
    count = whole(quantities[name])
    if count < 0:
        raise BadObject(f"{name}: {quantities[name]!r} is negative")
    return count


def _is_extended(name: str) -> bool:
    return "/" in name and "kubernetes.io/" not in name
