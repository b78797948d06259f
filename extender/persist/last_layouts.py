"""Keeps the last layouts of VMs in our ConfigMaps, in the background: read at the start, written as VMs begin to run.

A stopped VM has no VMI, and so no annotation from which the next extender could read its layout. It reads these entries,
and replicas share them. One ConfigMap at a time is read, compared, and patched with the keys that differ, so that
replicas which know the same write it once. Nothing waits for it, and it never runs while a call is answered. If it is
forbidden, or the ConfigMaps do not exist, this is logged once and tried again every 15 minutes.
"""

import asyncio
import heapq
import random
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec
import structlog

from extender.cache.vms.last_layout import LastLayouts, outdated
from extender.cache.vms.layout_entry import MOST, SHARDS, Stated, layout_text, stated_in
from extender.errors import ClusterError
from extender.kubeapi.backoff import Backoff
from extender.kubeapi.errors import ApiFailure, Forbidden, Unreadable
from extender.kubeapi.resource import CONFIG_MAPS
from extender.kubeapi.transport import Transport
from extender.pace import Pace

__all__ = ["LayoutKeeper"]

#: Seconds between two rounds, with up to 100 % jitter: of several replicas, the first writes and the others find it
#: written.
_EVERY_S: Final = 10.0
#: Seconds between two patches.
_BETWEEN_S: Final = 0.1
#: Seconds after which a ConfigMap is read again with nothing to write, for what only other replicas have seen.
_REREAD_S: Final = 3600.0
#: Seconds until the next try where it is forbidden, the ConfigMap does not exist, or the patch is not accepted.
_BLOCKED_S: Final = 900.0
#: Refusals that last until an administrator acts, and their outcome in the metric. 422: too large, or immutable.
_BLOCKING: Final = {403: "forbidden", 404: "absent", **dict.fromkeys((400, 405, 413, 415, 422), "refused")}
#: Entries of one patch: 16 KB, which take half a millisecond to encode.
_AT_ONCE: Final = 256
#: Age at which the entry of a VM that begins to run is written again, so that it does not count as old.
_FRESH: Final = timedelta(days=30)

_log = structlog.stdlib.get_logger(__name__)


class _ConfigMap(msgspec.Struct, frozen=True):
    data: dict[str, str] | None = None


_decode = msgspec.json.Decoder(_ConfigMap).decode
_encode = msgspec.json.Encoder().encode


