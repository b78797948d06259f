"""What a kubelet's refusal of a pod says, in one table by reason and message: what it proves, and when it ends.

Sources: Kubernetes 1.35 to 1.37, pkg/kubelet/cm/admission/errors.go (UnexpectedAdmissionError stands for every error of
an allocator), cm/devicemanager/manager.go, cm/cpumanager/cpu_assignment.go, cm/memorymanager/policy_static.go,
lifecycle/predicate.go (OutOf*, which sums over all pods of the node).

The managers decide by the pod's demand and by what the node holds: a refusal of theirs stays until that changes. Devices
fail and come back, and sums depend on pods that are not watched: such a refusal is asked again after a while. What is
remembered counts for pods of equal demand only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["CAUSES", "RETRIES", "RefusalCause", "cause_of", "is_refusal"]

#: Seconds after which an equal pod may be tried where no change ends a refusal: after the first one, the second ...;
#: the last one repeats.
RETRIES: Final = (60.0, 120.0, 300.0, 600.0)


@dataclass(frozen=True, slots=True)
class RefusalCause:
    """A line of the table.

    `reason`: of the pod's status; with a `*` at its end, what it begins with. `message`: any of these stands in the
    message; empty: whatever it says.
    """

    name: str
    reason: str
    message: tuple[str, ...] = ()
    #: it stays until the node changes; else it is tried again after a while, one pod at a time
    until_change: bool = True
    #: CPU Manager options that are on
    proves: Mapping[str, str] = field(default_factory=dict)

    def matches(self, reason: str, message: str) -> bool:
        """Whether a refusal in these words is of this cause."""
        named = reason.startswith(self.reason[:-1]) if self.reason.endswith("*") else reason == self.reason
        return named and (not self.message or any(part in message for part in self.message))


_UNEXPECTED = "UnexpectedAdmissionError"

#: The first line that matches counts.
CAUSES: Final = (
    RefusalCause("Topology Manager", "TopologyAffinityError"),
    RefusalCause("CPU Manager, full-pcpus-only", "SMTAlignmentError", proves={"full-pcpus-only": "true"}),
    RefusalCause("pod-level managers", "EmptyPodSharedPoolError"),
    RefusalCause("Memory Manager", _UNEXPECTED, ("[memorymanager]",)),
    RefusalCause(
        "CPU Manager", _UNEXPECTED, ("not enough cpus available", "failed to allocate cpus", "accounting error")
    ),
    # Every other error of an allocator is Device Manager's, a plugin's answer among them, or passes as those do.
    RefusalCause("Device Manager", _UNEXPECTED, until_change=False),
    RefusalCause("sums over all pods", "OutOf*", until_change=False),
)


def cause_of(reason: str, message: str) -> RefusalCause | None:
    """The cause of a refusal; None where the reason is not that the node had no room for the pod."""
    return next((cause for cause in CAUSES if cause.matches(reason, message)), None)


def is_refusal(reason: str) -> bool:
    """Whether a failed pod's reason is that its kubelet had no room for it as it was to be placed."""
    return cause_of(reason, "") is not None
