"""`fastfit snapshot`: saves what a live cluster shows into one file."""

import click

from extender.cli.cluster import snapshot_head
from extender.cli.exits import epilog
from extender.cli.tables import clean
from extender.runtime.live import take
from extender.runtime.settings import load_settings, to_json
from extender.snapshot import write

__all__ = ["snapshot"]


@click.command(
    short_help="Save what a live cluster shows into one file.",
    epilog=epilog(
        "fastfit snapshot -o cluster.json",
        "fastfit explain --snapshot cluster.json vms/db",
    ),
)
@click.option("-o", "--output", metavar="FILE", required=True, help="File to write; - for standard output.")
@click.option("--kubeconfig", metavar="FILE", help="Cluster to read; left out: the pod's own, then kubectl's default.")
@click.option("--config", metavar="FILE", help="FastfitConfiguration that is in force there; it is saved as well.")
def snapshot(output: str, kubeconfig: str | None, config: str | None) -> None:
    """Save nodes, pods, NUMA reports, VMs, migrations and KubeVirt's configuration into FILE, which every other command
    reads.

    Managed fields, environment variables, command lines and first-boot data of VMs are left out; names, labels and
    annotations are not.
    """
    extender: dict[str, object] = {}
    if config is not None:
        extender["settings"] = to_json(load_settings(config))
    taken = take(kubeconfig)
    count = write(output, taken.objects, {**snapshot_head(list(taken.absent)), **extender})
    for source in taken.absent:
        click.echo(f"fastfit: the cluster does not serve {source} to us", err=True)
    if output != "-":
        click.echo(clean(f"{output}: {count} objects"))
