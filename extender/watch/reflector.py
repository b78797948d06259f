"""Keeps the objects of one kind in the cache equal to the API server's, whatever happens to the watch.

It works as client-go's reflector does (tools/cache/reflector.go; KEP-3157 for the list that is streamed on the watch).
`run` repeats attempts until cancelled. An attempt is one connection. `_react` handles every kind of failure.

Rules: resource versions are opaque and never compared by order. A list has its resource version at its end only. A list
replaces the cached objects and is not merged into them; until it is complete, the old objects are used and the source
is STALE.
"""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog

from extender.cache.events import Sink
from extender.errors import ClusterError
from extender.garbage_collector import collector_paused
from extender.kubeapi.backoff import Backoff
from extender.kubeapi.errors import (
    ApiFailure,
    Forbidden,
    Gone,
    LineTooLong,
    NotFound,
    NotStreamed,
    PageTooLarge,
    Rejected,
    Silence,
    Unreachable,
)
from extender.kubeapi.transport import Transport
from extender.pace import Pace
from extender.watch.events import read_page
from extender.watch.kinds import Kind, Need
from extender.watch.observer import NoObserver, WatchObserver
from extender.watch.status import SourceStatus, State
from extender.watch.store import IncomingList, KindStore

__all__ = ["Reflector", "Tuning"]

#: Objects of the first page, before their size is known; a Node may have 100 KB.
_FIRST_PAGE = 20

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Tuning:
    """Times in seconds and sizes; the defaults are for production."""

    #: silence after which a watch counts as dead; above the API server's bookmark period of 60 s
    inactivity_s: float = 120.0
    #: the server ends a watch after a random time between these
    watch_s: tuple[int, int] = (300, 600)
    #: a watch that ends sooner than this counts as failed, even if the server closed it properly
    short_watch_s: float = 10.0
    #: objects per page, at most
    page: int = 250
    #: bytes of a page that are asked for; joining and splitting 2 MB blocks the event loop for 2 ms
    page_bytes: int = 2_000_000
    #: how often to ask for a kind that is not served
    reprobe_s: float = 60.0
    #: how often to ask again where RBAC forbids it
    forbidden_s: float = 30.0
    #: "not served" answers in a row after which cached objects are dropped; an API server that starts may err
    absent_after: int = 3


