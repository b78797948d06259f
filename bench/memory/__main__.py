"""What a large cluster costs us: `python -m bench.memory [--quick] [--json F]`.

A made-up API server in a process of its own serves 5,000 nodes, their NRTs, and 50,000 VMs with dedicated CPUs,
each a pod of 16 KB and a VMI; `fastfit serve` watches it. memory/5000x50000: resident MiB once the rows are made.
grown: MiB more after an hour's churn in minutes. stall: the longest callback of the event loop in CPU milliseconds,
at 500 events a second, in the first list and while everything is listed again. peak: the most that was resident
meanwhile. sync: seconds from the start of the process until it is ready. Stalls are in CPU time, for wall time would
count other processes of the machine too. With --paged the API server sends lists in pages only, as older ones do.
"""

import argparse
import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.shared.report import Row, progress, show, write

__all__ = ["main", "measure"]

_PODS_PER_NODE = 10
#: An hour of 5,000 VMs replaced, 7 events each, among as many heartbeats and NRT updates as belong to the mix.
_HOUR = 100_000
_RATE = 500.0


class Service:
    """The process under measurement."""

    def __init__(self, process: "subprocess.Popen[str]", ops: int) -> None:
        self._process = process
        self._ops = ops

    def ask(self) -> dict[str, Any]:
        """Its figures since the last question."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the service has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def page(self, path: str) -> str:
        """A page of the operations port; "" while it does not answer, or says no."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._ops}{path}", timeout=60) as reply:
                return str(reply.read().decode())
        except OSError:
            return ""

    def until_ready(self) -> None:
        """Wait until all kinds are listed and the rows are made."""
        while not self.page("/readyz"):
            if self._process.poll() is not None:
                raise RuntimeError("the service has ended")
            time.sleep(0.1)

    def resyncs(self) -> int:
        """Lists taken after the first of each kind."""
        lines = [line for line in self.page("/metrics").splitlines() if line.startswith("fastfit_resyncs_total{")]
        return sum(int(float(line.rsplit(" ", 1)[1])) for line in lines if 'cause="gone"' in line)

    def stale(self) -> bool:
        """Whether some kind waits for its list."""
        lines = [line for line in self.page("/metrics").splitlines() if 'state="stale"' in line]
        return any(line.endswith(" 1.0") for line in lines) or not lines


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _server(nodes: int, *, paged: bool) -> Iterator[str]:
    command = [sys.executable, "-m", "bench.memory.server", str(nodes), str(nodes * _PODS_PER_NODE), str(int(paged))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def _service(url: str) -> Iterator[Service]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kubeconfig")
        config: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }
        path.write_text(json.dumps(config))
        ops = _free_port()
        command = [
            sys.executable, "-m", "bench.memory.service", str(path), f"127.0.0.1:{_free_port()}", f"127.0.0.1:{ops}",
        ]  # fmt: skip
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            yield Service(process, ops)
        finally:
            process.terminate()
            process.wait()


def _command(url: str, path: str) -> None:
    with urllib.request.urlopen(url + path, timeout=3600) as reply:
        reply.read()


def measure(nodes: int, churn: int, seconds: float, *, paged: bool = False) -> list[Row]:
    """All rows for one size of cluster."""
    size = f"{nodes}x{nodes * _PODS_PER_NODE}" + ("/paged" if paged else "")
    rows: list[Row] = []

    def note(name: str, value: float, unit: str, against: str = "", ratio: float = 1.0) -> None:
        rows.append(Row(f"{name}/{size}", value, unit, against, ratio, 0.0))

    with _server(nodes, paged=paged) as url, _service(url) as service:
        progress(f"first sync of {size}")
        began = time.perf_counter()
        service.until_ready()
        took = time.perf_counter() - began
        time.sleep(2.0)
        first = service.ask()
        progress(f"  {took:.0f} s, {first['spent']:.1f} s of CPU; {first}")
        note("memory", first["rss"], "MiB")
        note("sync-peak", first["peak"], "MiB", "memory", first["peak"] / first["rss"])
        note("sync", took, "s")
        note("sync-cpu", first["spent"], "s")
        note("sync-stall", first["cpu"] * 1000, "ms")

        progress(f"{_RATE:g} events a second for {seconds:g} s")
        _command(url, f"/churn?events={int(seconds * _RATE)}&rate={_RATE}")
        time.sleep(2.0)
        live = service.ask()
        progress(f"  {live}")
        note("stall", live["cpu"] * 1000, "ms")
        note("events-cpu", (live["spent"] - first["spent"]) / seconds * 100, "%")

        progress(f"an hour's churn: {churn} events")
        _command(url, f"/churn?events={churn}&rate=2000")
        time.sleep(5.0)
        after = service.ask()
        progress(f"  {after}")
        note("churn-stall", after["cpu"] * 1000, "ms")
        note("grown", after["rss"] - live["rss"], "MiB", "memory", after["rss"] / first["rss"])

        progress("every list again")
        before = service.resyncs()
        began = time.perf_counter()
        _command(url, "/expire")
        while service.resyncs() < before + 4 or service.stale():
            time.sleep(0.1)
        took = time.perf_counter() - began
        time.sleep(2.0)
        relist = service.ask()
        progress(f"  {took:.0f} s; {relist}")
        note("relist", took, "s")
        note("relist-stall", relist["cpu"] * 1000, "ms")
        note("relist-cpu", relist["spent"] - after["spent"], "s")
        note("relist-memory", relist["rss"], "MiB", "memory", relist["rss"] / first["rss"])
        note("relist-peak", relist["peak"], "MiB", "memory", relist["peak"] / first["rss"])
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.memory", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the same cluster, a tenth of the churn")
    parser.add_argument("--nodes", type=int, default=5000, help="nodes, with ten VMs each (default %(default)s)")
    parser.add_argument("--paged", action="store_true", help="an API server that sends no lists on the watch")
    parser.add_argument("--json", metavar="F", help="write the rows there")
    options = parser.parse_args()
    churn, seconds = (_HOUR // 10, 5.0) if options.quick else (_HOUR, 30.0)
    rows = measure(options.nodes, churn, seconds, paged=options.paged)
    show(rows)
    write(rows, options.json)


if __name__ == "__main__":
    main()
