"""The kubelet's own resource fit, which it checks after its managers have allocated.

Rules (Kubernetes 1.36):
* Order of admission: the managers, then the predicates (pkg/kubelet/kubelet.go). A pod that the predicates refuse has
  already been given CPUs, memory and devices; it is Failed at once, so its managers free them with the next sweep, and
  no later sum counts it.
* The sums: pkg/kubelet/lifecycle/predicate.go and pkg/scheduler/framework/plugins/noderesources/fit.go. Pods first, then
  cpu, memory, ephemeral-storage, then huge pages and extended resources. The reason is that of the first one that is
  short. The kubelet takes the last two kinds from a map in random order; here the order is that of the names.
* What a pod requests: k8s.io/component-helpers/resource/helpers.go. App containers and sidecars run together, an init
  container runs beside the sidecars before it. Pod-level requests replace the sum, the overhead is added.
* An extended resource that the node does not have is left out: a cluster-level resource is not the node's business. One
  of a device plugin that has too few devices left never comes so far: the Device Manager has refused the pod.
* A static pod, a mirror pod and one of a system-critical priority is not refused: the kubelet evicts others for it.

Selectors, affinity, taints and host ports are not judged here. They come after the sums, so a refusal by a sum stands.
What a resize in place still holds beyond what was granted (status.resources) is not counted.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from extender.api.objects import Container, Pod, Quantity
from extender.api.quantity import milli
from extender.errors import BadObject

__all__ = ["Allocatable", "Shortage", "Used", "is_critical", "is_extended", "pod_requests", "shortages", "used_by"]

#: Lowest priority of a critical pod (pkg/apis/scheduling/types.go).
_SYSTEM_CRITICAL = 2_000_000_000
_SOURCE = "kubernetes.io/config.source"
_MIRROR = "kubernetes.io/config.mirror"
_HUGE_PAGES = "hugepages-"
_PLAIN: Final = ("cpu", "memory", "ephemeral-storage")


@dataclass(frozen=True, slots=True)
class Allocatable:
    """Allocatable amounts of a node: CPUs in thousandths, all others in units.

    `unknown`: resources of which the node has an amount that nothing states; they are not judged, nor are huge pages of
    a size that a `partial` report does not name. Of any other resource that is not in `amounts` the node has nothing.
    """

    amounts: Mapping[str, int]
    unknown: frozenset[str] = frozenset()
    partial: bool = False

    def judges(self, name: str) -> bool:
        """Return whether the amount of a resource is known."""
        if name in self.amounts:
            return True
        return name not in self.unknown and not (self.partial and name.startswith(_HUGE_PAGES))

    def with_devices(self, held: Mapping[str, int]) -> "Allocatable":
        """Return at least what the Device Manager holds, by resource: for a pod that it gave devices to, the kubelet
        counts so, since the node's status may lag behind (pkg/kubelet/cm/devicemanager: UpdatePluginResources).
        """
        more = {name: count for name, count in held.items() if count > self.amounts.get(name, 0)}
        return replace(self, amounts={**self.amounts, **more}) if more else self


@dataclass(frozen=True, slots=True)
class Used:
    """What the pods of a node request together, and their number."""

    amounts: Mapping[str, int] = field(default_factory=dict)
    pods: int = 0


@dataclass(frozen=True, slots=True)
class Shortage:
    """A resource of which too little is left, with the kubelet's reason and message."""

    resource: str
    requested: int
    used: int
    capacity: int

    @property
    def reason(self) -> str:
        """As in pod.status.reason."""
        return f"OutOf{self.resource}"

    @property
    def message(self) -> str:
        """As in pod.status.message, behind "Pod was rejected: "."""
        numbers = f"requested: {self.requested}, used: {self.used}, capacity: {self.capacity}"
        return f"Node didn't have enough resource: {self.resource}, {numbers}"

    @property
    def missing(self) -> int:
        """The amount that is lacking."""
        return self.requested + self.used - self.capacity

    @property
    def never(self) -> bool:
        """Whether the empty node is too small as well."""
        return self.requested > self.capacity


def is_extended(name: str) -> bool:
    """Return whether `name` is an extended resource (pkg/apis/core/v1/helper: IsExtendedResourceName)."""
    return "/" in name and "kubernetes.io/" not in name and not name.startswith("requests.")


def is_critical(pod: Pod) -> bool:
    """Return whether the kubelet evicts others rather than refuse `pod` (pkg/kubelet/types: IsCriticalPod)."""
    annotations = pod.metadata.annotations or {}
    static = annotations.get(_SOURCE, "api") != "api"
    return static or _MIRROR in annotations or (pod.spec.priority or 0) >= _SYSTEM_CRITICAL


def _everything(_: str) -> bool:
    return True


