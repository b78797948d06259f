"""A live migration that failed because of its target, read from its VirtualMachineInstanceMigration.

KubeVirt copies the VMI's migration state into the object once it is Failed
(pkg/virt-controller/watch/migration/migration.go, v1.9.0). The reason is libvirt's text from the source, or "Target pod
is down" if the target's virt-launcher exited, as it does when the target cannot be prepared. Only reasons that lie in
the target's zones, pages or CPUs count: a migration that ended by an abort, a timeout, the network or a disk may
succeed on the same node a minute later.
"""

from dataclasses import dataclass

from extender.api.objects import Migration

__all__ = ["FailedMove", "failed_on_target"]

#: Parts of reasons, in lower case.
_TARGET_REASONS = (
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
    """A failed migration's target: its node and pod."""

    namespace: str
    pod: str
    node: str


def failed_on_target(job: Migration) -> FailedMove | None:
    """The target that caused the failure; None: not failed, no reason stated yet, or another cause."""
    state = job.status.migration_state
    if job.status.phase != "Failed" or state is None or not state.failed:
        return None
    if state.migration_uid != job.metadata.uid or not state.target_pod or not state.target_node:
        return None
    if state.abort_requested or state.abort_status:
        return None
    reason = state.failure_reason.lower()
    if not any(part in reason for part in _TARGET_REASONS):
        return None
    return FailedMove(job.metadata.namespace, state.target_pod, state.target_node)
