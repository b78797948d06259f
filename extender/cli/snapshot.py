"""`fastfit snapshot`: saves what a live cluster shows into one file."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from extender.cli.cluster import snapshot_head
from extender.cli.exits import epilog
from extender.cli.tables import clean
from extender.runtime.live import take
from extender.runtime.settings import load_settings, to_json
from extender.snapshot import write
from extender.snapshot.anonymise import anonymise as without_names

__all__ = ["snapshot"]


@click.command(
    short_help="Save what a live cluster shows into one file.",
    epilog=epilog(
        "fastfit snapshot -o cluster.json",
        "fastfit snapshot --anonymise -o report.json",
        "fastfit explain --snapshot cluster.json vms/db",
    ),
)
@click.option("-o", "--output", metavar="FILE", required=True, help="File to write; - for standard output.")
@click.option("--kubeconfig", metavar="FILE", help="Cluster to read; left out: the pod's own, then kubectl's default.")
@click.option("--config", metavar="FILE", help="FastfitConfiguration that is in force there; it is saved as well.")
@click.option("--anonymise", is_flag=True, help="Replace names by stand-ins, for a report that strangers read.")
def snapshot(output: str, kubeconfig: str | None, config: str | None, anonymise: bool) -> None:
    """Save nodes, pods, NUMA reports, VMs, migrations and KubeVirt's configuration into FILE, which every other command
    reads.

    Only fields and annotations that fastfit reads are kept: no environment, command line, probe, image or first-boot data.
    With --anonymise the names of namespaces, VMs, pods, nodes and labels are replaced as well, in the same order, so that
    explain gives the same answer; only which of equal nodes comes first may change. UIDs, amounts and names of resources
    stay: look through the file before you publish it.
    """
    settings = to_json(load_settings(config)) if config is not None else None
    taken = take(kubeconfig)
    objects: Sequence[Mapping[str, Any]] = taken.objects
    if anonymise:
        objects, settings = without_names(objects, settings)
    extender = {} if settings is None else {"settings": settings}
    count = write(output, objects, {**snapshot_head(list(taken.absent)), **extender})
    for source in taken.absent:
        click.echo(f"fastfit: the cluster does not serve {source} to us", err=True)
    if output != "-":
        click.echo(clean(f"{output}: {count} objects"))
