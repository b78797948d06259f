"""Writes the guest cells of VMs that have booted into an annotation of their VMIs, in the background.

One patch per VM, one at a time, never while a call is answered: what is not written costs knowledge after a restart,
and nothing else. Where RBAC forbids it that is said once, and tried again rarely, with one VM.
"""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final, Protocol

import orjson
import structlog

from extender.cache.events import Source
from extender.cache.vms.guest_cells import CellsRecord
from extender.errors import ClusterError
from extender.kubeapi.backoff import Backoff
from extender.kubeapi.errors import ApiFailure, Forbidden
from extender.kubeapi.transport import Transport
from extender.watch.kinds import KINDS

__all__ = ["CellsWriter", "Outbox"]

#: Seconds between two looks; up to twice as long, so that of several replicas the later ones find it written.
_EVERY_S: Final = 2.0
#: Seconds between two patches: a hundred VMs that start together take ten.
_BETWEEN_S: Final = 0.1
#: Seconds until another try where RBAC forbids it.
_FORBIDDEN_S: Final = 900.0
#: The VMI is gone, another one has its name (409 for the UID), or the server will never take it.
_IN_VAIN: Final = frozenset({400, 404, 405, 409, 410, 415, 422})

_log = structlog.stdlib.get_logger(__name__)


class Outbox(Protocol):
    """What is to be written."""

    def unwritten(self) -> CellsRecord | None:
        """Hands out one record; None: nothing is to be written now."""

    def give_back(self, record: CellsRecord) -> None:
        """It was not written, and may be later."""


class CellsWriter:
    """`run` is a task of its own."""

    def __init__(
        self,
        transport: Transport,
        outbox: Outbox,
        count: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`count` is told of each try: written, in_vain, forbidden or failed. `clock`: monotonic seconds."""
        self._transport = transport
        self._outbox = outbox
        self._count = count
        self._backoff = Backoff(clock)
        self._forbidden = False

    async def run(self) -> None:
        """Write for ever; ends only by cancellation."""
        while True:
            await asyncio.sleep(_EVERY_S * (1.0 + random.random()))  # noqa: S311 - spreads load, keeps no secret
            # Looked at again for each: meanwhile another replica may have written, and the VMI may be gone.
            for record in iter(self._outbox.unwritten, None):
                await asyncio.sleep(await self._write(record))

    async def _write(self, record: CellsRecord) -> float:
        """One try; the seconds to wait after it."""
        # The UID holds the patch to this very VMI: another one of its name is refused.
        body = orjson.dumps({"metadata": {"uid": record.uid, "annotations": {record.key: record.value}}})
        try:
            await self._transport.patch(KINDS[Source.VMIS].resource, record.name, record.namespace, body)
        except ClusterError as error:
            return self._failed(record, error)
        self._count("written")
        if self._forbidden:
            self._forbidden = False
            _log.info("guest cells are written again")
        return _BETWEEN_S

    def _failed(self, record: CellsRecord, error: ClusterError) -> float:
        if isinstance(error, ApiFailure) and error.status.code in _IN_VAIN:
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
