"""Reads a live cluster once: every kind as whole objects, page by page, as `snapshot` and `explain` need them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from extender.cache.events import Source
from extender.kubeapi.credentials import find
from extender.kubeapi.errors import Forbidden, Gone, NotFound, Unreadable
from extender.kubeapi.transport import KubeTransport, Transport
from extender.snapshot import type_of
from extender.watch.events import read_page
from extender.watch.kinds import KINDS, Kind

__all__ = ["Taken", "take", "take_from"]

#: Objects per page; a page of pods is about 2 MB. A command may hold more at once than the service.
_PAGE = 500
_PAGE_BYTES = 128 * 1024 * 1024
#: Tries to read a list whose continuation expires while we read it.
_TRIES = 3
#: Kinds that every cluster serves.
_ALWAYS = frozenset({Source.NODES, Source.PODS})


@dataclass(frozen=True, slots=True)
class Taken:
    """What a cluster showed: raw objects, and the kinds that it does not serve (to us)."""

    objects: list[dict[str, Any]]
    absent: list[Source]


def take(kubeconfig: str | None) -> Taken:
    """Read everything with these credentials. Raises ClusterError."""
    return asyncio.run(_take(kubeconfig))


async def _take(kubeconfig: str | None) -> Taken:
    transport = KubeTransport(find(kubeconfig), page_bytes=_PAGE_BYTES)
    try:
        return await take_from(transport)
    finally:
        await transport.close()


async def take_from(transport: Transport) -> Taken:
    """Read everything over `transport`. An optional kind that is not served is absent, not an error; so is KubeVirt's
    configuration where it is forbidden: few people may read it, and its defaults are known.
    """
    objects: list[dict[str, Any]] = []
    absent: list[Source] = []
    for source, kind in KINDS.items():
        try:
            objects += await _whole_list(transport, source, kind)
        except NotFound:
            if source in _ALWAYS:
                raise
            absent.append(source)
        except Forbidden:
            if source is not Source.KUBEVIRTS:
                raise
            absent.append(source)
    return Taken(objects, absent)


async def _whole_list(transport: Transport, source: Source, kind: Kind) -> list[dict[str, Any]]:
    for last in (*[False] * (_TRIES - 1), True):
        try:
            return await _pages(transport, source, kind)
        except Gone:
            if last:
                raise
    raise AssertionError("the last try returns or raises")


async def _pages(transport: Transport, source: Source, kind: Kind) -> list[dict[str, Any]]:
    group, name = type_of(source)
    version = f"{group}/{kind.resource.version}" if group else kind.resource.version
    selector: Mapping[str, str] = {"fieldSelector": kind.field_selector} if kind.field_selector else {}
    found: list[dict[str, Any]] = []
    token = ""
    while True:
        query = {"limit": str(_PAGE), **selector, **({"continue": token} if token else {})}
        page = read_page(await transport.list_page(kind.resource, query))
        # Items of a typed list do not repeat what they are.
        try:
            found += [{"apiVersion": version, "kind": name, **orjson.loads(bytes(raw))} for raw in page.items or ()]
        except (orjson.JSONDecodeError, TypeError) as error:
            raise Unreadable(f"list {kind.resource}: an item is not a JSON object: {error}") from error
        token = page.metadata.continues or ""
        if not token:
            return found
