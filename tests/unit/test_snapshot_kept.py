"""What a snapshot keeps: the fields that are read, and nothing that merely was not thought of as a secret."""

import os
import threading
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from extender import names
from extender.errors import SnapshotError
from extender.sample.generate import CLUSTER
from extender.snapshot import read, redact, write
from extender.snapshot.allowed import KNOWN_ANNOTATIONS

FIELD = Path(__file__).parents[1] / "field"

SECRET = "s3cret"
CONTAINER = {
    "name": "compute",
    "image": SECRET,
    "env": [{"name": "A", "value": SECRET}],
    "envFrom": [{"secretRef": {"name": SECRET}}],
    "command": [SECRET],
    "args": [SECRET],
    "livenessProbe": {"exec": {"command": [SECRET]}},
    "readinessProbe": {"httpGet": {"path": "/", "httpHeaders": [{"name": "Authorization", "value": SECRET}]}},
    "lifecycle": {"preStop": {"exec": {"command": [SECRET]}}},
    "volumeMounts": [{"name": "x", "mountPath": SECRET}],
    "resources": {"requests": {"cpu": "4"}, "claims": [{"name": SECRET}]},
}
ANNOTATIONS = {
    "kubectl.kubernetes.io/last-applied-configuration": SECRET,
    "kubevirt.io/ignitiondata": SECRET,
    "hooks.kubevirt.io/hookSidecars": SECRET,
    "example.com/token": SECRET,
    names.MIGRATION_ANNOTATION: "strict",
}
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "n", "annotations": ANNOTATIONS, "managedFields": [{"x": SECRET}]},
    "spec": {
        "nodeName": "a",
        "containers": [CONTAINER],
        "initContainers": [CONTAINER],
        "ephemeralContainers": [CONTAINER],
        "volumes": [{"name": "ci", "cloudInitNoCloud": {"userData": SECRET}}],
        "imagePullSecrets": [{"name": SECRET}],
    },
    "status": {"phase": "Running", "podIP": SECRET, "containerStatuses": [{"name": "compute", "image": SECRET}]},
}
VMI: dict[str, Any] = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachineInstance",
    "metadata": {"name": "vm", "namespace": "n", "annotations": ANNOTATIONS},
    "spec": {
        "domain": {
            "cpu": {"sockets": 2, "numa": {"guestMappingPassthrough": {"x": SECRET}}},
            "firmware": {"kernelBoot": {"kernelArgs": SECRET}, "serial": SECRET},
            "launchSecurity": {"sev": {"session": SECRET, "dhCert": SECRET}},
            "chassis": {"asset": SECRET},
            "devices": {"interfaces": [{"name": "net", "macAddress": SECRET, "sriov": {"x": SECRET}}]},
        },
        "readinessProbe": {"exec": {"command": [SECRET]}},
        "accessCredentials": [{"sshPublicKey": {"source": SECRET}}],
        "volumes": [
            {"name": "a", "cloudInitConfigDrive": {"userDataBase64": SECRET, "networkData": SECRET}},
            {"name": "b", "sysprep": {"configMap": {"name": SECRET}}},
            {"name": "c", "hostDisk": {"path": SECRET, "shared": True}},
        ],
    },
    "status": {"nodeName": "a", "guestOSInfo": {"name": SECRET}, "interfaces": [{"ipAddress": SECRET}]},
}
KUBEVIRT: dict[str, Any] = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "KubeVirt",
    "metadata": {"name": "kubevirt", "namespace": "kubevirt"},
    "spec": {
        "imageRegistry": SECRET,
        "configuration": {"smbios": {"sku": SECRET}, "developerConfiguration": {"featureGates": ["NUMA"]}},
    },
}
NODE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "a", "labels": {"l": "v"}, "annotations": {names.KUBELET_ANNOTATION: "{}", "csi": SECRET}},
    "spec": {"podCIDR": SECRET, "providerID": SECRET},
    "status": {"images": [{"names": [SECRET]}], "addresses": [{"address": SECRET}], "capacity": {"cpu": "8"}},
}
OTHER = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "data": {"a": SECRET}}


@pytest.mark.parametrize("obj", [POD, VMI, KUBEVIRT, NODE, OTHER], ids=lambda obj: obj["kind"])
def test_what_is_not_read_is_not_written(obj: dict[str, Any]) -> None:
    """No field that the extender does not read, whatever its name; the object itself is left alone."""
    before = orjson.dumps(obj)
    assert SECRET.encode() not in orjson.dumps(redact(obj))
    assert orjson.dumps(obj) == before


