"""The parts of the cluster as child processes, each with a log file."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

__all__ = ["Process", "ProcessDied", "free_ports", "wait_for"]

T = TypeVar("T")


class ProcessDied(Exception):
    """A part of the cluster ended by itself; the text holds the end of its log."""


class Process:
    """One started part. Its standard output and error go to `log`, which a restart appends to."""

    def __init__(
        self, name: str, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.command = [str(part) for part in command]
        self.log = log
        self.environment = dict(environment or {})
        self.child: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        assert self.child is None, f"{self.name} runs already"
        environment = os.environ | {"FASTFIT_EXIT_WITH_PARENT": "1"} | self.environment
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment
            )

    @property
    def running(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def check(self) -> None:
        """Raise if the process ended although nobody stopped it."""
        if self.child is not None and self.child.poll() is not None:
            raise ProcessDied(f"{self.name} ended with {self.child.returncode}; the end of {self.log}:\n{self.tail()}")

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, how: signal.Signals = signal.SIGTERM, patience: float = 10) -> int | None:
        """End the process and return its exit status; None if it did not run. Past the patience it is killed."""
        child, self.child = self.child, None
        if child is None:
            return None
        child.send_signal(how)
        try:
            return child.wait(patience)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()

    def pause(self) -> None:
        """Freeze the process: it keeps its connections and answers nothing."""
        assert self.child is not None
        self.child.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.child is not None
        self.child.send_signal(signal.SIGCONT)


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nobody listens on; all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def wait_for(check: Callable[[], T], what: str, patience: float = 60, pause: float = 0.05) -> T:
    """Call `check` until it returns something true, and return that.

    An error of the network or a falsy value means "not yet". The patience is a bound against hanging, never a
    measure: generous, and an error that names what was awaited.
    """
    deadline = time.monotonic() + patience
    while True:
        trouble: object = None
        try:
            result = check()
        except OSError as error:
            trouble = error
        else:
            if result:
                return result
            trouble = result
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {patience:.0f} s for {what}; last: {trouble!r}")
        time.sleep(pause)
