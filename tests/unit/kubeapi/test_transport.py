"""The transport: authentication and its rotation, errors that say what to do, and no way out of a path."""

import asyncio
import json
import ssl
from pathlib import Path

import aiohttp
import pytest
import structlog
from aiohttp.client_reqrep import ConnectionKey

from extender import names
from extender.errors import ClusterError
from extender.kubeapi.credentials import Kubeconfig, ServiceAccount, find
from extender.kubeapi.errors import ApiFailure, Forbidden, NotFound, PageTooLarge, Rejected, Unauthorized, Unreachable
from extender.kubeapi.resource import Resource
from extender.kubeapi.transport import KubeTransport
from extender.watch.kinds import KINDS
from tests.kit.fakeapi import FakeApi, Refuse, run
from tests.kit.watch import kubeconfig, node, pod, watching

PODS = Resource("", "v1", "pods")
NODES = Resource("", "v1", "nodes")


def test_paths() -> None:
    """Core kinds under /api, all others under /apis, and names as RBAC writes them."""
    paths = {str(kind.resource): kind.resource.collection for kind in KINDS.values()}
    assert paths == {
        "nodes": "/api/v1/nodes",
        "pods": "/api/v1/pods",
        "noderesourcetopologies.topology.node.k8s.io": "/apis/topology.node.k8s.io/v1alpha2/noderesourcetopologies",
        "virtualmachineinstances.kubevirt.io": "/apis/kubevirt.io/v1/virtualmachineinstances",
        "virtualmachineinstancemigrations.kubevirt.io": "/apis/kubevirt.io/v1/virtualmachineinstancemigrations",
        "kubevirts.kubevirt.io": "/apis/kubevirt.io/v1/kubevirts",
    }


def test_get_one_object(tmp_path: Path) -> None:
    """One object by name, with and without a namespace; an absent one is NotFound."""

    async def main() -> None:
        async with FakeApi() as api:
            api.put("pods", pod("a"))
            api.put("nodes", node("n"))
            transport = KubeTransport(Kubeconfig(kubeconfig(tmp_path, api.url)))
            assert json.loads(await transport.get(PODS, "a", "vms"))["spec"]["nodeName"] == "n1"
            assert json.loads(await transport.get(NODES, "n"))["metadata"]["name"] == "n"
            with pytest.raises(NotFound, match="get pods: 404"):
                await transport.get(PODS, "b", "vms")
            await transport.close()

    run(main())


@pytest.mark.parametrize("name", ["..", ".", "", "../../secrets", "a?watch=1", "a/b", "a%2Fb", "{namespace}", "a#b"])
def test_names_cannot_leave_their_path(tmp_path: Path, name: str) -> None:
    """A name from a user is one path segment or an error, never another path or a query."""

    async def main() -> None:
        async with FakeApi() as api:
            api.put("pods", pod("a"))
            transport = KubeTransport(Kubeconfig(kubeconfig(tmp_path, api.url)))
            with pytest.raises(ClusterError):
                await transport.get(PODS, name, "vms")
            assert all(not request.query and request.verb == "get" for request in api.requests)
            await transport.close()

    run(main())


def test_token_rotation_is_followed_without_a_failure(tmp_path: Path) -> None:
    """401: the token file is read again and the request repeated once; the watch never leaves LIVE for it."""

    async def main() -> None:
        async with watching(FakeApi(token="first")) as stage:
            stage.api.put("pods", pod("a"))
            await stage.settled()
            stage.api.token = "second"
            (stage.folder / "token").write_text("second")
            stage.api.reset_connections()
            stage.api.put("pods", pod("b"))
            await stage.settled()
            assert stage.hooks.counts["failed Unauthorized"] == 0
            assert 401 in [request.code for request in stage.api.requests]
            await stage.still_true()

    run(main())


def test_token_that_stays_refused_is_said_and_kept_out_of_texts() -> None:
    """A token that is no longer accepted: stale with the reason, and neither status nor log shows the token."""

    async def main() -> None:
        async with watching(FakeApi(token="s3cr3t-old")) as stage:
            stage.api.put("pods", pod("a"))
            await stage.settled()
            stage.api.token = "s3cr3t-new"
            stage.api.reset_connections()
            await stage.until(lambda: "401" in stage.status().last_error)
            (stage.folder / "token").write_text("s3cr3t-new")
            stage.api.put("pods", pod("b"))
            texts.append(stage.status().last_error)
            await stage.settled()

    texts: list[str] = []
    with structlog.testing.capture_logs() as logs:
        run(main())
    texts.append(str(logs))
    assert "watch failed" in texts[1]
    assert "the token or certificate is not accepted" in texts[0]
    assert not any("s3cr3t" in text for text in texts)


