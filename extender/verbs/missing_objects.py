"""Objects that a call names and that the cache has not seen yet: a pod may overtake its VMI and its migration.

Both are watched apart from each other, so the order in which they come is not that in which they were made. Whoever
answers calls may wait a little for them before the call is decided; nothing is waited for once it is.
"""

from collections.abc import Callable

from extender import names
from extender.api.objects import Pod
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.cache.vms.vm import Awaited
from extender.kubevirt.demand import question_of
from extender.kubevirt.launcher_pod import PodRole, controlling_vmi, role_of

__all__ = ["MissingObjects", "missing_for"]

_WAITING = frozenset({PodRole.FIRST_BOOT, PodRole.PROVISIONING, PodRole.MIGRATION_TARGET})


class MissingObjects:
    """What is missing for one pod. `close` it when nobody waits any more."""

    def __init__(self, cluster: Cluster, pod: Pod, missing: tuple[Awaited, ...]) -> None:
        self._cluster = cluster
        self._pod = pod
        self._missing = missing
        self._call: Callable[[], None] | None = None

    def on_arrival(self, call: Callable[[], None]) -> None:
        """Call whenever one of the objects has come; at most one caller."""
        self._call = call
        for key in self._missing:
            self._cluster.vms.call_when_seen(key, call)

    @property
    def complete(self) -> bool:
        """Whether everything is there now."""
        return not _missing(self._cluster, self._pod)

    def close(self) -> None:
        """Nobody is called any more."""
        if self._call is not None:
            for key in self._missing:
                self._cluster.vms.forget_call(key, self._call)
            self._call = None


def missing_for(cluster: Cluster, pod: Pod) -> MissingObjects | None:
    """What the cache lacks of a VM's pod; None: nothing, or nothing that a verdict could depend on."""
    missing = _missing(cluster, pod)
    if not missing or question_of(pod, role_of(pod), None, cluster.zoned_devices).zoneless:
        return None
    return MissingObjects(cluster, pod, missing)


def _missing(cluster: Cluster, pod: Pod) -> tuple[Awaited, ...]:
    """Of kinds that are watched: others will never come."""
    role = role_of(pod)
    if role not in _WAITING:
        return ()
    missing: list[Awaited] = []
    vmi = controlling_vmi(pod)
    if vmi and cluster.is_served(Source.VMIS) and not cluster.vms.is_seen(vmi):
        if cluster.vms.is_gone(vmi):
            # Its pods follow it, and the migration is void: nothing will come.
            return ()
        missing.append(vmi)
    if role is PodRole.MIGRATION_TARGET and cluster.is_served(Source.MIGRATIONS):
        meta = pod.metadata
        name = (meta.annotations or {}).get(names.MIGRATION_NAME_ANNOTATION, "")
        job = cluster.vms.migration(meta.namespace, name)
        if name and (job is None or job.metadata.uid != (meta.labels or {}).get(names.MIGRATION_UID_LABEL)):
            missing.append((meta.namespace, name))
    return tuple(missing)
