"""kill -9 of a real kube-apiserver under the service, in the middle of bindings, and a new token when it returns."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from extender import names
from extender.kubeapi.backoff import Backoff
from extender.watch.kinds import KINDS
from extender.watch.status import State
from tests.faults.beside import Beside, beside
from tests.faults.cluster_objects import Object, node, vm
from tests.faults.conftest import ROTATED
from tests.kit.cluster.control_plane import ControlPlane
from tests.kit.cluster.pki import write_kubeconfig
from tests.kit.cluster.processes import wait_for

NODES = ["killed-0", "killed-1", "killed-2"]
#: Five VMs of 5 CPUs fit a node.
VMS = 5 * len(NODES)


class Tenant:
    """Makes, binds and ends VMs, as KubeVirt and kube-scheduler do."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.namespace = plane.namespace("killed")
        self.path = f"/api/v1/namespaces/{self.namespace}/pods"
        self.bound: list[tuple[str, str]] = []

    def pod(self, number: int) -> Object:
        """A pod that waits; the API server gives it its UID."""
        made = vm(f"vm-{number:02}", number)
        for field in ("uid", "creationTimestamp", "ownerReferences"):
            del made["metadata"][field]
        containers = [{**each, "image": "none"} for each in made["spec"]["containers"]]
        spec = {"schedulerName": "nobody", "restartPolicy": "Never", "containers": containers}
        metadata = {"name": made["metadata"]["name"], "namespace": self.namespace}
        metadata["labels"] = {names.LAUNCHER_LABEL: names.LAUNCHER_VALUE}
        return self.plane.api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

    def bind(self, pod: Object, home: str) -> None:
        """What kube-scheduler writes."""
        name = pod["metadata"]["name"]
        target = {"apiVersion": "v1", "kind": "Node", "name": home}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
        self.plane.request("POST", f"{self.path}/{name}/binding", binding)
        self.bound.append((name, home))

    def end_newest(self, home: str) -> None:
        """The last VM that came to a node is deleted."""
        name = next(name for name, at in reversed(self.bound) if at == home)
        self.plane.api.delete(f"{self.path}/{name}", grace=0)
        self.bound.remove((name, home))


@pytest.fixture
def tenant(control_plane: ControlPlane) -> Iterator[Tenant]:
    """Three empty nodes, and a namespace; all gone at the end."""
    for name in NODES:
        control_plane.api.create({"apiVersion": "v1", "kind": "Node", **without_status(node(name))})
    tenant = Tenant(control_plane)
    yield tenant
    for pod in control_plane.api.items(tenant.path):
        control_plane.api.delete(f"{tenant.path}/{pod['metadata']['name']}", grace=0)
    for name in NODES:
        control_plane.api.delete(f"/api/v1/nodes/{name}")


def without_status(made: Object) -> Object:
    """A Node as one may create it; its status is kept, for the kubelet's version stands there."""
    metadata = {key: value for key, value in made["metadata"].items() if key in ("name", "labels", "annotations")}
    return {"metadata": metadata, "status": made["status"]}


@contextmanager
def down(plane: ControlPlane) -> Iterator[None]:
    """Without an API server."""
    plane.stop_api_server()
    yield
    plane.start_api_server()


def test_killed_among_bindings_nothing_is_lost_or_charged_twice(
    control_plane: ControlPlane, tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bindings fail half-way, VMs end and come before we are connected again, our token has changed: one truth after all."""
    monkeypatch.setattr(Backoff, "CAP_S", 2.0)
    token = tmp_path / "token"
    token.write_text(control_plane.token[ROTATED])
    authority = control_plane.authority.certificate
    kubeconfig = write_kubeconfig(tmp_path / "config", control_plane.server, authority, {"tokenFile": str(token)})
    pods = [tenant.pod(number) for number in range(VMS + 3)]
    with ExitStack() as stack:
        it = stack.enter_context(beside(kubeconfig))
        wait_for(lambda: not it.not_ready(), "the service to be ready")
        for pod in pods[:6]:
            tenant.bind(pod, place(it, pod))
        it.recovered(control_plane.api)
        with down(control_plane):
            wait_for(lambda: it.states() == {State.STALE}, "every source to say that it is stale")
            assert len(it.errors()) == len(KINDS)
            assert it.not_ready() == []
            promised = [(pod, place(it, pod)) for pod in pods[6:9]]
            late = stack.enter_context(beside(kubeconfig))
            wait_for(lambda: len(late.errors()) == len(KINDS), "the late one to have failed")
            assert len(late.not_ready()) == len(KINDS)
            assert late.states() == {State.EMPTY}
            assert late.call(pods[9], NODES) == ("not_ready", "")
            rotate(control_plane)
        for pod, home in promised:
            tenant.bind(pod, home)
        wait_for(lambda: all("401" in error for error in (*it.errors(), *late.errors())), "both to be refused")
        assert it.states() == {State.STALE}
        assert late.not_ready()
        tenant.end_newest(NODES[0])
        control_plane.api.patch(f"/api/v1/nodes/{NODES[1]}", {"metadata": {"annotations": {"example.com/a": "b"}}})
        token.write_text(control_plane.token[ROTATED])
        it.recovered(control_plane.api)
        late.recovered(control_plane.api)
        for pod in pods[9:]:
            if home := it.call(pod, NODES)[1]:
                tenant.bind(pod, home)
        assert len(tenant.bound) == VMS, "every place is used, and none of them twice"
        it.recovered(control_plane.api)
        late.recovered(control_plane.api)
        assert it.call(vm("one-more", 99), NODES) == ("ok", "")


def place(it: Beside, pod: Object) -> str:
    """Where the VM is to go."""
    outcome, home = it.call(pod, NODES)
    assert outcome == "ok"
    assert home
    return home


def rotate(plane: ControlPlane) -> None:
    """From its next start on the API server knows another token of the user."""
    file, old, new = plane.home / "tokens.csv", plane.token[ROTATED], "the-new-token"
    file.write_text(file.read_text().replace(f"{old},", f"{new},"))
    plane.token[ROTATED] = new
