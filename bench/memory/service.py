"""`fastfit serve` with a stop watch on every callback of its event loop: run as a process by bench.memory.

A line on standard input is answered with the longest callback since the last one (CPU seconds, and by the wall
clock), the longest pause of the garbage collector, the resident size now and at its peak since then, and the CPU spent.
"""

import asyncio
import gc
import json
import ssl
import sys
import time
from pathlib import Path

from extender.config import Settings
from extender.http.address import parse
from extender.observe.logs import setup
from extender.runtime.serve import serve_cluster


class _StopWatch:
    """Times callbacks and collections."""

    def __init__(self) -> None:
        self.cpu = self.wall = self.pause = 0.0
        self.slow = 0
        self.who = ""
        self._began = 0.0
        gc.callbacks.append(self._collected)

    def start(self) -> None:
        """Time every callback of every loop from now on."""
        plain = asyncio.Handle._run

        def timed(handle: asyncio.Handle) -> None:
            wall, cpu = time.perf_counter(), time.thread_time()
            plain(handle)
            if handle._callback == self.report:  # type: ignore[attr-defined]
                return
            spent = time.thread_time() - cpu
            self.slow += spent > 0.005
            if spent > self.cpu:
                self.cpu, self.who = spent, _name(handle)
            self.wall = max(self.wall, time.perf_counter() - wall)

        asyncio.Handle._run = timed  # type: ignore[method-assign, assignment]

    def report(self) -> None:
        """Answer a line, and reset the figures."""
        sys.stdin.readline()
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        print(
            json.dumps(
                {
                    "cpu": self.cpu,
                    "wall": self.wall,
                    "who": self.who,
                    "slow": self.slow,
                    "pause": self.pause,
                    "rss": int(status["VmRSS"].split()[0]) / 1024,
                    "peak": int(status["VmHWM"].split()[0]) / 1024,
                    "spent": time.process_time(),
                }
            ),
            flush=True,
        )
        self.cpu = self.wall = self.pause = 0.0
        self.slow = 0
        # Resets the peak (proc(5)).
        Path("/proc/self/clear_refs").write_text("5")

    def _collected(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self.pause = max(self.pause, time.perf_counter() - self._began)


def _name(handle: asyncio.Handle) -> str:
    callback = handle._callback  # type: ignore[attr-defined]
    task = getattr(callback, "__self__", None)
    if isinstance(task, asyncio.Task):
        return str(getattr(task.get_coro(), "__qualname__", ""))
    return repr(callback)[:80]


async def _main(kubeconfig: str, bind: str, ops: str) -> None:
    watch = _StopWatch()
    watch.start()
    asyncio.get_running_loop().add_reader(sys.stdin, watch.report)
    await serve_cluster(kubeconfig, None, Settings(), parse(bind, "--bind"), parse(ops, "--ops-bind"))


if __name__ == "__main__":
    # Without a CA in the kubeconfig the system's certificates are loaded, which a service in a cluster does not do. It
    # would be the longest callback of all.
    ssl.SSLContext.load_default_certs = lambda *_: None  # type: ignore[method-assign]
    setup("warning", "json")
    asyncio.run(_main(*sys.argv[1:4]))
