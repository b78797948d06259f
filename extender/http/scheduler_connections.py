"""Which connection of the scheduler port gives way: never one that calls, and the one that has called most goes last.

On loopback all peers look alike, so use alone tells kube-scheduler from strangers. When the port is full, one gives
way to the new one: the oldest that has never sent a call that could be read, else one that leaves its reply unread,
else the one that has sent fewest. One that has sent a call just now is spared, for its reply may be on its way. So
neither half-open connections nor slow bodies, garbage, unread replies or idle strangers can lock out a kube-scheduler
that starts anew, and one that has called for long is the last to be cut.
"""

import asyncio
from typing import Final

from extender.http.connections import Connection

__all__ = ["LeastUsedFirst"]

#: Seconds after a whole request for which a connection is not cut: more than a caller that reads needs for the reply.
_REST_S: Final = 2.0


class LeastUsedFirst:
    """A `Policy`."""

    def __init__(self) -> None:
        #: those that have not sent a call yet, oldest first (a dict as ordered set)
        self._silent: dict[Connection, None] = {}
        #: of the others, how many calls they have sent, and when the last one came
        self._used: dict[Connection, tuple[int, float]] = {}

    def came(self, connection: Connection) -> None:
        """See Policy."""
        self._silent[connection] = None

    def used(self, connection: Connection) -> None:
        """See Policy."""
        self._silent.pop(connection, None)
        calls, _ = self._used.get(connection, (0, 0.0))
        self._used[connection] = calls + 1, _now()

    def gone(self, connection: Connection) -> None:
        """See Policy."""
        self._silent.pop(connection, None)
        self._used.pop(connection, None)

    def give_way(self, address: str, *, full: bool) -> Connection | None:  # noqa: ARG002 - all addresses are alike here
        """See Policy."""
        if not full:
            return None
        return next(iter(self._silent), None) or self._dispensable(_now())

    def _dispensable(self, now: float) -> Connection | None:
        """The first whose reply is not read, else the one with fewest calls, if it rests; None if it does not."""
        resting = [connection for connection, (_, last) in self._used.items() if now - last >= _REST_S]
        for connection in resting:
            if connection.transport is not None and connection.transport.get_write_buffer_size():
                return connection
        least = min(self._used, key=self._used.__getitem__)
        return least if least in resting else None


def _now() -> float:
    return asyncio.get_running_loop().time()
