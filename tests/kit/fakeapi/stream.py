"""One watch connection of the fake API server, with the fault that was chosen for it."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator

from aiohttp import web

from tests.kit.fakeapi import faults
from tests.kit.fakeapi.faults import Fault
from tests.kit.fakeapi.replies import status
from tests.kit.fakeapi.store import Object, Store

__all__ = ["EndOfStream", "Stream", "bookmark", "event"]


class EndOfStream(Exception):  # not an error
    """The stream is to end cleanly."""


class Stream:
    """Sends events and bookmarks until `timeoutSeconds` are over or the fault ends it."""

    def __init__(self, store: Store, response: web.StreamResponse, request: web.Request, fault: Fault) -> None:
        self._store = store
        self._response = response
        self._request = request
        self._fault = fault
        self._sent = 0

    async def follow(self, plural: str, *, bookmark_s: float, watch_list: bool) -> None:
        """Serve the watch; raises EndOfStream or a ConnectionError where the fault says so."""
        query = self._request.query
        selector = query.get("fieldSelector", "")
        loop = asyncio.get_running_loop()
        end = loop.time() + float(query.get("timeoutSeconds") or 3600)
        version = int(query.get("resourceVersion") or self._store.version)
        await self._between()
        if not query.get("resourceVersion"):
            for obj in self._store.fresh(plural, selector):
                await self._send(event("ADDED", obj))
            if watch_list and query.get("sendInitialEvents") == "true":
                await self._send(bookmark(version, {"k8s.io/initial-events-end": "true"}))
        while (left := end - loop.time()) > 0:
            changed = self._store.changed
            events = self._store.since(plural, version, selector)
            version = self._store.version
            for line in self._ordered(events):
                await self._send(line)
            if events:
                continue
            try:
                async with asyncio.timeout(min(left, bookmark_s)):
                    await changed.wait()
            except TimeoutError:
                # One a minute, and one with which a watch ends in order.
                await self._send(bookmark(version))

    def _ordered(self, events: list[tuple[str, Object]]) -> Iterator[bytes]:
        if not isinstance(self._fault, faults.Disorder):
            yield from (event(change, obj) for change, obj in events)
            return
        by_object: dict[str, list[tuple[str, Object]]] = defaultdict(list)
        for change, obj in events:
            by_object[obj["metadata"]["uid"]].append((change, obj))
        for chain in reversed(by_object.values()):
            if len(chain) > 1 and chain[-1][0] == "DELETED":
                chain[-2:] = [chain[-1], chain[-2]]
            yield from (event(change, obj) for change, obj in chain)

    async def _send(self, line: bytes) -> None:
        fault = self._fault
        if isinstance(fault, faults.CutMidLine) and self._sent == fault.after:
            await self._response.write(line[: len(line) // 2])
            if fault.politely:
                raise EndOfStream
            await asyncio.sleep(0.01)
            if self._request.transport is not None:
                self._request.transport.abort()
            raise ConnectionResetError
        await self._response.write(line * 2 if isinstance(fault, faults.Duplicate) else line)
        self._sent += 1
        await self._between()

    async def _between(self) -> None:
        """What faults do between two events."""
        match self._fault:
            case faults.Silent(after) if self._sent == after:
                await asyncio.Event().wait()
            case faults.Close(after) if self._sent == after:
                raise EndOfStream
            case faults.ErrorEvent(code, after) if self._sent == after:
                await self._response.write(event("ERROR", status(code)))
                raise EndOfStream
            case faults.Garbage(after, line) if self._sent == after:
                await self._response.write(line + b"\n")
            case _:
                pass


def event(change: str, obj: Object) -> bytes:
    """One line of a watch."""
    return json.dumps({"type": change, "object": obj}).encode() + b"\n"


def bookmark(version: int, annotations: dict[str, str] | None = None) -> bytes:
    """A bookmark line."""
    return event("BOOKMARK", {"metadata": {"resourceVersion": str(version), "annotations": annotations}})
