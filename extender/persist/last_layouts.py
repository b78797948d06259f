"""Keeps the last layouts of VMs in our ConfigMaps, in the background: read at the start, written as VMs begin to run.

A VM that stands still has no VMI, and no annotation that could tell the next extender what it was like; these entries
can, and replicas share them. One ConfigMap at a time is read, compared and patched: a merge patch of the keys that
differ, so that replicas which know the same write once. Nothing waits for it, and it never runs while a call is
answered. Where it is forbidden, or the ConfigMaps are not there, that is said once and tried again rarely.
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
from extender.kubeapi.resource import Resource
from extender.kubeapi.transport import Transport
from extender.pace import Pace

__all__ = ["CONFIG_MAPS", "LayoutKeeper"]

CONFIG_MAPS: Final = Resource("", "v1", "configmaps")

#: Seconds between two rounds; up to twice as long, so that of several replicas the later ones find it written.
_EVERY_S: Final = 10.0
#: Seconds between two patches.
_BETWEEN_S: Final = 0.1
#: Seconds after which a ConfigMap is read though we have nothing to write: what other replicas saw and we did not.
_REREAD_S: Final = 3600.0
#: Seconds until another try where it is forbidden, where there is no such ConfigMap, and where ours is not accepted.
_IN_VAIN_S: Final = 900.0
#: Refusals that stay so until somebody acts, and what they count as. 422: too large, or made immutable.
_IN_VAIN: Final = {403: "forbidden", 404: "absent", **dict.fromkeys((400, 405, 413, 415, 422), "refused")}
#: Entries of one patch: 16 KB, which are made in half a millisecond.
_AT_ONCE: Final = 256
#: Days after which the entry of a VM that begins to run is written again, so that it is not among the oldest.
_FRESH: Final = timedelta(days=30)

_log = structlog.stdlib.get_logger(__name__)


class _ConfigMap(msgspec.Struct, frozen=True):
    data: dict[str, str] | None = None


_decode = msgspec.json.Decoder(_ConfigMap).decode
_encode = msgspec.json.Encoder().encode


class _Shard:
    """One ConfigMap as it was read last, and brought up to date by what we wrote since."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stated: dict[str, Stated] = {}
        #: keys of entries that cannot be read
        self.strange: set[str] = set()

    def surplus(self, new: Mapping[str, Stated], seen: Callable[[str], bool], today: str) -> list[str]:
        """Keys to remove, so that there is room for `new`: what cannot be read, then VMs that have not been seen since
        our start, then the oldest. An entry of the future counts as of today.
        """
        many = min(len(self.stated) + len(self.strange) + len(new.keys() - self.stated.keys()) - MOST, MOST)
        if many <= 0:
            return []
        gone = sorted(self.strange)[:many]
        others = (uid for uid in self.stated if uid not in new)
        oldest = heapq.nsmallest(
            many - len(gone), others, key=lambda uid: (seen(uid), min(self.stated[uid].day, today), uid)
        )
        return gone + oldest

    def written(self, new: Mapping[str, Stated], gone: Iterable[str]) -> None:
        """A patch was accepted."""
        for uid in gone:
            self.stated.pop(uid, None)
            self.strange.discard(uid)
        self.stated.update(new)


class LayoutKeeper:
    """`run` is a task of its own."""

    def __init__(
        self,
        transport: Transport,
        last_layout: LastLayouts,
        count: Callable[[str, int], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        """`count` is told of entries that were written, dropped or ignored, and of requests that were forbidden,
        absent, refused or failed. `clock`: monotonic seconds.
        """
        self._transport = transport
        self._last_layouts = last_layout
        self._count = count
        self._clock = clock
        self._today = today
        self._backoff = Backoff(clock)
        #: by ConfigMap: when it is read next with nothing to write; not before `_rest`, whatever there is to write
        self._due = dict.fromkeys(SHARDS, clock())
        self._rest = dict.fromkeys(SHARDS, clock())
        #: those that cannot be kept as things are; that has been said
        self._barred: set[str] = set()

    async def run(self) -> None:
        """Read and write for ever; ends only by cancellation."""
        while True:
            for name in SHARDS:
                if self._is_due(name):
                    await asyncio.sleep(await self._turn(name))
            await asyncio.sleep(_EVERY_S * (1.0 + random.random()))  # noqa: S311 - spreads load, keeps no secret

    def _is_due(self, name: str) -> bool:
        now = self._clock()
        return now >= self._rest[name] and (now >= self._due[name] or self._last_layouts.waits(name))

    async def _turn(self, name: str) -> float:
        """Reads one ConfigMap, and writes to it what is missing there; the seconds to wait after it."""
        try:
            namespace = await self._transport.namespace()
            shard = await self._read(name, namespace)
            self._due[name] = self._clock() + _REREAD_S
            while await self._write(shard, namespace):
                pass
        except ClusterError as error:
            return self._failed(name, error)
        if name in self._barred:
            self._barred.discard(name)
            if not self._barred:
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
                shard.strange.add(uid)
            else:
                shard.stated[uid] = found
                self._last_layouts.read(uid, found.split)
            if pace.due():
                await pace.rest()
        if shard.strange:
            self._count("ignored", len(shard.strange))
        return shard

    async def _write(self, shard: _Shard, namespace: str) -> bool:
        """One patch, if one is needed; returns whether there may be more."""
        handed, today = list[str](), self._today().isoformat()
        try:
            new = await self._changes(shard, handed, today)
            if not new:
                return False
            gone = shard.surplus(new, self._last_layouts.was_seen, today)
            values = {uid: layout_text(today, one.split) for uid, one in new.items()}
            await self._transport.patch(
                CONFIG_MAPS, shard.name, namespace, _encode({"data": {**values, **dict.fromkeys(gone)}})
            )
        except BaseException:
            for owner in handed:
                self._last_layouts.give_back(owner)
            raise
        shard.written(new, gone)
        self._count("written", len(new))
        self._count("dropped", len(gone))
        await asyncio.sleep(_BETWEEN_S)
        return True

    async def _changes(self, shard: _Shard, handed: list[str], today: str) -> dict[str, Stated]:
        """Entries that differ from what we know, a patch full at most; every VM that was looked at goes to `handed`."""
        new, pace = dict[str, Stated](), Pace()
        fresh = (date.fromisoformat(today) - _FRESH).isoformat()
        while len(new) < _AT_ONCE and (one := self._last_layouts.unwritten(shard.name)) is not None:
            owner, kept = one
            handed.append(owner)
            if outdated(kept, shard.stated.get(owner), fresh) and layout_text(today, kept.split):
                new[owner] = Stated(today, kept.split)
            if pace.due():
                await pace.rest()
        return new

    def _failed(self, name: str, error: ClusterError) -> float:
        code = error.status.code if isinstance(error, ApiFailure) else 0
        if code not in _IN_VAIN:
            self._count("failed", 1)
            pause = max(self._backoff.next(), error.retry_after_s if isinstance(error, ApiFailure) else 0.0)
            _log.warning("last layouts of VMs not kept yet", error=str(error), next_try_s=round(pause, 1))
            return pause
        self._count(_IN_VAIN[code], 1)
        if not self._barred:
            _log.warning(
                "last layouts of VMs cannot be kept; apply the ConfigMaps and the Role of deploy/extender/layouts.yaml, or "
                "set keepLastLayouts: false",
                error=str(error),
            )
        # One Role is for all of them.
        barred = SHARDS if isinstance(error, Forbidden) else (name,)
        self._barred.update(barred)
        self._rest.update(dict.fromkeys(barred, self._clock() + _IN_VAIN_S))
        return _BETWEEN_S
