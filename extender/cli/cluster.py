"""A cluster for commands that answer questions: from a snapshot file, or read once from a live cluster."""

import time
from datetime import UTC, datetime

from extender import __version__
from extender.cache.cluster import Cluster
from extender.cache.nodes.pools import pools_of
from extender.config import Settings
from extender.kubevirt.migration.policy import MigrationPolicy
from extender.snapshot import Snapshot, from_objects, read

__all__ = ["about", "cluster_of", "open_snapshot", "taken_at"]


def taken_at() -> str:
    """Now, as the API writes times."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def about(absent: list[str]) -> dict[str, object]:
    """What a snapshot says of itself."""
    return {"version": __version__, "takenAt": taken_at(), "absent": absent}


def open_snapshot(path: str | None, kubeconfig: str | None) -> Snapshot:
    """The file, or what the live cluster shows now. Raises SnapshotError or ClusterError."""
    if path is not None:
        return read(path)
    # The client library takes longer to load than a file's answer.
    from extender.runtime.live import take

    taken = take(kubeconfig)
    return from_objects(taken.objects, about(list(taken.absent)))


def cluster_of(snapshot: Snapshot, settings: Settings) -> Cluster:
    """The cluster, every row made."""
    cluster = Cluster(
        pools_of(settings),
        promise_seconds=float(settings.charges.promise_seconds),
        # Times in a file are not our clock's: nothing in it grows old.
        report_stale_after=0.0,
    )
    cluster.migration = MigrationPolicy(settings.migration)
    cluster.tick(time.monotonic())
    snapshot.feed(cluster)
    cluster.make_rows()
    return cluster