def test_token_that_fits_no_header_is_an_error_without_the_token(tmp_path: Path) -> None:
    """A token file with two lines cannot be sent; the error does not repeat it."""

    async def main() -> None:
        async with FakeApi() as api:
            transport = KubeTransport(Kubeconfig(kubeconfig(tmp_path, api.url, "s3cr3t\nline")))
            with pytest.raises(Unreachable) as caught:
                await transport.list_page(PODS, {})
            assert "s3cr3t" not in str(caught.value)
            await transport.close()

    run(main())


def test_forbidden_names_verb_and_resource_and_is_retried_slowly() -> None:
    """403: the text says which right is missing; one try per half minute; the right granted, all is well."""

    async def main() -> None:
        api = FakeApi()
        api.forbidden = {("watch", "pods")}
        async with watching(api) as stage:
            await asyncio.sleep(300)
            assert 5 <= len(api.seen("watch", "pods")) <= 11
            (text,) = stage.watcher.not_ready()
            assert "pods: not synced yet" in text
            # the port shows the class alone, the log and the status the whole
            assert text.endswith("(last error: Forbidden)")
            assert "grant the verb watch on pods" in stage.status().last_error
            api.forbidden = set()
            await stage.settled()
            assert stage.watcher.ready
            await stage.still_true()

    run(main())


def test_failures_have_types_and_texts(tmp_path: Path) -> None:
    """Each refusal is its own type with the server's status; a page of a proxy is no Status and does no harm."""

    async def main() -> None:
        async with FakeApi() as api:
            transport = KubeTransport(Kubeconfig(kubeconfig(tmp_path, api.url)), page_bytes=50)
            for code, kind in ((403, Forbidden), (400, Rejected), (422, Rejected)):
                api.fault("list", "pods", Refuse(code, retry_after=7))
                with pytest.raises(kind) as caught:
                    await transport.list_page(PODS, {})
                assert caught.value.status.code == code
                assert caught.value.retry_after_s == 7
            api.fault("list", "pods", Refuse(401), Refuse(401))
            with pytest.raises(Unauthorized):
                await transport.list_page(PODS, {})
            api.fault("list", "pods", Refuse(503, body=b"<html>" + b"x" * 100_000))
            with pytest.raises(ClusterError, match="list pods: 503 Service Unavailable$"):
                await transport.list_page(PODS, {})
            api.put("pods", pod("a"))
            with pytest.raises(PageTooLarge, match="50 bytes"):
                await transport.list_page(PODS, {})
            await api.stop()
            with pytest.raises(Unreachable, match="list pods: ClientConnectorError"):
                await transport.list_page(PODS, {})
            await transport.close()

    run(main())


def test_retry_after_is_bounded(tmp_path: Path) -> None:
    """A day, a date or nonsense in Retry-After does not freeze a source."""

    async def main() -> None:
        async with FakeApi() as api:
            transport = KubeTransport(Kubeconfig(kubeconfig(tmp_path, api.url)))
            api.fault("list", "pods", Refuse(429, retry_after=86400), Refuse(429, retry_after=-5))
            for seconds in (120.0, 0.0):
                with pytest.raises(ApiFailure) as caught:
                    await transport.list_page(PODS, {})
                assert caught.value.retry_after_s == seconds
            await transport.close()

    run(main())


def test_service_account_token_is_stripped_and_read_again(tmp_path: Path) -> None:
    """The mounted token: its newline does not reach the header, and it is read again after a minute or on renew."""
    (tmp_path / "token").write_text("one\n")
    (tmp_path / "ca.crt").write_text("not looked at here")
    now = 0.0
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    account = ServiceAccount(tmp_path, environment, clock=lambda: now)

    async def header() -> str:
        settings = await account.configuration.auth_settings()
        return str(settings["BearerToken"]["value"])

    asyncio.run(account.renew())
    assert account.configuration.host == "https://[fd00::1]:443"
    assert asyncio.run(header()) == "Bearer one"
    (tmp_path / "token").write_text("two\n")
    assert asyncio.run(header()) == "Bearer one"
    now = 61.0
    assert asyncio.run(header()) == "Bearer two"
    (tmp_path / "token").write_text("three\n")
    asyncio.run(account.renew())
    assert asyncio.run(header()) == "Bearer three"


