"""With a stolen token of the extender: its own annotation and its own records, and nothing else, on a real API server."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from extender.cache.vms.layout_entry import SHARDS
from extender.names import CELLS_ANNOTATION
from tests.deploy.manifests import DEPLOY, Object, named, render
from tests.kit.cluster.api import PATCHES, ApiError
from tests.kit.cluster.control_plane import ControlPlane
from tests.kit.cluster.processes import wait_for

pytestmark = pytest.mark.slow

SHARD = SHARDS[0]
RECORD = "00000000-1d5c-4c43-9f0e-1b0f6a0c7a55"
#: The kinds of fields of a VMI that a token with `patch` alone could change.
VMI: Object = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachineInstance",
    "metadata": {
        "name": "vm",
        "labels": {"app": "db"},
        "annotations": {"kubevirt.io/note": "theirs"},
        "finalizers": ["kubevirt.io/foregroundDeleteVirtualMachine"],
        "ownerReferences": [
            {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": "vm", "uid": "u1", "controller": True}
        ],
    },
    "spec": {"domain": {"devices": {}, "cpu": {"sockets": 1}}},
    "status": {"phase": "Running", "nodeName": "node-1"},
}


RECORDS = f"/api/v1/namespaces/fastfit/configmaps/{SHARD}"


class Thief:
    """Whoever holds the token of the extender's account."""

    def __init__(self, cluster: ControlPlane, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace
        self.api = cluster.service_account_api("fastfit", "fastfit")
        self.path = f"/apis/kubevirt.io/v1/namespaces/{namespace}/virtualmachineinstances/vm"

    def refusal(self, method: str, path: str, body: Any = None, content: str = "application/json") -> str:
        """What the API server says against a request; empty: nothing."""
        try:
            self.api.request(method, path, body, content)
        except ApiError as error:
            return str(error)
        return ""

    def patch(self, body: Any, path: str = "", kind: str = "merge") -> str:
        """What it says against a patch, of the VMI where no path is given."""
        return self.refusal("PATCH", path or self.path, body, PATCHES[kind])

    def vmi(self) -> Object:
        """The VMI as it is now."""
        return self.cluster.api.get(self.path)


@pytest.fixture(scope="module", params=["base", "overlays/default-scheduler"])
def thief(cluster: ControlPlane, request: pytest.FixtureRequest) -> Iterator[Thief]:
    """The policies are in force, and a VM of somebody runs."""
    cluster.kubectl("apply", "-k", str(DEPLOY / request.param))
    namespace = cluster.namespace()

    def create() -> Object | None:
        try:
            return cluster.api.create({**VMI, "metadata": {**VMI["metadata"], "namespace": namespace}})
        except ApiError as error:
            if error.status != 503:
                raise
            return None

    wait_for(create, "a VM instance to be accepted")
    found = Thief(cluster, namespace)
    touch = {"metadata": {"labels": {"in-force": "no"}}}
    for path in (found.path, RECORDS):
        wait_for(lambda path=path: "fastfit may not" in found.patch(touch, f"{path}?dryRun=All"), "the policies")
    yield found
    found.api.close()


def test_our_annotation_passes(thief: Thief) -> None:
    """It is written, changed and taken away; nothing else of the VMI is touched."""
    before = thief.vmi()
    for value in ('{"v":1,"cells":[[8,1]]}', '{"v":1,"cells":[[4,1]]}', None):
        body = {"metadata": {"uid": before["metadata"]["uid"], "annotations": {CELLS_ANNOTATION: value}}}
        assert thief.patch(body) == ""
        assert thief.vmi()["metadata"]["annotations"].get(CELLS_ANNOTATION) == value
    after = thief.vmi()
    assert (after["spec"], after["status"]) == (before["spec"], before["status"])
    assert after["metadata"]["labels"] == before["metadata"]["labels"]


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": {"labels": {"app": "mine"}}},
        {"metadata": {"labels": {"new": "label"}}},
        {"metadata": {"labels": None}},
        {"metadata": {"finalizers": []}},
        {"metadata": {"finalizers": ["a/b"]}},
        {"metadata": {"ownerReferences": []}},
        {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "u2"}]}},
        {"metadata": {"annotations": {"kubevirt.io/note": "mine"}}},
        {"metadata": {"annotations": {"kubevirt.io/note": None}}},
        {"metadata": {"annotations": {"fastfit.dev/migration": "strict"}}},
        {"metadata": {"annotations": {CELLS_ANNOTATION: "x", "new": "annotation"}}},
        {"spec": {"domain": {"cpu": {"sockets": 64}}}},
        {"spec": {"schedulerName": "mine"}},
        {"spec": None},
        {"status": {"phase": "Failed"}},
        {"status": {"nodeName": "mine"}},
        {"status": None},
        {"extra": {"a": 1}},
    ],
    ids=str,
)
def test_everything_else_of_a_vmi_is_refused(thief: Thief, body: Object) -> None:
    """Labels, finalizers, owners, annotations of others, spec and status: refused by our policy, and nothing changed."""
    before = thief.vmi()
    assert "fastfit may not" in thief.patch(body)
    # also beside an annotation of ours
    both = json.loads(json.dumps(body))
    both.setdefault("metadata", {}).setdefault("annotations", {})[CELLS_ANNOTATION] = "x"
    assert "fastfit may not" in thief.patch(both)
    assert thief.vmi() == before


