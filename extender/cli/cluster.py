"""The cluster for commands that read it once: from a snapshot file, or from a live cluster.

`open_snapshot` reads the objects, `cluster_of` puts them into a cache whose rows are all made.
"""

import time
from datetime import UTC, datetime

import click

from extender import __version__
from extender.cache.cluster import Cluster
from extender.cache.nodes.pools import pools_of
from extender.config import Settings
from extender.kubevirt.migration.policy import MigrationPolicy
from extender.snapshot import Snapshot, from_objects, read

__all__ = ["cluster_of", "open_snapshot", "snapshot_head"]


def snapshot_head(absent: list[str]) -> dict[str, object]:
    """The `extender` object of a snapshot that is taken now. `absent`: kinds that the cluster does not serve."""
    taken_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"version": __version__, "takenAt": taken_at, "absent": absent}


def open_snapshot(path: str | None, kubeconfig: str | None) -> Snapshot:
    """The snapshot in `path`, or one of the live cluster. Raises SnapshotError or ClusterError."""
    if path is not None:
        snapshot = read(path)
        for note in snapshot.notes:
            click.echo(f"fastfit: {note}", err=True)
        return snapshot
    # Importing the client library takes longer than answering from a file.
    from extender.runtime.live import take

    taken = take(kubeconfig)
    return from_objects(taken.objects, snapshot_head(list(taken.absent)))


def cluster_of(snapshot: Snapshot, settings: Settings) -> Cluster:
    """The cache of the snapshot's objects, with every row made."""
    cluster = Cluster(
        pools_of(settings),
        promise_seconds=float(settings.charges.promise_seconds),
        nrt_stale_after=float(settings.report_stale_after_seconds),
    )
    cluster.migration = MigrationPolicy(settings.migration)
    cluster.owners_decide = settings.migration_from_owners
    now, moment = time.monotonic(), snapshot.moment()
    # The age of a report is that of the moment which the file shows.
    cluster.epoch = None if moment is None else moment - now
    cluster.tick(now)
    snapshot.feed(cluster)
    cluster.make_rows()
    return cluster
