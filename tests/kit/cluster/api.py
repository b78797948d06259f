"""A small JSON client for the API server: kept-alive connections, usable from several threads."""

import http.client
import json
import queue
import ssl
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

__all__ = ["PATCHES", "Api", "ApiError"]

Object = dict[str, Any]

BUSY_RETRIES = 100

PATCHES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}


class ApiError(Exception):
    """The API server said no. `status` is the HTTP status, `body` its Status object."""

    def __init__(self, status: int, method: str, path: str, body: Object) -> None:
        super().__init__(f"{method} {path}: {status} {body.get('message', body)}")
        self.status = status
        self.body = body


class Api:
    """Requests to one API server with one bearer token."""

    def __init__(self, port: int, ca: Path, token: str) -> None:
        self.port = port
        self.context = ssl.create_default_context(cafile=str(ca))
        self.headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self.idle: queue.LifoQueue[http.client.HTTPSConnection] = queue.LifoQueue()
        # apiVersion -> kind -> (plural name, namespaced)
        self.kinds: dict[str, dict[str, tuple[str, bool]]] = {}

    def close(self) -> None:
        while not self.idle.empty():
            self.idle.get_nowait().close()

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """Send one request; return the decoded JSON, or the text of what is not JSON. Raises ApiError from 400 on."""
        payload = None if body is None else json.dumps(body)
        status, kind, content = self.exchange(method, path, payload, content_type)
        for _ in range(BUSY_RETRIES):
            if status != HTTPStatus.TOO_MANY_REQUESTS:
                break
            time.sleep(0.2)  # a kind whose storage is being set up, too, answers so
            status, kind, content = self.exchange(method, path, payload, content_type)
        decoded = json.loads(content) if kind.startswith("application/json") else content.decode()
        if status >= 400:
            raise ApiError(status, method, path, decoded if isinstance(decoded, dict) else {"message": decoded})
        return decoded

    def exchange(self, method: str, path: str, body: str | None, content_type: str) -> tuple[int, str, bytes]:
        headers = self.headers | ({} if body is None else {"Content-Type": content_type})
        while True:
            try:
                connection, used = self.idle.get_nowait(), True
            except queue.Empty:
                connection, used = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context), False
            try:
                connection.request(method, path, body, headers)
                response = connection.getresponse()
                content = response.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if used and isinstance(error, (ConnectionError, ssl.SSLEOFError, http.client.RemoteDisconnected)):
                    continue  # the server was restarted since, or gave up a connection that nobody used
                if isinstance(error, OSError):
                    raise
                raise ConnectionError(str(error)) from error
            self.idle.put(connection)
            return response.status, response.getheader("Content-Type", ""), content

    def get(self, path: str) -> Object:
        result: Object = self.request("GET", path)
        return result

    def items(self, path: str, **query: str) -> list[Object]:
        """List a collection; the query may hold labelSelector and fieldSelector."""
        found: list[Object] = self.request("GET", f"{path}?{urlencode(query)}" if query else path)["items"]
        return found

    def exists(self, path: str) -> bool:
        try:
            self.request("GET", path)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    def create(self, manifest: Mapping[str, Any]) -> Object:
        """Create an object, at the path that its apiVersion, kind and namespace name."""
        result: Object = self.request("POST", self.collection_of(manifest), dict(manifest))
        return result

    def create_all(self, manifests: Iterable[Mapping[str, Any]], parallel: int = 8) -> list[Object]:
        """Create many objects as fast as the server takes them; the results stand in the order given."""
        manifests = list(manifests)
        for manifest in manifests:
            self.collection_of(manifest)  # discovery happens here, once, and not in every thread
        with ThreadPoolExecutor(parallel) as pool:
            return list(pool.map(self.create, manifests))

    def apply(self, manifest: Mapping[str, Any]) -> Object:
        """Create or change an object by server-side apply."""
        path = f"{self.path_of(manifest)}?fieldManager=tests&force=true"
        result: Object = self.request("PATCH", path, dict(manifest), PATCHES["apply"])
        return result

    def patch(self, path: str, body: Any, kind: str = "merge") -> Object:
        """Patch an object or a subresource; `kind` is merge, strategic, json or apply."""
        result: Object = self.request("PATCH", path, body, PATCHES[kind])
        return result

    def delete(self, path: str, grace: int | None = None) -> None:
        """Delete an object. Without a grace of 0 a bound pod stays until its kubelet confirms."""
        self.request("DELETE", path if grace is None else f"{path}?gracePeriodSeconds={grace}")

    def collection_of(self, manifest: Mapping[str, Any]) -> str:
        """Return the path of the collection that an object belongs to, by discovery."""
        version, kind = manifest["apiVersion"], manifest["kind"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if kind not in self.kinds.get(version, {}):
            self.kinds[version] = {
                each["kind"]: (each["name"], each["namespaced"])
                for each in self.get(root)["resources"]
                if "/" not in each["name"]
            }
        plural, namespaced = self.kinds[version][kind]
        if not namespaced:
            return f"{root}/{plural}"
        return f"{root}/namespaces/{manifest['metadata'].get('namespace', 'default')}/{plural}"

    def path_of(self, manifest: Mapping[str, Any]) -> str:
        return f"{self.collection_of(manifest)}/{manifest['metadata']['name']}"