def test_a_json_patch_is_refused_too(thief: Thief) -> None:
    """What counts is what the object becomes, not how it is asked for."""
    body = [{"op": "replace", "path": "/spec/domain/cpu/sockets", "value": 2}]
    assert "fastfit may not" in thief.patch(body, kind="json")


def test_of_our_records_data_alone_passes(thief: Thief) -> None:
    """An entry is written and removed; labels, finalizers and binaryData are refused."""
    for value in ("2026-11-25 4+4", None):
        assert thief.patch({"data": {RECORD: value}}, RECORDS) == ""
    for body in (
        {"metadata": {"labels": {"app": "mine"}}},
        {"metadata": {"labels": None}},
        {"metadata": {"annotations": {"a": "b"}}},
        {"metadata": {"finalizers": ["a/b"]}},
        {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "u2"}]}},
        {"binaryData": {"a": "AAAA"}},
        {"immutable": True},
    ):
        assert "fastfit may" in thief.patch(body, RECORDS), body


def test_wider_rights_do_not_open_more(thief: Thief) -> None:
    """If somebody grants the account everything, VMIs and ConfigMaps are still as closed; other accounts are not touched."""
    cluster = thief.cluster
    cluster.kubectl(
        *("create", "clusterrolebinding", "too-much", "--clusterrole=cluster-admin"),
        "--serviceaccount=fastfit:fastfit",
    )
    configmaps = "/api/v1/namespaces/fastfit/configmaps"
    new = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}}
    try:
        wait_for(lambda: thief.refusal("GET", configmaps) == "", "the rights")
        assert "fastfit-vmi-writes" in thief.refusal("DELETE", thief.path)
        assert "fastfit-vmi-writes" in thief.refusal("DELETE", thief.path.removesuffix("/vm"))
        assert "fastfit-configmap-writes" in thief.refusal("DELETE", RECORDS)
        assert "fastfit-configmap-writes" in thief.refusal("POST", configmaps, new)
        assert "fastfit may only" in thief.patch({"data": {"a": "b"}}, f"{configmaps}/fastfit-config")
        assert thief.vmi()["metadata"].get("deletionTimestamp") is None
    finally:
        cluster.kubectl("delete", "clusterrolebinding", "too-much")
    for label in ("yes", None):
        cluster.api.patch(thief.path, {"metadata": {"labels": {"administrator": label}}})


@pytest.mark.parametrize("name", ["fastfit-vmi-writes", "fastfit-configmap-writes"])
@pytest.mark.parametrize("directory", ["base", "overlays/emulation", "overlays/default-scheduler"])
def test_policies_fail_closed_and_name_our_account(directory: str, name: str) -> None:
    """Every form brings them, each bound to deny, for the account that the pods use."""
    objects = render(directory)
    policy = named(objects, "ValidatingAdmissionPolicy", name)["spec"]
    binding = named(objects, "ValidatingAdmissionPolicyBinding", name)["spec"]
    assert policy["failurePolicy"] == "Fail"
    assert binding == {"policyName": name, "validationActions": ["Deny"]}
    account = named(objects, "ServiceAccount", "fastfit")["metadata"]
    user = f"system:serviceaccount:{account['namespace']}:{account['name']}"
    assert [each["expression"] for each in policy["matchConditions"]] == [f'request.userInfo.username == "{user}"']