def test_what_is_read_stays() -> None:
    """Amounts, where things run, what marks a VM by being there, and the annotations that are known."""
    pod, vmi, node = redact(POD), redact(VMI), redact(NODE)
    assert pod["spec"]["containers"] == [{"name": "compute", "resources": {"requests": {"cpu": "4"}}}]
    assert pod["metadata"]["annotations"] == {names.MIGRATION_ANNOTATION: "strict"}
    assert vmi["spec"]["domain"]["cpu"] == {"sockets": 2, "numa": {"guestMappingPassthrough": {}}}
    assert vmi["spec"]["domain"]["launchSecurity"] == {"sev": {}}
    assert vmi["spec"]["volumes"][2] == {"name": "c", "hostDisk": {"shared": True}}
    assert node["metadata"] == {"name": "a", "labels": {"l": "v"}, "annotations": {names.KUBELET_ANNOTATION: "{}"}}
    assert redact(KUBEVIRT)["spec"] == {"configuration": {"developerConfiguration": {"featureGates": ["NUMA"]}}}


def _files() -> list[Path]:
    return [CLUSTER, *sorted(path for path in FIELD.rglob("*.json") if b'"items"' in path.read_bytes())]


@pytest.mark.parametrize("path", _files(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_snapshot_reads_as_the_cluster(path: Path, tmp_path: Path) -> None:
    """Every record of a file is the same after it was written as a snapshot: nothing that is read is left out."""
    try:
        before = read(path)
    except SnapshotError:
        pytest.skip("not a file of API objects")
    items = orjson.loads(path.read_bytes())["items"]
    write(tmp_path / "s.json", items, dict(before.extender))
    after = read(tmp_path / "s.json")
    assert after.records.keys() == before.records.keys()
    for source, records in before.records.items():
        assert [_read(record) for record in after.records[source]] == [_read(record) for record in records]


#: What counts by being there.
MARKS = {"guestMappingPassthrough", "sriov", "sev", "snp", "tdx", "receive", "sendTo", "fieldsV1"}


def _read(value: Any, key: str = "") -> Any:
    """A record as the extender uses it: of annotations the known ones, of marks that they are there."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value)
    if isinstance(value, dict):
        if key in MARKS:
            return {}
        kept = value.keys() & KNOWN_ANNOTATIONS if key == "annotations" else value.keys()
        return {inner: _read(value[inner], inner) for inner in sorted(kept)}
    return [_read(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "odd",
    [
        {"metadata": None},
        {"spec": 3},
        {"spec": {"containers": [7, None, [1]], "volumes": "x"}},
        {"spec": [1], "status": []},
    ],
)
@pytest.mark.parametrize("kind", ["Pod", "Node", "VirtualMachineInstance", "NodeResourceTopology", None, 7, "Other"])
def test_odd_objects_are_written_too(kind: Any, odd: dict[str, Any]) -> None:
    """Nothing is raised; what is wrong stays wrong, where it holds no text."""
    result = redact({"kind": kind, **odd})
    orjson.dumps(result)
    if kind == "Pod" and "spec" in odd and odd["spec"] == 3:
        assert result["spec"] == 3


def test_a_device_is_written_into(tmp_path: Path) -> None:
    """It stays what it is; a FIFO passes everything on."""
    assert write("/dev/null", [NODE], {}) == 1
    assert not Path("/dev/null").is_file()
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    passed: list[bytes] = []
    reader = threading.Thread(target=lambda: passed.append(fifo.read_bytes()))
    reader.start()
    write(fifo, [NODE], {})
    reader.join()
    assert orjson.loads(passed[0])["items"][0]["metadata"]["name"] == "a"
    assert fifo.is_fifo()
    assert list(tmp_path.iterdir()) == [fifo]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """The file that it names is replaced."""
    target, link = tmp_path / "there" / "s.json", tmp_path / "link"
    target.parent.mkdir()
    link.symlink_to(target)
    write(link, [NODE], {})
    write(link, [NODE, NODE], {})
    assert link.is_symlink()
    assert len(orjson.loads(target.read_bytes())["items"]) == 2


def test_a_full_device_is_named() -> None:
    """One sentence with the cause."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    with pytest.raises(SnapshotError, match="/dev/full: cannot be written .*No space left"):
        write("/dev/full", [NODE], {})
