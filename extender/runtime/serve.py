"""Runs the service: a watched cluster, or a snapshot that never changes, behind both ports until told to stop."""

import asyncio
import time
from collections.abc import Coroutine, Sequence

import msgspec
import structlog

import _fastfit
from extender import __version__
from extender.cache.events import Source
from extender.config import Settings
from extender.http.address import Address
from extender.http.health import Health
from extender.http.server import Server, stop_on_signals
from extender.kubeapi.credentials import find
from extender.kubeapi.transport import KubeTransport
from extender.persist.guest_cells import CellsWriter
from extender.persist.last_layouts import LayoutKeeper
from extender.runtime.memory import check_memory, memory_limit
from extender.runtime.reload import ConfigFile
from extender.runtime.service import Service
from extender.runtime.watch_metrics import WatchMetrics
from extender.snapshot import Snapshot
from extender.watch.kinds import Need
from extender.watch.watcher import Watcher

__all__ = ["make_server", "serve_cluster", "serve_snapshot", "warn_of_the_plain_kernel"]

_log = structlog.stdlib.get_logger(__name__)


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
    """Serve a cluster that never changes, but for what is assumed."""
    # No object that a call misses will ever come.
    settings = msgspec.structs.replace(settings, wait_for_vm_milliseconds=0)
    service = Service(settings)
    moment = snapshot.moment()
    service.cluster.epoch = None if moment is None else moment - time.monotonic()
    snapshot.feed(service.sink)
    service.make_rows_now()
    await _run(make_server(service, bind, ops_bind), service.background())


async def serve_cluster(
    kubeconfig: str | None, config: str | None, settings: Settings, bind: Address, ops_bind: Address
) -> None:
    """Watch a cluster and serve it. `config`: the file that `settings` were read from, which is followed."""
    check_memory(settings, memory_limit())
    service = Service(settings)
    server = make_server(service, bind, ops_bind)
    transport = KubeTransport(find(kubeconfig))
    watcher = Watcher(
        transport,
        service.sink,
        {
            Source.NRTS: Need(settings.sources.noderesourcetopologies),
            Source.VMIS: Need(settings.sources.virtualmachineinstances),
            Source.MIGRATIONS: Need(settings.sources.virtualmachineinstancemigrations),
            Source.KUBEVIRTS: Need(settings.sources.kubevirts),
        },
        stale_after_s=float(settings.stale_after_seconds),
        clock=time.monotonic,
        observer=WatchMetrics(service.metrics),
    )
    service.watched(watcher.not_ready, watcher.status)
    background = [watcher.run(), *service.background()]
    guest_cells = service.cluster.vms.guest_cells
    if settings.write_guest_cells:
        background.append(CellsWriter(transport, guest_cells, service.metrics.cells_write).run())
    if settings.keep_last_layouts:
        background.append(LayoutKeeper(transport, guest_cells.last_layouts, service.metrics.layout_records).run())
    if config is not None:
        background.append(ConfigFile(config, settings, service.configure, service.metrics.config_error).follow())
    try:
        await _run(server, background)
    finally:
        await transport.close()


async def _run(server: Server, background: Sequence[Coroutine[None, None, None]]) -> None:
    """Serve until told to stop. A background task that fails ends everything: half a service answers wrongly."""
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


def warn_of_the_plain_kernel() -> None:
    """Log once where the compiled kernel should run and does not; with FASTFIT_PURE there is no warning."""
    if _fastfit.NOT_LOADED:
        _log.warning(
            "the compiled kernel does not load, the plain one runs: calls take many times longer",
            cause=_fastfit.NOT_LOADED,
            remedy="rebuild it with `make install`",
        )