def pod_requests(pod: Pod, counts: Callable[[str], bool] = _everything) -> dict[str, int]:
    """Return what `pod` requests, by resource name: CPUs in thousandths, all others in units.

    Requests default to limits, as at the API server. `counts`: whether a resource of the containers counts. Raises
    BadObject for amounts that no API server accepts.
    """
    sums = _containers(pod, counts)
    own = pod.spec.resources
    if own is not None:
        requests = _read(own.requests)
        if own.limits:
            # The API server completes pod-level requests: by those of the containers, else by the limits.
            by_containers = {name: amount for name, amount in sums.items() if name in ("cpu", "memory")}
            requests = {**_read(own.limits), **by_containers, **requests}
        sums.update({n: a for n, a in requests.items() if n in ("cpu", "memory") or n.startswith(_HUGE_PAGES)})
    for name, amount in _read(pod.spec.overhead).items():
        sums[name] = sums.get(name, 0) + amount
    return {name: _rounded(name, amount) for name, amount in sums.items() if name in _PLAIN or _is_scalar(name)}


def used_by(pods: Iterable[Pod]) -> Used:
    """Return what these pods request together. Pods that are over are to be left out."""
    amounts: dict[str, int] = {}
    count = 0
    for pod in pods:
        count += 1
        for name, amount in pod_requests(pod).items():
            amounts[name] = amounts.get(name, 0) + amount
    return Used(amounts, count)


def shortages(pod: Pod, allocatable: Allocatable, used: Used) -> tuple[Shortage, ...]:
    """Return every resource of which the node has too little for `pod`; the kubelet's reason is that of the first.

    `used` is without the pod itself.
    """
    if is_critical(pod):
        return ()
    has = allocatable.amounts
    asked = pod_requests(pod, lambda name: name in has or not is_extended(name))
    short = []
    if allocatable.judges("pods") and used.pods + 1 > has.get("pods", 0):
        short.append(Shortage("pods", 1, used.pods, has.get("pods", 0)))
    for name in (*_PLAIN, *sorted(set(asked).difference(_PLAIN))):
        amount, taken, capacity = asked.get(name, 0), used.amounts.get(name, 0), has.get(name, 0)
        if amount > 0 and amount > capacity - taken and allocatable.judges(name):
            short.append(Shortage(name, amount, taken, capacity))
    return tuple(short)


# --- sums ------------------------------------------------------------------------------------------------------------


def _containers(pod: Pod, counts: Callable[[str], bool]) -> dict[str, int]:
    """Requests of all containers in thousandths: the most that is asked for at one time."""
    granted = _granted(pod)
    sums: dict[str, int] = {}
    for container in pod.spec.containers or ():
        _add(sums, _of(container, granted, counts))
    sidecars: dict[str, int] = {}
    peaks: dict[str, int] = {}
    for container in pod.spec.init_containers or ():
        asked = _of(container, granted, counts)
        if container.restart_policy == "Always":
            _add(sums, asked)
            _add(sidecars, asked)
            asked = sidecars
        else:
            _add(asked, sidecars)
        for name, amount in asked.items():
            peaks[name] = max(peaks.get(name, 0), amount)
    for name, amount in peaks.items():
        sums[name] = max(sums.get(name, 0), amount)
    return sums


def _granted(pod: Pod) -> dict[str, Mapping[str, Quantity]]:
    """What the kubelet has granted, by container; a resize in the spec counts once it follows."""
    statuses = (*(pod.status.container_statuses or ()), *(pod.status.init_container_statuses or ()))
    return {status.name: status.allocated_resources for status in statuses if status.allocated_resources}


def _of(
    container: Container, granted: Mapping[str, Mapping[str, Quantity]], counts: Callable[[str], bool]
) -> dict[str, int]:
    resources = container.resources
    if resources is None:
        return {}
    own = granted.get(container.name, {})
    asked = {**(resources.limits or {}), **(resources.requests or {})}
    try:
        return _read({name: own.get(name, amount) for name, amount in asked.items() if counts(name)})
    except BadObject as fault:
        raise BadObject(f"container {container.name!r}: {fault}") from None


def _read(quantities: Mapping[str, Quantity] | None) -> dict[str, int]:
    """Amounts in thousandths, to which the API server rounds each of them up (SetDefaults_ResourceList)."""
    amounts = {}
    for name, value in (quantities or {}).items():
        try:
            amounts[name] = milli(value)
        except BadObject as fault:
            raise BadObject(f"{name}: {fault}") from None
        if amounts[name] < 0:
            raise BadObject(f"{name}: {value!r} is negative")
    return amounts


def _add(sums: dict[str, int], more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        sums[name] = sums.get(name, 0) + amount


def _rounded(name: str, amount: int) -> int:
    return amount if name == "cpu" else -(-amount // 1000)


def _is_scalar(name: str) -> bool:
    """Whether the scheduler's sums hold a resource of this name (pkg/scheduler/util: IsScalarResourceName)."""
    return is_extended(name) or name.startswith((_HUGE_PAGES, "attachable-volumes-")) or "kubernetes.io/" in name