class Reflector:
    """One kind. `run` is a task; all other methods are called on the same event loop."""

    def __init__(
        self,
        kind: Kind,
        transport: Transport,
        sink: Sink,
        *,
        need: Need = Need.REQUIRED,
        tuning: Tuning | None = None,
        clock: Callable[[], float] = time.monotonic,
        observer: WatchObserver | None = None,
        pace: Pace | None = None,
    ) -> None:
        """`clock`: monotonic seconds, that of the event loop."""
        self._source = kind.source
        self._resource = kind.resource
        self._selector = {"fieldSelector": kind.field_selector} if kind.field_selector else {}
        self._transport = transport
        self._need = need
        self._tuning = tuning or Tuning()
        self._clock = clock
        self._observer = observer or NoObserver()
        self._pace = pace or Pace()
        self._backoff = Backoff(clock)
        self._store = KindStore(kind, sink, self._observer, self._pace)
        self._log = _log.bind(source=str(kind.source))

        self._state = State.EMPTY
        #: why a list is needed
        self._cause = "start"
        #: lists are read in pages, because the server cannot stream them or an object is too large for a watch line
        self._paged = False
        self._page = self._tuning.page
        #: the `limit` of the last page
        self._limit = 0
        #: "not served" answers in a row
        self._misses = 0
        self._lists = 0
        #: when the cached objects, or the absence of the kind, were last confirmed by the API server
        self._confirmed: float | None = None
        self._last_error = ""
        self._error_class = ""
        self._settled = False

    def status(self) -> SourceStatus:
        """The source's state now."""
        return SourceStatus(
            source=self._source,
            need=self._need,
            state=self._state,
            age_seconds=None if self._confirmed is None else max(0.0, self._clock() - self._confirmed),
            resyncs=max(0, self._lists - 1),
            objects=self._store.objects,
            skipped=self._store.skipped,
            last_error=self._last_error,
            error_class=self._error_class,
            settled=self._settled,
        )

    async def run(self) -> None:
        """Follow the kind until cancelled."""
        while True:
            pause = await self._attempt()
            await asyncio.sleep(pause)

    async def _attempt(self) -> float:
        """One connection, from its opening to its end; returns the seconds to wait before the next one."""
        began = self._clock()
        incoming = None if self._store.version else self._store.incoming()
        try:
            if incoming is None:
                await self._stream({"resourceVersion": self._store.version})
            elif self._paged:
                await self._list(incoming, began)
                return 0.0
            else:
                query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
                await self._stream(query, incoming, asked=began)
        except ClusterError as error:
            pause = self._react(error)
        except Exception as error:  # noqa: BLE001 - a bug of ours must not end the watch for good
            self._log.exception("watch fault", error=repr(error))
            pause = self._fail(error, resync="fault")
        else:
            pause = self._closed(began)
        if incoming is not None:
            await self._pace.through(incoming.discard())
        return pause

    def _closed(self, began: float) -> float:
        """The server has ended a watch that was opened at `began`; returns the seconds to wait."""
        if self._clock() - began < self._tuning.short_watch_s:
            return self._fail(Unreachable(f"watch {self._resource}: the server closed it at once"))
        return 0.0

    # --- one connection ---------------------------------------------------------------------------------

    async def _stream(self, query: dict[str, str], incoming: IncomingList | None = None, asked: float = 0.0) -> None:
        """Follow one watch to its end. With `incoming`, the watch begins with a streamed list, asked for at `asked`."""
        limit = self._tuning.inactivity_s
        seconds = random.randint(*self._tuning.watch_s)  # noqa: S311 - spreads load, keeps no secret
        query |= {"allowWatchBookmarks": "true", "timeoutSeconds": str(seconds)} | self._selector
        loop = asyncio.get_running_loop()
        armed = self._clock()
        try:
            async with (
                asyncio.timeout(limit) as silence,
                self._transport.watch_lines(self._resource, query) as lines,
                AsyncExitStack() as while_listing,
            ):
                if incoming is not None:
                    while_listing.enter_context(collector_paused())
                self._opened()
                async for line in lines:
                    now = self._clock()
                    # Rescheduling costs as much as a small event, so it is done once a second.
                    if now - armed >= 1.0:
                        silence.reschedule(loop.time() + limit)
                        armed = now
                    if incoming is None:
                        self._store.apply(line)
                        self._confirmed = now
                    elif version := self._store.list_line(line, incoming):
                        await self._swap(incoming, version, asked)
                        incoming = None
                        await while_listing.aclose()
                    if self._pace.due():
                        await self._pace.rest()
        except TimeoutError as error:
            raise Silence(f"watch {self._resource}: nothing came for {limit:g} s") from error
        if incoming is not None:
            raise Unreachable(f"watch {self._resource}: the server closed it before the list was complete")

    async def _list(self, incoming: IncomingList, asked: float) -> None:
        """Read the list page by page. The request names no resource version, so the list is current at its first page."""
        with collector_paused():
            await self._swap(incoming, await self._pages(incoming), asked)

    async def _pages(self, incoming: IncomingList) -> str:
        query = dict(self._selector)
        self._limit = min(self._page, _FIRST_PAGE)
        version = ""
        while True:
            query["limit"] = str(self._limit)
            body = await self._transport.list_page(self._resource, query)
            # Joining the body has blocked the loop.
            await self._pace.rest()
            page = read_page(body)
            # All pages have the resource version of the first one.
            version = version or page.metadata.resource_version
            self._opened()
            for raw in page.items or ():
                self._store.list_object(raw, incoming)
                if self._pace.due():
                    await self._pace.rest()
            if not page.metadata.continues:
                return version
            query["continue"] = page.metadata.continues
            fitting = len(page.items or ()) * self._tuning.page_bytes // len(body)
            self._limit = min(self._page, max(1, fitting))

    async def _swap(self, incoming: IncomingList, version: str, asked: float) -> None:
        """The list is complete: it replaces the cached objects, in steps between which the event loop runs.

        It shows the moment at which it was asked for, however long it took to arrive.
        """
        await self._pace.through(self._store.swap(incoming, version))
        self._confirmed = asked
        self._lists += 1
        self._settled = True
        self._log.info("list taken", objects=self._store.objects, cause=self._cause, paged=self._paged)
        self._live()

    # --- state ------------------------------------------------------------------------------------------

    def _opened(self) -> None:
        """The server has accepted the request."""
        self._misses = 0
        if not self._store.listed:
            self._enter(State.SYNCING)
        elif self._store.version:
            self._live()

    def _live(self) -> None:
        self._last_error = ""
        self._error_class = ""
        self._enter(State.LIVE)

    def _enter(self, state: State) -> None:
        if state is not self._state:
            self._log.info("source state", state=str(state), before=str(self._state))
            self._state = state

    def _react(self, error: ClusterError) -> float:
        """Handles each kind of failure: what has to be read again, and how long to wait (returned, in seconds)."""
        listing = not self._store.version
        match error:
            case Gone():
                return self._fail(error, resync="gone")
            case LineTooLong():
                # Every watch would bring the same line again. A page may be larger.
                self._paged = True
                return self._fail(error, resync="line_too_long")
            case NotFound():
                return self._not_served(error)
            case Forbidden():
                self._settled = True
                return self._fail(error, at_least=self._tuning.forbidden_s)
            case PageTooLarge() if self._limit > 1:
                self._page = max(1, self._limit // 4)
                self._log.warning("smaller pages", limit=self._page, error=str(error))
                return 0.0
            case Rejected() | NotStreamed() | Silence() if listing and not self._paged:
                self._paged = True
                self._log.info("lists are read in pages", error=str(error))
                return 0.0
            case Rejected() if not listing:
                return self._fail(error, resync="rejected")
            case ApiFailure():
                return self._fail(error, at_least=error.retry_after_s)
            case _:
                return self._fail(error)

    def _fail(self, error: Exception, resync: str = "", at_least: float = 0.0) -> float:
        """Notes a failure; with `resync` the watch cannot continue and a new list is needed. Returns the seconds to
        wait.
        """
        if resync:
            self._store.version = ""
            self._cause = resync
            self._observer.resync(self._source, resync)
        self._last_error = str(error) or type(error).__name__
        self._error_class = type(error).__name__
        self._observer.failed(self._source, type(error).__name__)
        if self._store.listed:
            self._enter(State.STALE)
        elif self._state is State.SYNCING:
            self._enter(State.EMPTY)
        pause = max(self._backoff.next(), at_least)
        self._log.warning("watch failed", error=self._last_error, next_try_s=round(pause, 1), resync=resync)
        return pause

    def _not_served(self, error: NotFound) -> float:
        """The kind is gone, or was never there. This is logged once; the server is asked again every minute."""
        self._misses += 1
        if self._store.listed and self._misses < self._tuning.absent_after:
            return self._fail(error)
        self._confirmed = self._clock()
        if self._state is not State.ABSENT:
            self._settled = True
            self._cause = "returned"
            self._last_error = str(error)
            self._error_class = type(error).__name__
            self._store.drop()
            self._log.warning("kind not served", resource=str(self._resource), need=str(self._need))
            self._enter(State.ABSENT)
        return self._tuning.reprobe_s