@pytest.mark.parametrize(("named", "expected"), [({"namespace": "elsewhere"}, "elsewhere"), ({}, "fastfit")])
def test_our_namespace_from_a_kubeconfig(tmp_path: Path, named: dict[str, str], expected: str) -> None:
    """That of the current context; where it names none, that of deploy/. No request is made for it."""

    async def main() -> None:
        async with FakeApi() as api:
            path = Path(kubeconfig(tmp_path, api.url))
            config = json.loads(path.read_text())
            config["contexts"][0]["context"].update(named)
            path.write_text(json.dumps(config))
            transport = KubeTransport(Kubeconfig(str(path)))
            assert await transport.namespace() == expected
            assert api.requests == []
            await transport.close()

    run(main())


@pytest.mark.parametrize(("content", "expected"), [(b"mine\n", "mine"), (None, "fastfit"), (b"\xff", "fastfit")])
def test_our_namespace_in_a_pod(tmp_path: Path, content: bytes | None, expected: str) -> None:
    """The file beside the token; without it, that of deploy/."""
    (tmp_path / "token").write_text("one")
    (tmp_path / "ca.crt").write_text("not looked at here")
    if content is not None:
        (tmp_path / "namespace").write_bytes(content)
    environment = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "80"}
    account = ServiceAccount(tmp_path, environment)
    asyncio.run(account.renew())
    assert (account.namespace or names.NAMESPACE) == expected


def test_credentials_that_cannot_be_used_name_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file, no kubeconfig in the file, no service account: each says what to do."""
    texts = []
    broken = tmp_path / "broken"
    for content in ("", "[1, 2]", "a: {", "current-context: x\ncontexts: []\nclusters: []\nusers: []\n"):
        broken.write_text(content)
        with pytest.raises(ClusterError, match="kubectl --kubeconfig") as caught:
            asyncio.run(Kubeconfig(str(broken)).renew())
        texts.append(str(caught.value))
    with pytest.raises(ClusterError, match="does not exist; name one with --kubeconfig"):
        asyncio.run(Kubeconfig(str(tmp_path / "none")).renew())
    with pytest.raises(ClusterError, match="outside a pod name a kubeconfig"):
        asyncio.run(ServiceAccount(tmp_path, {}).renew())
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert isinstance(find(None), ServiceAccount)
    assert isinstance(find("x"), Kubeconfig)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    assert isinstance(find(None), Kubeconfig)


def test_changed_certificate_on_disk_builds_a_new_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that is not accepted is read again: a changed file means a new client, the same file does not."""
    authority = tmp_path / "ca.crt"
    authority.write_text("old")
    built = []

    class Client:
        def __init__(self, configuration: object) -> None:
            built.append(authority.read_text())

        async def call_api(self, *_: object, **__: object) -> object:
            key = ConnectionKey("api", 443, True, True, None, None, None, None)
            raise aiohttp.ClientConnectorCertificateError(key, ssl.SSLCertVerificationError("unknown authority"))

        async def close(self) -> None:
            pass

    class Mounted:
        def __init__(self) -> None:
            self.configuration = ServiceAccount(tmp_path, {}).configuration
            self.configuration.ssl_ca_cert = str(authority)

        async def renew(self) -> None:
            pass

    async def main() -> None:
        monkeypatch.setattr("extender.kubeapi.transport._new_client", Client)
        transport = KubeTransport(Mounted())
        for content in ("old", "new"):
            authority.write_text(content)
            with pytest.raises(Unreachable, match="list pods"):
                await transport.list_page(PODS, {})
        assert built == ["old", "new"]

    run(main())


def test_rights_used_are_list_and_watch() -> None:
    """With the list on the watch and with pages, the verbs are watch and list on the six kinds, and no others."""

    async def main(*, watch_list: bool) -> set[tuple[str, str, str]]:
        api = FakeApi(watch_list=watch_list)
        async with watching(api, needs={}) as stage:
            await stage.until(lambda: stage.watcher.ready)
            return api.rights_used()

    kinds = {(kind.resource.group, kind.resource.plural) for kind in KINDS.values()}
    watches = {("watch", *kind) for kind in kinds}
    assert run(main(watch_list=True)) == watches
    assert run(main(watch_list=False)) == watches | {("list", *kind) for kind in kinds}
