"""`fastfit demo`: explains and serves a bundled cluster; no Kubernetes is needed."""

import asyncio
import shlex
import socket
import sys
from importlib.resources import as_file, files
from pathlib import Path

import click

from extender.cli.answer_view import summary
from extender.cli.cluster import cluster_of
from extender.cli.exits import epilog
from extender.cli.tables import Terminal, terminal_for
from extender.config import Reply, Settings
from extender.http.address import Address, parse
from extender.http.server import BIND_FLAG, stop_on_signals
from extender.observe.logs import setup
from extender.placement.explain import explain
from extender.runtime.serve import make_server
from extender.runtime.service import Service
from extender.snapshot import Snapshot, read

__all__ = ["demo"]

_DEFAULT_BIND = "127.0.0.1:9480"


@click.command(
    short_help="Try it on a bundled cluster, no Kubernetes needed.",
    epilog=epilog(
        "fastfit demo",
        "fastfit demo --bind 127.0.0.1:8080",
    ),
)
@click.option(
    BIND_FLAG,
    "bind",
    metavar="HOST:PORT",
    default=None,
    help=f"Where to serve  [default: {_DEFAULT_BIND}, another port if that one is taken]",
)
def demo(bind: str | None) -> None:
    """Show for every waiting VM of a bundled cluster where it fits and why, then serve that cluster over HTTP.

    Prints one line that begins with `curl ` and works as printed; Ctrl-C ends it.
    """
    address = parse(bind, BIND_FLAG) if bind is not None else _free_address()
    sample = files("extender.sample")
    with as_file(sample / "cluster.json") as cluster, as_file(sample / "filter.json") as body:
        # With it the reply names reasons too; kube-scheduler needs them only if no node is left.
        settings = Settings(reply=Reply(always_send_failures=True))
        setup("warning", "console")
        snapshot = read(cluster)
        _print_tables(snapshot, settings, terminal_for(sys.stdout))
        asyncio.run(_serve(snapshot, settings, address, body.resolve()))


def _print_tables(snapshot: Snapshot, settings: Settings, terminal: Terminal) -> None:
    cluster = cluster_of(snapshot, settings)
    for pod in snapshot.pods():
        if not pod.spec.node_name:
            click.echo(summary(explain(cluster, pod), terminal) + "\n", color=terminal.colour)


async def _serve(snapshot: Snapshot, settings: Settings, address: Address, body: Path) -> None:
    service = Service(settings)
    snapshot.feed(service.sink)
    service.make_rows_now()
    stop, _ = stop_on_signals()
    server = make_server(service, address, Address("127.0.0.1", 0))
    await server.start()
    current = [asyncio.create_task(task) for task in service.background()]
    try:
        click.echo("Serving the same over HTTP, as kube-scheduler would ask, until Ctrl-C. Try:")
        header = "Content-Type: application/json"
        click.echo(f"curl -sS -H {shlex.quote(header)} --data-binary {shlex.quote(f'@{body}')} {server.url}/filter")
        sys.stdout.flush()
        await stop.wait()
    finally:
        for task in current:
            task.cancel()
        await server.close()


def _free_address() -> Address:
    """The default address; if its port is taken, the same address with a free port."""
    address = parse(_DEFAULT_BIND, BIND_FLAG)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError:
            return address._replace(port=0)
    return address
