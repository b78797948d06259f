"""What kubelets did with the pods that we know, told as it happens."""

from typing import Protocol

from extender.cache.pods.pod import PodEntry

__all__ = ["ClusterObserver", "NoClusterObserver"]


class ClusterObserver(Protocol):
    """Told of what happened, for metrics and decisions; must not change the cluster."""

    def kubelet_refused(self, reason: str, our_verdict: str, pod: PodEntry, message: str) -> None:
        """A kubelet failed a pod that we know."""

    def kubelet_admitted(self, our_verdict: str, pod: PodEntry) -> None:
        """A kubelet started a pod that we know."""


class NoClusterObserver:
    """Observes nothing."""

    def kubelet_refused(self, reason: str, our_verdict: str, pod: PodEntry, message: str) -> None:
        """Nothing."""

    def kubelet_admitted(self, our_verdict: str, pod: PodEntry) -> None:
        """Nothing."""
