"""A live migration that failed because of its target, as its VirtualMachineInstanceMigration tells.

KubeVirt copies the VMI's migration state into the object once it is Failed (watch/migration/migration.go). The reason is
libvirt's text from the source, or "Target pod is down" where the target's launcher gave up, as it does when the target
cannot be prepared. Only reasons are taken that lie in the target's zones, pages or CPUs: what an abort, a timeout, the
network or a disk ended may well succeed on the same node a minute later.
"""

from dataclasses import dataclass

from extender.api.objects import Migration

__all__ = ["FailedMove", "failed_on_target"]

#: Parts of reasons, in lower case.
_OF_THE_TARGET = (
    # libvirt: memnodes, cells, ABI check; "cannot bind memory to host NUMA nodes" (kubevirt#17248)
    "cellid",
    "numa",
    # QEMU: pages missing on a node (kubevirt#6981)
    "cannot allocate memory",
    "unable to map backing store",
    "preallocate memory",
    # KubeVirt: the target was not prepared
    "target pod is down",
)


@dataclass(frozen=True, slots=True)
class FailedMove:
    """Where it failed: the target's node and pod."""

    namespace: str
    pod: str
    node: str


def failed_on_target(job: Migration) -> FailedMove | None:
    """The target that the failure is blamed on; None: not failed, not (yet) told why, or not the target's doing."""
    state = job.status.migration_state
    if job.status.phase != "Failed" or state is None or not state.failed:
        return None
    if state.migration_uid != job.metadata.uid or not state.target_pod or not state.target_node:
        return None
    if state.abort_requested or state.abort_status:
        return None
    reason = state.failure_reason.lower()
    if not any(part in reason for part in _OF_THE_TARGET):
        return None
    return FailedMove(job.metadata.namespace, state.target_pod, state.target_node)
