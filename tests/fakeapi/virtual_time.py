"""An event loop on which waiting takes no time: when nothing is ready, the clock jumps to the next timer.

Sockets on loopback work as usual: the clock does not jump while one is being connected or has bytes under way,
which a busy machine may take milliseconds for. Threads do not work: the clock would run away while one is busy, so
names must be addresses (127.0.0.1), which need no resolver.
"""

import asyncio
import fcntl
import selectors
import struct
import termios
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["VirtualTimeLoop", "run"]

T = TypeVar("T")

#: Real seconds for which sockets are watched before the clock jumps.
GRACE_S = 0.001


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for real only while no timer is set; otherwise counts the wait as done."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(GRACE_S)
        if not ready and not self._under_way():
            self.now += timeout
        return ready

    def _under_way(self) -> bool:
        """Whether a socket waits for its peer's kernel: to be connected, or to take bytes that were sent."""
        return any(key.events & selectors.EVENT_WRITE or _unsent(key.fd) for key in self.get_map().values())


def _unsent(fd: int) -> int:
    """Bytes that the other end has not acknowledged; a listening socket has none."""
    try:
        (count,) = struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, b"\0" * 4))
    except OSError:
        return 0
    return int(count)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """`time()` starts at 0 and moves only by jumps to timers."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a test body to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
