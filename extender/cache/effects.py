"""What an event means for those who use the cache: values that it returns, for the service to carry out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from extender.cache.pods.pod import PodEntry

__all__ = ["NO_EFFECTS", "Effect", "Effects", "PodAdmitted", "PodBound", "PodRefused"]


@dataclass(frozen=True, slots=True)
class PodBound:
    """A virt-launcher pod was bound that was not assumed on this node: our verdict on it is to be recorded.

    Until rows are made again, the node's row is still that before the binding (Cluster.record_verdict takes the verdict).
    """

    pod: PodEntry


@dataclass(frozen=True, slots=True)
class PodAdmitted:
    """A kubelet has admitted a pod of the cache."""

    pod: PodEntry


@dataclass(frozen=True, slots=True)
class PodRefused:
    """A kubelet has failed a pod of the cache; `reason` and `message` are the kubelet's, from the pod's status."""

    pod: PodEntry
    reason: str
    message: str


Effect = PodBound | PodAdmitted | PodRefused
Effects = Sequence[Effect]

NO_EFFECTS: Final[Effects] = ()
