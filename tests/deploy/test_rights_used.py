"""The running extender uses its role to the last verb: what it asked for is read from the API server's audit log."""

import contextlib
import json
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from extender.cache.vms.layout_entry import SHARDS
from extender.kubevirt.migration.cells_annotation import cells_text
from extender.names import CELLS_ANNOTATION
from tests.deploy.manifests import DEPLOY, Object, config_map, container, flags, named, pod_spec, render
from tests.deploy.test_rights import granted
from tests.kit.cluster.api import ApiError
from tests.kit.cluster.control_plane import ControlPlane
from tests.kit.cluster.processes import Process, free_ports, wait_for
from tests.kit.objects import GI, KUBELET_A, machine, node, pod, vmi

#: The form in which the account has the extender's role and no other.
FORM = "overlays/default-scheduler"
ACCOUNT = "system:serviceaccount:fastfit:fastfit"


@pytest.fixture(scope="module")
def used(cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, list[Object]]:
    """The audit events of a run with WatchList (True) and of one without it (False)."""
    events = {True: _events(cluster, tmp_path_factory.mktemp("with"))}
    with ControlPlane(feature_gates={"WatchList": False}) as plain:
        events[False] = _events(plain, tmp_path_factory.mktemp("without"))
    return events


def test_role_is_what_is_used(used: dict[bool, list[Object]]) -> None:
    """Over both runs the (group, resource, verb) asked for are those granted, none more and none less."""
    assert {one[:3] for one in _asked(used) if one[1] != "configmaps"} == granted(
        named(render(FORM), "ClusterRole", "fastfit-extender")
    )


@pytest.mark.parametrize("watch_list", [True, False])
def test_role_of_the_records_is_what_is_used(used: dict[bool, list[Object]], watch_list: bool) -> None:
    """In each run every ConfigMap that the Role names is read and patched, in our namespace, and no other one."""
    (rule,) = named(render(FORM), "Role", "fastfit-layouts")["rules"]
    assert {one for one in _asked({watch_list: used[watch_list]}) if one[1] == "configmaps"} == {
        ("", "configmaps", verb, "fastfit", name) for verb in rule["verbs"] for name in rule["resourceNames"]
    }


def test_other_objects_of_our_namespace_are_out_of_reach(cluster: ControlPlane) -> None:
    """The settings beside the records, a record that is none, secrets: the account may neither read nor change them."""
    cluster.kubectl("apply", "-k", str(DEPLOY / FORM))
    for verb in ("get", "patch", "update", "delete", "create", "list", "watch"):
        for name in (
            "configmap/fastfit-config",
            "configmap/fastfit-layouts-10",
            "configmap",
            "secret",
            "virtualmachine",
        ):
            done = cluster.kubectl("auth", "can-i", verb, name, "-n", "fastfit", f"--as={ACCOUNT}", check=False)
            assert done.stdout.strip() == "no", (verb, name)
        wanted = "yes" if verb in {"get", "patch"} else "no"
        done = cluster.kubectl(
            "auth", "can-i", verb, f"configmap/{SHARDS[0]}", "-n", "fastfit", f"--as={ACCOUNT}", check=False
        )
        assert done.stdout.strip() == wanted, verb


def _asked(used: dict[bool, list[Object]]) -> set[tuple[str, str, str, str, str]]:
    """(group, resource, verb, namespace, name) of every request; the last two are empty where it is for all objects."""
    return {
        (ref.get("apiGroup", ""), ref["resource"], event["verb"], ref.get("namespace", ""), ref.get("name", ""))
        for events in used.values()
        for event in events
        if (ref := event.get("objectRef"))
    }


def test_nothing_else_is_asked(used: dict[bool, list[Object]]) -> None:
    """Every request is for an object kind, and none was refused."""
    for events in used.values():
        assert [e["requestURI"] for e in events if "objectRef" not in e] == []
        assert [e["requestURI"] for e in events if e["responseStatus"]["code"] == 403] == []


def test_lists_are_the_fallback(used: dict[bool, list[Object]]) -> None:
    """With WatchList no kind is listed; the first state comes by watch."""
    others = {run: [e for e in events if _resource(e) != "configmaps"] for run, events in used.items()}
    assert {e["verb"] for e in others[True]} == {"watch", "patch"}
    assert {e["verb"] for e in others[False]} == {"list", "watch", "patch"}


def _events(cluster: ControlPlane, directory: Path) -> list[Object]:
    cluster.kubectl("apply", "-k", str(DEPLOY / FORM))
    with _running(cluster, directory) as address:
        wait_for(lambda: _status(f"{address}/startupz") == 200, "the extender to have read the cluster")
        assert _status(f"{address}/readyz") == 200
        assert _status(f"{address}/livez") == 200
        # A fallback goes on to watch what it has listed.
        wait_for(lambda: len({_resource(e) for e in cluster.audit(ACCOUNT) if e["verb"] == "watch"}) == 6, "watches")
        _boot(cluster)
        _run_before_us(cluster)
        wait_for(lambda: all(_layouts(cluster, shard) for shard in SHARDS), "the VMs' layouts to be written", 90)
        wait_for(lambda: _patched(cluster) == {"virtualmachineinstances", "configmaps"}, "the audit log")
    return list(cluster.audit(ACCOUNT))


