"""`fastfit serve`: answers kube-scheduler."""

import asyncio
import time
from collections.abc import Coroutine, Sequence

import click
import msgspec
import structlog

import _fastfit
from extender import __version__
from extender.cache.events import Source
from extender.cli.exits import epilog
from extender.config import Settings
from extender.http.address import Address, parse
from extender.http.health import Health
from extender.http.server import BIND_FLAG, OPS_BIND_FLAG, Server, stop_on_signals
from extender.kubeapi.credentials import find
from extender.kubeapi.transport import KubeTransport
from extender.observe.logs import setup
from extender.persist.guest_cells import CellsWriter
from extender.persist.last_layouts import LayoutKeeper
from extender.runtime.reload import ConfigFile
from extender.runtime.service import Service, WatchCounter
from extender.runtime.settings import load_settings, settings_for
from extender.snapshot import Snapshot, read
from extender.watch.kinds import Need
from extender.watch.watcher import Watcher

__all__ = ["make_server", "serve", "serve_snapshot"]

_log = structlog.stdlib.get_logger(__name__)


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
        asyncio.run(serve_snapshot(loaded, settings, *addresses))
        return
    settings = load_settings(config)
    setup(settings.logs.level, settings.logs.format)
    asyncio.run(_serve_cluster(kubeconfig, config, settings, *addresses))


def make_server(service: Service, bind: Address, ops_bind: Address) -> Server:
    """Both ports over a service."""
    return Server(
        service.settings,
        service.verbs,
        metrics=service.metrics,
        decisions=service.decisions,
        health=Health(service.not_ready, service.metrics.pulse),
        bind=bind,
        ops_bind=ops_bind,
        explain=service.explain,
        targets=service.targets,
        about={"version": __version__, "backend": _fastfit.BACKEND},
    )


async def serve_snapshot(snapshot: Snapshot, settings: Settings, bind: Address, ops_bind: Address) -> None:
    """Serve a snapshot. Its objects never change; only assumed placements do."""
    # No missing object will arrive later.
    settings = msgspec.structs.replace(settings, wait_for_vm_milliseconds=0)
    service = Service(settings)
    snapshot.feed(service.cluster)
    service.settle()
    await _run(make_server(service, bind, ops_bind), [service.keep_current()])


async def _serve_cluster(
    kubeconfig: str | None, config: str | None, settings: Settings, bind: Address, ops_bind: Address
) -> None:
    service = Service(settings)
    server = make_server(service, bind, ops_bind)
    transport = KubeTransport(find(kubeconfig))
    watcher = Watcher(
        transport,
        service.cluster,
        {
            Source.NRTS: Need(settings.sources.noderesourcetopologies),
            Source.VMIS: Need(settings.sources.virtualmachineinstances),
            Source.MIGRATIONS: Need(settings.sources.virtualmachineinstancemigrations),
            Source.KUBEVIRTS: Need(settings.sources.kubevirts),
        },
        stale_after_s=float(settings.stale_after_seconds),
        clock=time.monotonic,
        observer=WatchCounter(service.metrics),
    )
    service.watched(watcher.not_ready, watcher.status)
    background = [watcher.run(), service.keep_current()]
    if settings.write_guest_cells:
        background.append(CellsWriter(transport, service.cluster.vms.layouts, service.metrics.cells_write).run())
    if settings.keep_last_layouts:
        background.append(
            LayoutKeeper(transport, service.cluster.vms.layouts.last, service.metrics.layout_records).run()
        )
    if config is not None:
        background.append(ConfigFile(config, settings, service.configure, service.metrics.config_error).follow())
    try:
        await _run(server, background)
    finally:
        await transport.close()


async def _run(server: Server, background: Sequence[Coroutine[None, None, None]]) -> None:
    """Serve until SIGTERM or Ctrl-C. If a background task fails, the process ends: without it, answers would be
    wrong.
    """
    stop, hurry = stop_on_signals()
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(task) for task in background]
            await server.run(stop, hurry)
            for task in running:
                task.cancel()
    except ExceptionGroup as group:
        if len(group.exceptions) == 1:
            raise group.exceptions[0] from None
        raise
    _log.info("stopped")
