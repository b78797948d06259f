"""A small API server: lists in pages, watches, faults on command.

It keeps the promises of the real one that matter to a reflector: a watch goes on after a resource version or
answers 410; `sendInitialEvents` ends in a marked bookmark and is refused (422) where it is switched off; a watch
with a field selector sends DELETED, in the last matching form, for an object that no longer matches; continue
tokens expire with the history; bookmarks come once a minute.
"""

import asyncio
import base64
import json
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web

from extender.kubeapi.resource import CONFIG_MAPS, Resource
from extender.watch.kinds import KINDS
from tests.kit.fakeapi import faults
from tests.kit.fakeapi.faults import Fault
from tests.kit.fakeapi.replies import refusal
from tests.kit.fakeapi.store import Object, Store
from tests.kit.fakeapi.stream import EndOfStream, Stream

__all__ = ["FakeApi", "Request"]


@dataclass(frozen=True)
class Request:
    """One request as the server saw it; `at` in the loop's time."""

    verb: str
    resource: Resource
    query: dict[str, str]
    at: float
    code: int
    #: of one object
    name: str = ""


class FakeApi:
    """The server. Its store outlives `stop` and `start`, as etcd outlives an API server."""

    def __init__(self, *, token: str = "", bookmark_s: float = 60.0, watch_list: bool = True) -> None:
        """`token`: the only one accepted; empty: none is asked for."""
        self.token = token
        self.bookmark_s = bookmark_s
        #: False: sendInitialEvents is refused, as where the feature is off
        self.watch_list = watch_list
        #: sendInitialEvents is neither refused nor understood
        self.ignores_watch_list = False
        #: plurals of kinds that are not served
        self.not_served: set[str] = set()
        #: (verb, plural) that RBAC forbids
        self.forbidden: set[tuple[str, str]] = set()
        self.requests: list[Request] = []
        self.store = Store()
        self._resources = [*(kind.resource for kind in KINDS.values()), CONFIG_MAPS]
        self._faults: dict[tuple[str, str], deque[Fault]] = defaultdict(deque)
        #: connections that have a request on them
        self._open: set[asyncio.BaseTransport] = set()
        self._runner: web.AppRunner | None = None
        self._port = 0

    # --- for tests --------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where it listens; the port stays the same after a restart."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> Self:
        """Listen."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._serve)
        app.router.add_patch("/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.01, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def stop(self) -> None:
        """Die: every connection is reset."""
        self.reset_connections()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def reset_connections(self) -> None:
        """Reset every connection that has a request on it."""
        for transport in list(self._open):
            # Every asyncio transport of a socket can be aborted; the base class does not say so.
            assert isinstance(transport, asyncio.Transport)
            transport.abort()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def put(self, plural: str, obj: Object) -> Object:
        """Create or replace an object."""
        return self.store.put(plural, obj)

    def delete(self, plural: str, name: str, namespace: str = "") -> None:
        """Delete an object."""
        self.store.delete(plural, name, namespace)

    def compact(self, plural: str) -> None:
        """Forget the history of a resource: what would go on from before is answered with 410."""
        self.store.compact(plural)

    def fault(self, verb: str, plural: str, *chain: Fault) -> None:
        """Queue faults for the next requests of this verb and resource, one per request."""
        self._faults[verb, plural].extend(chain)

    def seen(self, verb: str = "", plural: str = "") -> list[Request]:
        """The requests so far: all, or those of a verb and a resource."""
        return [one for one in self.requests if verb in {"", one.verb} and plural in {"", one.resource.plural}]

    def rights_used(self) -> set[tuple[str, str, str]]:
        """(verb, group, resource) of every request, to compare with a ClusterRole."""
        return {(one.verb, one.resource.group, one.resource.plural) for one in self.requests}

    # --- requests ---------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        resource, name, namespace = self._named(request.path)
        if resource is None:
            return refusal(404)
        verb = (
            "patch"
            if request.method == "PATCH"
            else "get"
            if name
            else "watch"
            if query.get("watch") == "1"
            else "list"
        )
        queue = self._faults[verb, resource.plural]
        fault = queue.popleft() if queue else faults.Pass()
        if isinstance(fault, faults.Pass) and fault.first is not None:
            fault.first()
        refused = self._refused(request, verb, resource, fault)
        code = refused.status if refused is not None else 200
        self.requests.append(Request(verb, resource, query, asyncio.get_running_loop().time(), code, name))
        if refused is not None:
            return refused
        connection = request.transport
        assert connection is not None
        self._open.add(connection)
        try:
            if isinstance(fault, faults.NoAnswer):
                await asyncio.Event().wait()
            if verb == "patch":
                return await self._patch(request, resource.plural, name, namespace)
            if verb == "get":
                found = self.store.get(resource.plural, name, namespace)
                return refusal(404) if found is None else web.json_response(found)
            if verb == "list":
                return self._page(resource.plural, query)
            return await self._watch(request, resource.plural, fault)
        finally:
            self._open.discard(connection)

    def _named(self, path: str) -> tuple[Resource | None, str, str]:
        """The resource of a path, and the name and namespace where it is that of one object."""
        for resource in self._resources:
            root = resource.collection.removesuffix(resource.plural)
            match path.removeprefix(root).split("/") if path.startswith(root) else []:
                case [resource.plural]:
                    return resource, "", ""
                case [resource.plural, name]:
                    return resource, name, ""
                case ["namespaces", namespace, resource.plural, name]:
                    return resource, name, namespace
                case _:
                    pass
        return None, "", ""

    def _refused(self, request: web.Request, verb: str, resource: Resource, fault: Fault) -> web.Response | None:
        plural = resource.plural
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return refusal(401)
        if (verb, plural) in self.forbidden:
            return refusal(403, f'{plural} is forbidden: User "x" cannot {verb} resource "{plural}"')
        if plural in self.not_served:
            return refusal(404)
        if isinstance(fault, faults.Refuse):
            if fault.body is not None:
                return web.Response(status=fault.code, body=fault.body, content_type="text/html")
            return refusal(fault.code, retry_after=fault.retry_after, cause=fault.cause)
        if verb == "watch":
            if request.query.get("sendInitialEvents") and not (self.watch_list or self.ignores_watch_list):
                return refusal(422, "sendInitialEvents is forbidden for watch")
            if self.store.too_old(plural, int(request.query.get("resourceVersion") or self.store.version)):
                return refusal(410, "too old resource version")
        return None

    async def _patch(self, request: web.Request, plural: str, name: str, namespace: str) -> web.Response:
        """A merge patch that may name the UID of the object that it means, as a precondition."""
        if request.content_type != "application/merge-patch+json":
            return refusal(415)
        found, change = self.store.get(plural, name, namespace), await request.json()
        if found is None:
            return refusal(404)
        uid = change.get("metadata", {}).get("uid", found["metadata"]["uid"])
        if uid != found["metadata"]["uid"]:
            return refusal(409, "Precondition failed: UID in precondition")
        return web.json_response(self.put(plural, _merged(found, change)))

    def _page(self, plural: str, query: dict[str, str]) -> web.Response:
        version, start = self.store.version, 0
        if token := query.get("continue"):
            version, start = json.loads(base64.urlsafe_b64decode(token))
            if self.store.too_old(plural, version):
                return refusal(410, "The provided continue parameter is too old")
        objects = self.store.at(plural, version, query.get("fieldSelector", ""))
        end = start + int(query.get("limit") or len(objects) or 1)
        meta = {"resourceVersion": str(version)}
        if end < len(objects):
            meta["continue"] = base64.urlsafe_b64encode(json.dumps([version, end]).encode()).decode()
        return web.json_response({"kind": "List", "metadata": meta, "items": objects[start:end] or None})

    async def _watch(self, request: web.Request, plural: str, fault: Fault) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        understands = self.watch_list and not self.ignores_watch_list
        try:
            stream = Stream(self.store, response, request, fault)
            await stream.follow(plural, bookmark_s=self.bookmark_s, watch_list=understands)
            await response.write_eof()
        except EndOfStream:
            await response.write_eof()
        except ConnectionError:
            pass
        return response


def _merged(target: Any, change: Any) -> Any:
    """RFC 7386."""
    if not isinstance(change, dict):
        return change
    made = dict(target) if isinstance(target, dict) else {}
    for key, value in change.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = _merged(made.get(key), value)
    return made
