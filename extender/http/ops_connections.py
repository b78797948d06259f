"""Which connection of the operations port gives way, and how often one address is answered.

Probes come on a new connection each, so a new connection is always admitted: the oldest of the address that holds
most goes. An address that holds as many as one may keep loses one of its own. One that asks too often waits before
it is answered; a probe on a new connection never waits.
"""

from collections.abc import Callable
from typing import Final

from extender.bounded import BoundedDict
from extender.http.connections import Connection

__all__ = ["OPS_CONNECTIONS", "OPS_PER_ADDRESS", "Budget", "BusiestAddressFirst", "Turns"]

#: Probes, Prometheus and a few people. More than a flood can open before a probe among them is answered:
#: ACCEPTS_PER_TURN in each of the four turns of the loop that this takes.
OPS_CONNECTIONS: Final = 128
OPS_PER_ADDRESS: Final = 16

#: Requests of one address per second, and how many may come at once. The probes of both containers are one a second.
_PER_SECOND: Final = 10.0
_AT_ONCE: Final = 30.0
#: Seconds that a request beyond this waits: the connections of one address then get 64 answers a second.
_WAIT_S: Final = 0.25

#: Addresses whose requests are counted; the one seen first is forgotten first.
_ADDRESSES: Final = 4096


class BusiestAddressFirst:
    """A `Policy`."""

    def __init__(self, per_address: int = OPS_PER_ADDRESS) -> None:
        self._per_address = per_address
        #: connections by address, oldest first (a dict as ordered set)
        self._by_address: dict[str, dict[Connection, None]] = {}

    def came(self, connection: Connection) -> None:
        """See Policy."""
        self._by_address.setdefault(connection.address, {})[connection] = None

    def used(self, connection: Connection) -> None:
        """See Policy."""

    def gone(self, connection: Connection) -> None:
        """See Policy."""
        of_address = self._by_address.get(connection.address, {})
        of_address.pop(connection, None)
        if not of_address:
            self._by_address.pop(connection.address, None)

    def give_way(self, address: str, *, full: bool) -> Connection | None:
        """See Policy. Addresses that hold equally many: the one whose first connection is oldest."""
        own = self._by_address.get(address, {})
        if len(own) >= self._per_address:
            return _oldest(own)
        return _oldest(max(self._by_address.values(), key=len)) if full else None


def _oldest(connections: dict[Connection, None]) -> Connection:
    """The oldest that waits for a request, else the oldest."""
    return next((each for each in connections if not each.busy), next(iter(connections)))


class Budget:
    """So many per second, and so many at once after a rest."""

    def __init__(self, per_second: float, at_once: float, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._at_once = at_once
        self._clock = clock
        self._left = at_once
        self._at = clock()

    def spend(self) -> bool:
        """Take one; False if none is left."""
        now = self._clock()
        self._left = min(self._at_once, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Turns:
    """How long each request waits before it is answered."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._budgets: BoundedDict[str, Budget] = BoundedDict(_ADDRESSES)

    def wait_s(self, connection: Connection, *, probe: bool) -> float:
        """Seconds that this request waits: none for the first of a connection if it is a probe's."""
        budget = self._budgets.get(connection.address)
        if budget is None:
            budget = self._budgets[connection.address] = Budget(_PER_SECOND, _AT_ONCE, self._clock)
        in_time = budget.spend()
        return 0.0 if in_time or (probe and connection.requests <= 1) else _WAIT_S