def _boot(cluster: ControlPlane) -> None:
    """A VM boots on a node whose machine is known; its VMI gets the one annotation, and nothing else changes."""
    namespace = cluster.namespace()
    host = json.loads(msgspec.json.encode(node("rights", {**KUBELET_A, "memoryManagerPolicy": "None"}, machine())))
    host["status"]["allocatable"]["devices.kubevirt.io/kvm"] = "1000"
    api = cluster.api
    api.create({"apiVersion": "v1", "kind": "Node", **host})
    instance = json.loads(msgspec.json.encode(vmi("vm")))
    instance["metadata"] = {"name": "vm", "namespace": namespace}
    made = wait_for(lambda: _created(cluster, instance), "a VM instance to be accepted")
    launcher = json.loads(msgspec.json.encode(pod("vm", sidecar=False)))
    launcher["metadata"] = {
        "name": "virt-launcher-vm",
        "namespace": namespace,
        "labels": {"kubevirt.io": "virt-launcher"},
        "ownerReferences": [
            {
                **launcher["metadata"]["ownerReferences"][0],
                "apiVersion": "kubevirt.io/v1",
                "uid": made["metadata"]["uid"],
            }
        ],
    }
    launcher["spec"] = {"nodeName": "rights", "containers": [{**launcher["spec"]["containers"][0], "image": "none"}]}
    created = api.create({"apiVersion": "v1", "kind": "Pod", **launcher, "status": {}})
    path = f"/api/v1/namespaces/{namespace}/pods/{created['metadata']['name']}/status"
    api.patch(path, {"status": {"phase": "Running", "startTime": "2026-01-01T00:00:01Z"}})
    where = f"/apis/kubevirt.io/v1/namespaces/{namespace}/virtualmachineinstances/vm"
    found = wait_for(lambda: _annotated(api.get(where)), "the annotation")
    assert found["metadata"]["annotations"] == {CELLS_ANNOTATION: '{"v":1,"cells":[[8,17179869184]]}'}
    assert found["spec"] == made["spec"]


def _run_before_us(cluster: ControlPlane) -> None:
    """Sixteen VMs that run, one for each record: their VMIs state their cells."""
    namespace = cluster.namespace()
    for number in range(16):
        instance = json.loads(msgspec.json.encode(vmi(f"vm-{number}")))
        owner = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": f"vm-{number}", "controller": True}
        instance["metadata"] = {
            "name": f"vm-{number}",
            "namespace": namespace,
            "annotations": {CELLS_ANNOTATION: cells_text(((4, 8 * GI), (4, 8 * GI)))},
            "ownerReferences": [{**owner, "uid": f"{number:x}{uuid.uuid4()}"[:8] + str(uuid.uuid4())[8:]}],
        }
        instance["status"] = {"nodeName": "elsewhere"}
        wait_for(lambda instance=instance: _created(cluster, instance), "a VM instance to be accepted")


def _layouts(cluster: ControlPlane, shard: str) -> Object:
    found: Object = cluster.api.get(f"/api/v1/namespaces/fastfit/configmaps/{shard}").get("data", {})
    return found


def _patched(cluster: ControlPlane) -> set[str]:
    return {_resource(event) for event in cluster.audit(ACCOUNT) if event["verb"] == "patch"}


def _annotated(found: Object) -> Object | None:
    return found if "annotations" in found["metadata"] else None


def _created(cluster: ControlPlane, instance: Object) -> Object | None:
    """The API server asks to come back while it has not yet read the schema of a new kind."""
    try:
        made: Object = cluster.api.create(
            {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", **instance}
        )
    except ApiError as error:
        if error.status != 503:
            raise
        return None
    return made


@contextlib.contextmanager
def _running(cluster: ControlPlane, directory: Path) -> Iterator[str]:
    """`fastfit serve` with the arguments and settings of the manifest, but for ports and kubeconfig."""
    objects = render(FORM)
    pod = pod_spec(objects)
    extender = container(pod, "extender")
    settings = directory / "config.yaml"
    settings.write_text(config_map(objects, pod, extender, flags(extender)["config"]))
    port, ops_port = free_ports(2)
    changed = {"config": settings, "bind": f"127.0.0.1:{port}", "ops-bind": f"127.0.0.1:{ops_port}"}
    assert flags(extender).keys() == changed.keys()
    command: list[str | Path] = [sys.executable, "-c", "from extender.cli import main; main()", extender["args"][0]]
    command += [f"--{name}={value}" for name, value in changed.items()]
    command += [f"--kubeconfig={cluster.service_account_kubeconfig('fastfit', 'fastfit')}"]
    process = Process("fastfit", command, directory / "fastfit.log")
    try:
        wait_for(lambda: _alive(process, f"http://127.0.0.1:{ops_port}"), "the operations port")
        yield f"http://127.0.0.1:{ops_port}"
    finally:
        process.stop()


def _alive(process: Process, address: str) -> bool:
    process.check()
    return _status(f"{address}/livez") == 200


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def _resource(event: Object) -> str:
    return str(event.get("objectRef", {}).get("resource"))
