"""Requests to the API server (list, watch, get, patch) over kubernetes-asyncio's connection, TLS and authentication.

Callers get bytes. The library's models cost about 1 ms per object, and its watch neither ends a silent connection nor
backs off from a failing server. No other module uses the client library, except for credentials.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

import aiohttp
import msgspec

from extender import __version__
from extender.errors import ClusterError
from extender.kubeapi.client import ApiClient, Configuration
from extender.kubeapi.credentials import Credentials
from extender.kubeapi.errors import LineTooLong, PageTooLarge, Status, Unreachable, failure
from extender.kubeapi.lines import LineSplitter
from extender.kubeapi.resource import Resource
from extender.names import NAMESPACE

__all__ = ["KubeTransport", "Query", "Transport"]

Query = Mapping[str, str]

CONNECT_S: Final = 5.0
#: Seconds for a page or an object; the API server's own limit for such a request is 60 s.
READ_S: Final = 65.0
#: Bytes read from the socket at a time; splitting 256 KiB into lines takes about 0.1 ms.
CHUNK: Final = 256 * 1024
#: etcd accepts objects up to 1.5 MiB; as JSON, with managedFields, an object may be several times as large.
LINE_BYTES: Final = 8 * 1024 * 1024
#: A page over this is asked for again in smaller ones; every kind may hold one at a time.
PAGE_BYTES: Final = 16 * 1024 * 1024
#: Bytes read of an error body. A Status is small; the body may also be the error page of a proxy.
STATUS_BYTES: Final = 64 * 1024


class Transport(Protocol):
    """Requests to the API server. Every method raises the ClusterErrors of errors.py and nothing else."""

    async def list_page(self, resource: Resource, query: Query) -> bytes:
        """One page of a list: the body as it came."""

    def watch_lines(self, resource: Resource, query: Query) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """A watch: entered when the server has accepted it; then one line per event, until the server closes it
        properly.
        """

    async def get(self, resource: Resource, name: str, namespace: str = "") -> bytes:
        """One object: the body as it came."""

    async def patch(self, resource: Resource, name: str, namespace: str, body: bytes) -> None:
        """Change one object by a JSON merge patch (RFC 7386)."""

    async def namespace(self) -> str:
        """The namespace in which we run, or which the kubeconfig's context names; else that of deploy/."""

    async def close(self) -> None:
        """Close every connection."""


