"""Writes the guest cells of VMs that have booted into an annotation of their VMIs, in the background.

One patch per VM, one at a time, never while a call is answered. Cells that are not written are unknown after a restart;
nothing else depends on them. If RBAC forbids the patch, this is logged once, and the patch of one VM is tried again every
15 minutes.
"""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final, Protocol

import orjson
import structlog

from extender.cache.vms.guest_cells import CellsRecord
from extender.errors import ClusterError
from extender.kubeapi.backoff import Backoff
from extender.kubeapi.errors import ApiFailure, Forbidden
from extender.kubeapi.resource import VMIS
from extender.kubeapi.transport import Transport

__all__ = ["CellsWriter", "Outbox"]

#: Seconds between two rounds, with up to 100 % jitter: of several replicas, the first writes and the others find it
#: written.
_EVERY_S: Final = 2.0
#: Seconds between two patches; a hundred VMs that start together take ten seconds.
_BETWEEN_S: Final = 0.1
#: Seconds until the next try where RBAC forbids it.
_FORBIDDEN_S: Final = 900.0
#: Codes after which the record is dropped: the VMI is gone, another one has its name (409 for the UID), or the server
#: will never accept it.
_PERMANENT: Final = frozenset({400, 404, 405, 409, 410, 415, 422})

_log = structlog.stdlib.get_logger(__name__)


class Outbox(Protocol):
    """The records that wait to be written; the cache implements it."""

    def unwritten(self) -> CellsRecord | None:
        """Takes out one record; None: there is none now."""

    def give_back(self, record: CellsRecord) -> None:
        """Puts back a record that was not written."""


class CellsWriter:
    """Writes what the outbox holds; `run` is a task."""

    def __init__(
        self,
        transport: Transport,
        outbox: Outbox,
        count: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`count` is called with the outcome of each try: written, in_vain, forbidden or failed. `clock`: monotonic
        seconds.
        """
        self._transport = transport
        self._outbox = outbox
        self._count = count
        self._backoff = Backoff(clock)
        self._forbidden = False

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S * (1.0 + random.random()))  # noqa: S311 - spreads load, keeps no secret
            # One record at a time: meanwhile another replica may have written the next one, or its VMI may be gone.
            for record in iter(self._outbox.unwritten, None):
                await asyncio.sleep(await self._write(record))

    async def _write(self, record: CellsRecord) -> float:
        """One try; returns the seconds to wait after it."""
        # The API server refuses the patch (409) if another VMI has the name and so another UID.
        body = orjson.dumps({"metadata": {"uid": record.uid, "annotations": {record.key: record.value}}})
        try:
            await self._transport.patch(VMIS, record.name, record.namespace, body)
        except ClusterError as error:
            return self._failed(record, error)
        self._count("written")
        if self._forbidden:
            self._forbidden = False
            _log.info("guest cells are written again")
        return _BETWEEN_S

    def _failed(self, record: CellsRecord, error: ClusterError) -> float:
        if isinstance(error, ApiFailure) and error.status.code in _PERMANENT:
            self._count("in_vain")
            _log.debug("guest cells not written", namespace=record.namespace, name=record.name, error=str(error))
            return _BETWEEN_S
        self._outbox.give_back(record)
        if isinstance(error, Forbidden):
            self._count("forbidden")
            if not self._forbidden:
                self._forbidden = True
                _log.warning("guest cells cannot be written; set writeGuestCells: false if so meant", error=str(error))
            return _FORBIDDEN_S
        self._count("failed")
        pause = max(self._backoff.next(), error.retry_after_s if isinstance(error, ApiFailure) else 0.0)
        _log.warning("guest cells not written yet", error=str(error), next_try_s=round(pause, 1))
        return pause
