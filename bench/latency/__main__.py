"""How long kube-scheduler waits for us: `python -m bench.latency [--quick] [--json F]`.

pair/NxZ: one connection, closed loop, shortlist off; a filter and a prioritize call of one new pod, both with all N
names and a 16 KB pod, half of the nodes fit. Baseline of the same run: two calls of an echo in the same server that
reads the same bodies and answers as many bytes. The client sends prepared bytes and only looks for the end of the reply.
pair-short/NxZ: the same as shipped: filter leaves the best nodes of its shortlist, prioritize is asked about those.
pair-mixed/NxZ: pair-short as kube-scheduler asks: in its own order of nodes, two runs of it mixed, another mix each time.
open/NxZ: Poisson arrivals, latency from the scheduled time, idle and under 500 watch events a second (p50 and p99).
kernel/NxZ: the compiled kernel against the plain one, on asks that it has not seen.
"""

import argparse
import contextlib
import itertools
import math
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from bench.latency.client import Client, request
from bench.latency.kernel import kernel_row
from bench.shared.filled_cluster import body
from bench.shared.report import Row, progress, show, spread, write
from extender.config import Settings

__all__ = ["main"]

_QUICK = ((500, 2), (5000, 2), (5000, 8))
_FULL = ((500, 2), (500, 8), (5000, 2), (5000, 8), (15000, 2), (15000, 8))
_KINDS = ("pair", "pair-short", "pair-mixed")
_WARM_UP = 20
_UID = "aaaaaaaa-0000-4000-8000-{:012d}"


@contextlib.contextmanager
def _server(nodes: int, zones: int) -> Iterator[int]:
    progress(f"starting a server with {nodes} nodes of {zones} zones")
    command = [sys.executable, "-m", "bench.latency.server", str(nodes), str(zones)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the server did not start")
        yield int(line)
    finally:
        process.terminate()
        process.wait()


def _pairs(port: int, nodes: int, zones: int, rounds: int, kind: str) -> Row:
    """Pairs and echoes in turn, so that both meet the same load of the machine."""
    client = Client(port)
    shortlist = 0 if kind == "pair" else Settings().reply.shortlist
    client.call(request(f"/shortlist/{shortlist}", b""))
    pairs: list[float] = []
    baselines: list[float] = []
    first = 1_000_000 * _KINDS.index(kind)
    payload = body(nodes, _UID.format(0))
    calls = rounds + _WARM_UP
    # Made before the first call: the server would be idle meanwhile.
    payloads = list(itertools.islice(_mixed(payload) if kind == "pair-mixed" else itertools.repeat(payload), calls))
    for number in range(first, first + calls):
        template = request("/filter", payloads[number - first])
        filtered = template.replace(_UID.format(0).encode(), _UID.format(number).encode(), 1)
        began = time.perf_counter()
        size = client.call(filtered)
        pair = time.perf_counter() - began
        if shortlist:
            payload = filtered[filtered.index(b"{") : filtered.rindex(b"[")] + _array(client.body(size)) + b"}"
            prioritized = request("/prioritize", payload)
        else:
            prioritized = filtered.replace(b"/filter", b"/prioritize", 1)
        began = time.perf_counter()
        scores = client.call(prioritized)
        pair += time.perf_counter() - began
        echoes = [filtered.replace(b"/filter", b"/echo/%d" % size, 1)]
        echoes.append(prioritized.replace(b"/prioritize", b"/echo/%d" % scores, 1))
        began = time.perf_counter()
        client.call(echoes[0])
        client.call(echoes[1])
        baseline = time.perf_counter() - began
        if number >= first + _WARM_UP:
            pairs.append(pair)
            baselines.append(baseline)
    ratio = statistics.median(pairs) / statistics.median(baselines)
    return Row(f"{kind}/{nodes}x{zones}", statistics.median(pairs) * 1000, "ms", "echo", ratio, spread(pairs))


def _mixed(payload: bytes) -> Iterator[bytes]:
    """The body with its names as kube-scheduler sends them: its workers filter chunks of its list side by side."""
    chance = random.Random(7)
    head = payload[: payload.rindex(b"[")]
    names = payload[len(head) + 1 : -2].split(b",")
    chance.shuffle(names)
    size = max(1, math.isqrt(len(names)))
    while True:
        chunks = [iter(names[at : at + size]) for at in range(0, len(names), size)]
        order: list[bytes] = []
        while chunks:
            chunk = chance.choice(chunks[:2])
            name = next(chunk, None)
            if name is None:
                chunks.remove(chunk)
            else:
                order.append(name)
        yield head + b"[" + b",".join(order) + b"]}"


def _array(reply: bytes) -> bytes:
    """The first array in a reply: the names of the nodes that are left."""
    return reply[reply.index(b"[") : reply.index(b"]") + 1]


def _open_loop(port: int, nodes: int, zones: int, seconds: float, rate: float) -> list[Row]:
    rows: list[Row] = []
    control = Client(port)
    client = Client(port)
    requests = [request("/filter", body(nodes, _UID.format(10_000_000 + number))) for number in range(50)]
    idle: dict[str, float] = {}
    for label, events in (("idle", 0), ("500ev", 500)):
        control.call(request(f"/events/{events}", b""))
        chance = random.Random(7)
        due = time.perf_counter() + 0.2
        latencies: list[float] = []
        stop = due + seconds
        while due < stop:
            now = time.perf_counter()
            if now < due:
                time.sleep(due - now)
            client.call(requests[len(latencies) % len(requests)])
            latencies.append((time.perf_counter() - due) * 1000)
            due += chance.expovariate(rate)
        control.call(request("/events/0", b""))
        cuts = statistics.quantiles(latencies, n=100)
        for name, value in (("p50", cuts[49]), ("p99", cuts[98])):
            against = "" if label == "idle" else "idle"
            ratio = value / idle[name] if against else 1.0
            idle.setdefault(name, value)
            rows.append(Row(f"open/{nodes}x{zones}/{label}/{name}", value, "ms", against, ratio, spread(latencies)))
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.latency", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer sizes and rounds: about a minute")
    parser.add_argument("--json", metavar="F", help="write the rows there")
    options = parser.parse_args()
    rows: list[Row] = []
    rounds = 60 if options.quick else 300
    for nodes, zones in _QUICK if options.quick else _FULL:
        with _server(nodes, zones) as port:
            progress(f"pairs at {nodes} x {zones}")
            rows += [_pairs(port, nodes, zones, rounds, kind) for kind in _KINDS]
            if (nodes, zones) == (5000, 2):
                progress("open loop")
                rows += _open_loop(port, nodes, zones, 10.0 if options.quick else 20.0, 50.0)
    for zones in (2, 8):
        progress(f"kernel at 5000 x {zones}")
        rows.append(kernel_row(5000, zones, 15 if options.quick else 30))
    show(rows)
    write(rows, options.json)


if __name__ == "__main__":
    main()