class KubeTransport:
    """Transport over one ApiClient, which is rebuilt only when a certificate file has changed."""

    def __init__(self, credentials: Credentials, *, line_bytes: int = LINE_BYTES, page_bytes: int = PAGE_BYTES) -> None:
        self._credentials = credentials
        self._line_bytes = line_bytes
        self._page_bytes = page_bytes
        self._client: ApiClient | None = None
        self._trust = b""
        self._renewals = 0
        self._renewing = asyncio.Lock()

    async def list_page(self, resource: Resource, query: Query) -> bytes:
        """See Transport; a page over the limit is PageTooLarge."""
        return await self._read("list", resource, resource.collection, {}, query)

    async def get(self, resource: Resource, name: str, namespace: str = "") -> bytes:
        """See Transport; an absent object is NotFound."""
        return await self._read("get", resource, *_path(resource, name, namespace), {})

    async def patch(self, resource: Resource, name: str, namespace: str, body: bytes) -> None:
        """See Transport; an absent object is NotFound."""
        await self._read("patch", resource, *_path(resource, name, namespace), {}, body)

    async def namespace(self) -> str:
        """See Transport; raises ClusterError where the credentials cannot be read."""
        if self._client is None:
            await self._renewed(self._renewals)
        return self._credentials.namespace or NAMESPACE

    @asynccontextmanager
    async def watch_lines(self, resource: Resource, query: Query) -> AsyncGenerator[AsyncIterator[bytes]]:
        """See Transport. It does not limit silence; the reader does."""
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S)
        response = await self._open("watch", resource, resource.collection, {}, {**query, "watch": "1"}, limits)
        try:
            yield self._lines(resource, response)
        finally:
            response.close()

    async def close(self) -> None:
        """See Transport."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _lines(self, resource: Resource, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        splitter = LineSplitter(self._line_bytes)
        try:
            while chunk := await response.content.read(CHUNK):
                for line in splitter.feed(chunk):
                    yield line
        except LineTooLong as error:
            raise LineTooLong(f"watch {resource}: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _unreachable("watch", resource, error) from error
        if splitter.held:
            raise Unreachable(f"watch {resource}: the connection was cut in the middle of a line")

    async def _read(
        self, verb: str, resource: Resource, path: str, names: Mapping[str, str], query: Query, patch: bytes = b""
    ) -> bytes:
        limits = aiohttp.ClientTimeout(total=READ_S, sock_connect=CONNECT_S)
        response = await self._open(verb, resource, path, names, query, limits, patch)
        try:
            return await self._body(verb, resource, response)
        finally:
            response.release()

    async def _body(self, verb: str, resource: Resource, response: aiohttp.ClientResponse) -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            while chunk := await response.content.read(CHUNK):
                chunks.append(chunk)
                size += len(chunk)
                if size > self._page_bytes:
                    response.close()
                    raise PageTooLarge(f"{verb} {resource}: a body of more than {self._page_bytes} bytes")
        except (aiohttp.ClientError, OSError) as error:
            raise _unreachable(verb, resource, error) from error
        return b"".join(chunks)

    async def _open(
        self,
        verb: str,
        resource: Resource,
        path: str,
        names: Mapping[str, str],
        query: Query,
        limits: aiohttp.ClientTimeout,
        patch: bytes = b"",
    ) -> aiohttp.ClientResponse:
        """A response with a success status. Credentials that are refused are read again and tried once more."""
        for last in (False, True):
            seen = self._renewals
            client = self._client or await self._renewed(seen)
            try:
                response = await _call(client, path, names, query, limits, patch)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                # ValueError: a token that contains a line break is refused before it is sent.
                if isinstance(error, aiohttp.ClientSSLError) and not last:
                    await self._renewed(seen)
                    continue
                raise _unreachable(verb, resource, error) from error
            if response.ok:
                return response
            if response.status == 401 and not last:
                response.close()
                await self._renewed(seen)
                continue
            status = await _status(verb, resource, response)
            raise failure(verb, resource, status, response.headers.get("Retry-After", ""))
        raise AssertionError("the second round always returns or raises")

    async def _renewed(self, seen: int) -> ApiClient:
        """Reads the credentials again, unless another task did so since `seen`; returns the client that uses them."""
        async with self._renewing:
            if self._renewals == seen or self._client is None:
                await self._credentials.renew()
                self._renewals += 1
                trust = _fingerprint(self._credentials)
                if self._client is None or trust != self._trust:
                    # A client loads certificates when it is built. Watches of the old client end and are resumed.
                    client = _new_client(self._credentials.configuration)
                    await self.close()
                    self._client = client
                    self._trust = trust
            return self._client


def _new_client(configuration: Configuration) -> ApiClient:
    """A client with buffers of at most 512 KiB per stream; the library's own line reader, which is not used, needs 4
    MiB. Raises ClusterError for certificates that cannot be loaded.
    """
    try:
        client = ApiClient(configuration)
    except (OSError, ValueError) as error:
        # also ssl.SSLError
        detail = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
        raise ClusterError(
            f"CA ({configuration.ssl_ca_cert}), client certificate ({configuration.cert_file}) or key of the credentials "
            f"cannot be used: {detail}; all three are files in PEM, the last two a pair"
        ) from error
    client.user_agent = f"kubevirt-fastfit/{__version__}"
    session = client.rest_client.pool_manager
    client.rest_client.pool_manager = aiohttp.ClientSession(
        connector=session.connector, trust_env=True, read_bufsize=CHUNK
    )
    session.detach()
    return client


def _path(resource: Resource, name: str, namespace: str) -> tuple[str, Mapping[str, str]]:
    """Template of one object's path, and its values. Raises ClusterError for a name that cannot be one."""
    for part in (name, namespace) if namespace else (name,):
        # Quoting leaves "." and ".." as they are, and they would lead to another path.
        if part in {"", ".", ".."}:
            raise ClusterError(f"{part!r} is not a name of {resource}")
    path = resource.in_namespace if namespace else resource.in_cluster
    return path, {"namespace": namespace, "name": name}


async def _call(
    client: ApiClient,
    path: str,
    names: Mapping[str, str],
    query: Query,
    limits: aiohttp.ClientTimeout,
    patch: bytes,
) -> aiohttp.ClientResponse:
    """Sends `patch` as a merge patch; if it is empty, reads the object or list."""
    # Decompressing a page would block the event loop, and the network to the API server is fast.
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if patch:
        headers["Content-Type"] = "application/merge-patch+json"
    response: aiohttp.ClientResponse = await client.call_api(
        path,
        "PATCH" if patch else "GET",
        path_params=dict(names),
        query_params=list(query.items()),
        header_params=headers,
        # The client encodes the JSON itself.
        body=msgspec.json.decode(patch) if patch else None,
        auth_settings=["BearerToken"],
        _preload_content=False,
        _request_timeout=limits,
    )
    # The client would keep its last response with its buffers.
    client.last_response = None  # type: ignore[attr-defined]
    return response


async def _status(verb: str, resource: Resource, response: aiohttp.ClientResponse) -> Status:
    """The Status in an error body; if there is none, one made from the status line."""
    fallback = Status(code=response.status, reason=response.reason or "")
    try:
        body = await response.content.read(STATUS_BYTES)
        while len(body) < STATUS_BYTES and (more := await response.content.read(STATUS_BYTES)):
            body += more
        status = msgspec.json.decode(body, type=Status)
    except msgspec.MsgspecError:
        return fallback
    except (aiohttp.ClientError, OSError) as error:
        raise _unreachable(verb, resource, error) from error
    finally:
        response.close()
    return msgspec.structs.replace(status, code=response.status)


def _unreachable(verb: str, resource: Resource, error: Exception) -> Unreachable:
    """The error with verb and resource. Texts of the libraries contain no headers, and so no token."""
    if isinstance(error, TimeoutError):
        return Unreachable(f"{verb} {resource}: no answer in time ({type(error).__name__})")
    return Unreachable(f"{verb} {resource}: {type(error).__name__}: {error}")


def _fingerprint(credentials: Credentials) -> bytes:
    """A digest of the certificate files in use; missing and unreadable files count as empty."""
    digest = hashlib.sha256()
    configuration = credentials.configuration
    for path in (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file):
        try:
            content = Path(path).read_bytes() if path else b""
        except OSError:
            content = b""
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return digest.digest()
