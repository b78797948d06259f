"""Keeps the picture of one kind equal to the API server's, through everything that can happen to a watch.

The shape is that of client-go's reflector (KEP-3157 for the list that arrives on the watch). `run` repeats
attempts for ever; an attempt is one connection, and each kind of failure is answered in one place, `_react`.

Rules: resource versions are opaque and never ordered; while a list arrives only its end gives one; a list replaces the
picture, it is not merged into it, and the old one is served, marked stale, until then.
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
from extender.kubeapi.backoff import Backoff, Pace
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
from extender.watch.events import read_page
from extender.watch.garbage_collector import collector_paused
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
    #: a watch that ends sooner than this has failed, however politely
    short_watch_s: float = 10.0
    #: objects per page, at most
    page: int = 250
    #: bytes of a page that are asked for; to join and to split 2 MB takes 2 ms, in which nothing else runs
    page_bytes: int = 2_000_000
    #: how often to ask for a kind that is not served
    reprobe_s: float = 60.0
    #: how often to ask again where RBAC forbids it
    forbidden_s: float = 30.0
    #: answers "not served" in a row that are believed while there is a picture; an API server that starts may err
    absent_after: int = 3


class Reflector:
    """One kind; `run` is a task of its own, everything else is called on the same event loop."""

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
        #: lists come as pages, because the server or an object does not allow the list on the watch
        self._paged = False
        self._page = self._tuning.page
        #: objects that the last page was asked for
        self._limit = 0
        #: answers "not served" in a row
        self._misses = 0
        self._swaps = 0
        #: when the picture (or the absence of the kind) was last known to be true
        self._confirmed: float | None = None
        self._last_error = ""
        self._settled = False

    def status(self) -> SourceStatus:
        """What the source says about itself now."""
        return SourceStatus(
            source=self._source,
            need=self._need,
            state=self._state,
            age_seconds=None if self._confirmed is None else max(0.0, self._clock() - self._confirmed),
            resyncs=max(0, self._swaps - 1),
            objects=self._store.objects,
            skipped=self._store.skipped,
            last_error=self._last_error,
            settled=self._settled,
        )

    async def run(self) -> None:
        """Follow for ever; ends only by cancellation."""
        while True:
            pause = await self._attempt()
            await asyncio.sleep(pause)

    async def _attempt(self) -> float:
        """One connection from its opening to its end; the seconds to wait before the next."""
        began = self._clock()
        incoming = None if self._store.version else self._store.incoming()
        try:
            if incoming is None:
                await self._stream({"resourceVersion": self._store.version})
            elif self._paged:
                await self._list(incoming)
                return 0.0
            else:
                query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
                await self._stream(query, incoming)
        except ClusterError as error:
            pause = self._react(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the watch for good
            self._log.exception("watch fault", error=repr(error))
            pause = self._fail(error, resync="fault")
        else:
            pause = self._closed(began)
        if incoming is not None:
            await self._pace.through(incoming.discard())
        return pause

    def _closed(self, began: float) -> float:
        """The server has ended a watch that was opened then."""
        if self._clock() - began < self._tuning.short_watch_s:
            return self._fail(Unreachable(f"watch {self._resource}: the server closed it at once"))
        return 0.0

    # --- one connection ---------------------------------------------------------------------------------

    async def _stream(self, query: dict[str, str], incoming: IncomingList | None = None) -> None:
        """Follow one watch to its end; with `incoming` its first part is the list."""
        limit = self._tuning.inactivity_s
        seconds = random.randint(*self._tuning.watch_s)  # noqa: S311 - spreads load, keeps no secret
        query |= {"allowWatchBookmarks": "true", "timeoutSeconds": str(seconds)} | self._selector
        loop = asyncio.get_running_loop()
        armed = self._clock()
        try:
            async with (
                asyncio.timeout(limit) as silence,
                self._transport.watch_lines(self._resource, query) as lines,
                AsyncExitStack() as while_gathering,
            ):
                if incoming is not None:
                    while_gathering.enter_context(collector_paused())
                self._opened()
                async for line in lines:
                    now = self._clock()
                    # Moving a timer costs as much as a small event, so it is moved once a second.
                    if now - armed >= 1.0:
                        silence.reschedule(loop.time() + limit)
                        armed = now
                    if incoming is None:
                        self._store.apply(line)
                        self._confirmed = now
                    elif version := self._store.gather(line, incoming):
                        await self._swap(incoming, version)
                        incoming = None
                        await while_gathering.aclose()
                    if self._pace.due():
                        await self._pace.rest()
        except TimeoutError as error:
            raise Silence(f"watch {self._resource}: nothing came for {limit:g} s") from error
        if incoming is not None:
            raise Unreachable(f"watch {self._resource}: the server closed it before the list was complete")

    async def _list(self, incoming: IncomingList) -> None:
        """Take the list page by page; without a resource version, so it is current."""
        with collector_paused():
            await self._swap(incoming, await self._pages(incoming))

    async def _pages(self, incoming: IncomingList) -> str:
        query = dict(self._selector)
        self._limit = min(self._page, _FIRST_PAGE)
        version = ""
        while True:
            query["limit"] = str(self._limit)
            body = await self._transport.list_page(self._resource, query)
            # It has just been joined.
            await self._pace.rest()
            page = read_page(body)
            # All pages show the moment of the first one.
            version = version or page.metadata.resource_version
            self._opened()
            for raw in page.items or ():
                self._store.collect(raw, incoming)
                if self._pace.due():
                    await self._pace.rest()
            if not page.metadata.continues:
                return version
            query["continue"] = page.metadata.continues
            fitting = len(page.items or ()) * self._tuning.page_bytes // len(body)
            self._limit = min(self._page, max(1, fitting))

    async def _swap(self, incoming: IncomingList, version: str) -> None:
        """The list is complete: it becomes the picture, in steps between which the loop runs."""
        await self._pace.through(self._store.swap(incoming, version))
        self._confirmed = self._clock()
        self._swaps += 1
        self._settled = True
        self._log.info("list taken", objects=self._store.objects, cause=self._cause, paged=self._paged)
        self._live()

    # --- state ------------------------------------------------------------------------------------------

    def _opened(self) -> None:
        """The server has accepted the request."""
        self._misses = 0
        if not self._store.exists:
            self._enter(State.SYNCING)
        elif self._store.version:
            self._live()

    def _live(self) -> None:
        self._last_error = ""
        self._enter(State.LIVE)

    def _enter(self, state: State) -> None:
        if state is not self._state:
            self._log.info("source state", state=str(state), before=str(self._state))
            self._state = state
            self._observer.state(self._source, state)

    def _react(self, error: ClusterError) -> float:
        """The answer to each kind of failure: what is still good, and how long to wait."""
        listing = not self._store.version
        match error:
            case Gone():
                return self._fail(error, resync="gone")
            case LineTooLong():
                # The same line would come again on every watch; a page may be larger.
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
        """Note a failure; with `resync` the picture cannot be continued and a new list is needed."""
        if resync:
            self._store.version = ""
            self._cause = resync
            self._observer.resync(self._source, resync)
        self._last_error = str(error) or type(error).__name__
        self._observer.failed(self._source, type(error).__name__)
        if self._store.exists:
            self._enter(State.STALE)
        elif self._state is State.SYNCING:
            self._enter(State.EMPTY)
        pause = max(self._backoff.next(), at_least)
        self._log.warning("watch failed", error=self._last_error, next_try_s=round(pause, 1), resync=resync)
        return pause

    def _not_served(self, error: NotFound) -> float:
        """The kind is gone, or was never there: said once, and asked again every minute."""
        self._misses += 1
        if self._store.exists and self._misses < self._tuning.absent_after:
            return self._fail(error)
        self._confirmed = self._clock()
        if self._state is not State.ABSENT:
            self._settled = True
            self._cause = "returned"
            self._last_error = str(error)
            self._store.drop()
            self._log.warning("kind not served", resource=str(self._resource), need=str(self._need))
            self._enter(State.ABSENT)
        return self._tuning.reprobe_s
