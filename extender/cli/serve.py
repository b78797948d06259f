"""`fastfit serve`: answers kube-scheduler."""

import asyncio

import click

from extender.cli.exits import epilog
from extender.http.address import parse
from extender.http.server import BIND_FLAG, OPS_BIND_FLAG
from extender.observe.logs import setup
from extender.runtime.serve import serve_cluster, serve_snapshot, warn_of_the_plain_kernel
from extender.runtime.settings import load_settings, settings_for
from extender.snapshot import read

__all__ = ["serve"]


@click.command(
    short_help="Answer kube-scheduler.",
    epilog=epilog(
        "fastfit serve --config /etc/fastfit/config.yaml",
        "fastfit serve --snapshot cluster.json",
    ),
)
@click.option("--kubeconfig", metavar="FILE", help="Cluster to watch; left out: the pod's own, then kubectl's default.")
@click.option("--snapshot", metavar="FILE", help="Serve a snapshot instead of a cluster; nothing in it ever changes.")
@click.option("--config", metavar="FILE", help="FastfitConfiguration; mode, pools and onUnknown follow the file.")
@click.option(
    BIND_FLAG, "bind", metavar="HOST:PORT", default="127.0.0.1:9480", show_default=True, help="For kube-scheduler."
)
@click.option(
    OPS_BIND_FLAG,
    "ops_bind",
    metavar="HOST:PORT",
    default="127.0.0.1:9481",
    show_default=True,
    help="For probes, metrics and /debug.",
)
def serve(kubeconfig: str | None, snapshot: str | None, config: str | None, bind: str, ops_bind: str) -> None:
    """Watch a cluster and answer kube-scheduler's /filter and /prioritize.

    A bind beyond loopback needs TLS with client certificates in the configuration, or its flag
    allowRemoteWithoutClientCertificates. The first SIGTERM or Ctrl-C drains, a second one ends at once.
    """
    if snapshot is not None and kubeconfig is not None:
        raise click.UsageError("--snapshot and --kubeconfig exclude each other")
    addresses = parse(bind, BIND_FLAG), parse(ops_bind, OPS_BIND_FLAG)
    if snapshot is not None:
        loaded = read(snapshot)
        settings = settings_for(config, loaded)
        setup(settings.logs.level, settings.logs.format)
        warn_of_the_plain_kernel()
        asyncio.run(serve_snapshot(loaded, settings, *addresses))
        return
    settings = load_settings(config)
    setup(settings.logs.level, settings.logs.format)
    warn_of_the_plain_kernel()
    asyncio.run(serve_cluster(kubeconfig, config, settings, *addresses))