class _Shard:
    """One ConfigMap: its entries as last read, with what we have written since."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stated: dict[str, Stated] = {}
        #: keys of entries that cannot be read
        self.unreadable: set[str] = set()

    def keys_to_remove(self, new: Mapping[str, Stated], seen: Callable[[str], bool], today: str) -> list[str]:
        """Keys to remove so that `new` fits: unreadable entries, then VMs not seen since our start, then the oldest.

        An entry with a day in the future counts as of today.
        """
        many = min(len(self.stated) + len(self.unreadable) + len(new.keys() - self.stated.keys()) - MOST, MOST)
        if many <= 0:
            return []
        gone = sorted(self.unreadable)[:many]
        others = (uid for uid in self.stated if uid not in new)
        oldest = heapq.nsmallest(
            many - len(gone), others, key=lambda uid: (seen(uid), min(self.stated[uid].day, today), uid)
        )
        return gone + oldest

    def written(self, new: Mapping[str, Stated], gone: Iterable[str]) -> None:
        """A patch was accepted."""
        for uid in gone:
            self.stated.pop(uid, None)
            self.unreadable.discard(uid)
        self.stated.update(new)


class LayoutKeeper:
    """Keeps the ConfigMaps and the cache's last layouts equal; `run` is a task."""

    def __init__(
        self,
        transport: Transport,
        last_layout: LastLayouts,
        count: Callable[[str, int], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        """`count` is called with outcome and number: entries written, dropped or ignored; requests forbidden, absent, refused
        or failed. `clock`: monotonic seconds.
        """
        self._transport = transport
        self._last_layouts = last_layout
        self._count = count
        self._clock = clock
        self._today = today
        self._backoff = Backoff(clock)
        #: by ConfigMap: when it is read next if there is nothing to write
        self._reread_at = dict.fromkeys(SHARDS, clock())
        #: by ConfigMap: when it is tried next after a blocking refusal
        self._not_before = dict.fromkeys(SHARDS, clock())
        #: ConfigMaps whose last request met a blocking refusal; this has been logged
        self._blocked: set[str] = set()

    async def run(self) -> None:
        """Read and write until cancelled."""
        while True:
            for name in SHARDS:
                if self._is_due(name):
                    await asyncio.sleep(await self._sync(name))
            await asyncio.sleep(_EVERY_S * (1.0 + random.random()))  # noqa: S311 - spreads load, keeps no secret

    def _is_due(self, name: str) -> bool:
        now = self._clock()
        return now >= self._not_before[name] and (now >= self._reread_at[name] or self._last_layouts.waits(name))

    async def _sync(self, name: str) -> float:
        """Reads one ConfigMap and writes what is missing there; returns the seconds to wait after it."""
        try:
            namespace = await self._transport.namespace()
            shard = await self._read(name, namespace)
            self._reread_at[name] = self._clock() + _REREAD_S
            while await self._write(shard, namespace):
                pass
        except ClusterError as error:
            return self._failed(name, error)
        if name in self._blocked:
            self._blocked.discard(name)
            if not self._blocked:
                _log.info("last layouts of VMs are kept again")
        return 0.0

    async def _read(self, name: str, namespace: str) -> _Shard:
        body = await self._transport.get(CONFIG_MAPS, name, namespace)
        shard, pace = _Shard(name), Pace()
        try:
            data = _decode(body).data or {}
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Unreadable(f"get {CONFIG_MAPS} {name}: {error}") from error
        for uid, value in data.items():
            found = stated_in(name, uid, value)
            if found is None:
                shard.unreadable.add(uid)
            else:
                shard.stated[uid] = found
                self._last_layouts.read(uid, found.split)
            if pace.due():
                await pace.rest()
        if shard.unreadable:
            self._count("ignored", len(shard.unreadable))
        return shard

    async def _write(self, shard: _Shard, namespace: str) -> bool:
        """One patch, if one is needed; returns whether there may be more."""
        checked, today = list[str](), self._today().isoformat()
        try:
            new = await self._changes(shard, checked, today)
            if not new:
                return False
            gone = shard.keys_to_remove(new, self._last_layouts.was_seen, today)
            values = {uid: layout_text(today, stated.split) for uid, stated in new.items()}
            await self._transport.patch(
                CONFIG_MAPS, shard.name, namespace, _encode({"data": {**values, **dict.fromkeys(gone)}})
            )
        except BaseException:
            for owner in checked:
                self._last_layouts.give_back(owner)
            raise
        shard.written(new, gone)
        self._count("written", len(new))
        self._count("dropped", len(gone))
        await asyncio.sleep(_BETWEEN_S)
        return True

    async def _changes(self, shard: _Shard, checked: list[str], today: str) -> dict[str, Stated]:
        """Entries of the ConfigMap that have to change, at most one patch of them; VMs that were looked at are
        added to `checked`.
        """
        new, pace = dict[str, Stated](), Pace()
        fresh = (date.fromisoformat(today) - _FRESH).isoformat()
        while len(new) < _AT_ONCE and (unwritten := self._last_layouts.unwritten(shard.name)) is not None:
            owner, kept = unwritten
            checked.append(owner)
            if outdated(kept, shard.stated.get(owner), fresh) and layout_text(today, kept.split):
                new[owner] = Stated(today, kept.split)
            if pace.due():
                await pace.rest()
        return new

    def _failed(self, name: str, error: ClusterError) -> float:
        code = error.status.code if isinstance(error, ApiFailure) else 0
        if code not in _BLOCKING:
            self._count("failed", 1)
            pause = max(self._backoff.next(), error.retry_after_s if isinstance(error, ApiFailure) else 0.0)
            _log.warning("last layouts of VMs not kept yet", error=str(error), next_try_s=round(pause, 1))
            return pause
        self._count(_BLOCKING[code], 1)
        if not self._blocked:
            _log.warning(
                "last layouts of VMs cannot be kept; apply the ConfigMaps and the Role of deploy/extender/layouts.yaml, or "
                "set keepLastLayouts: false",
                error=str(error),
            )
        # One Role permits all of them.
        blocked = SHARDS if isinstance(error, Forbidden) else (name,)
        self._blocked.update(blocked)
        self._not_before.update(dict.fromkeys(blocked, self._clock() + _BLOCKED_S))
        return _BETWEEN_S
