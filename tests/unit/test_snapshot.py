"""The snapshot file: what is written comes back, what kubectl prints is read, and every fault is named."""

import io
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from extender import names
from extender.api.objects import NodeResourceTopology
from extender.cache.events import Record, Source
from extender.errors import SnapshotError
from extender.snapshot import Snapshot, read, read_pod, write

NODE: dict[str, Any] = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "u1"}}
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p1", "namespace": "vms", "uid": "u2", "creationTimestamp": "2026-09-01T08:00:00Z"},
    "spec": {"containers": [{"name": "compute", "resources": {"requests": {"cpu": 9}}}]},
}
REPORT: dict[str, Any] = {
    "apiVersion": "topology.node.k8s.io/v1alpha2",
    "kind": "NodeResourceTopology",
    "metadata": {"name": "n1"},
    "zones": [{"name": "node-0", "type": "Node"}],
}
VMI: dict[str, Any] = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": {"name": "vm"}}
VMIM: dict[str, Any] = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachineInstanceMigration",
    "metadata": {"name": "m"},
}
KUBEVIRT: dict[str, Any] = {"apiVersion": "kubevirt.io/v1", "kind": "KubeVirt", "metadata": {"name": "kv"}}
ALL = [NODE, POD, REPORT, VMI, VMIM, KUBEVIRT]


def _names(snapshot: Snapshot) -> dict[Source, list[str]]:
    return {source: [record.metadata.name for record in records] for source, records in snapshot.records.items()}


EVERYTHING = {
    Source.NODES: ["n1"],
    Source.PODS: ["p1"],
    Source.NRTS: ["n1"],
    Source.VMIS: ["vm"],
    Source.MIGRATIONS: ["m"],
    Source.KUBEVIRTS: ["kv"],
}


def _file(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "cluster.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """All six kinds and our own object survive; the file is private and no temporary file stays."""
    path = tmp_path / "s.json"
    assert write(path, ALL, {"version": "0.1.0"}) == 6
    snapshot = read(path)
    assert _names(snapshot) == EVERYTHING
    assert snapshot.extender == {"version": "0.1.0"}
    assert path.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [path]


def test_writing_leaves_the_old_file_when_an_object_cannot_be_written(tmp_path: Path) -> None:
    """The file appears whole or not at all."""
    path = _file(tmp_path, "old")
    with pytest.raises(TypeError):
        write(path, [NODE, {"kind": "Node", "metadata": {"name": object()}}], {})
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A missing directory gives an error with the path and a remedy."""
    with pytest.raises(SnapshotError, match="no/such/s.json: cannot be written .*-o"):
        write(tmp_path / "no/such/s.json", ALL, {})


@pytest.mark.parametrize(
    "content",
    [
        orjson.dumps({"apiVersion": "v1", "kind": "List", "items": ALL}).decode(),
        yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": ALL}),
        yaml.safe_dump_all(ALL),
        "\n---\n" + yaml.safe_dump_all([{"apiVersion": "v1", "kind": "List", "items": ALL[:2]}, *ALL[2:]]) + "---\n",
    ],
    ids=["json", "yaml", "documents", "mixed"],
)
def test_what_kubectl_prints_is_read(tmp_path: Path, content: str) -> None:
    """`kubectl get -o json`, the same as YAML, and a file of documents all give the same records."""
    assert _names(read(_file(tmp_path, content))) == EVERYTHING


def test_a_typed_list_gives_its_items_a_kind(tmp_path: Path) -> None:
    """Items of a PodList, as `kubectl get --raw` prints it, do not repeat apiVersion and kind."""
    item = {key: value for key, value in POD.items() if key not in ("apiVersion", "kind")}
    snapshot = read(_file(tmp_path, orjson.dumps({"apiVersion": "v1", "kind": "PodList", "items": [item]})))
    assert [pod.metadata.name for pod in snapshot.pods()] == ["p1"]


def test_a_timestamp_in_yaml_stays_a_text(tmp_path: Path) -> None:
    """YAML would read an unquoted RFC 3339 time as a date; Kubernetes does not."""
    pod = read_pod(
        _file(tmp_path, "kind: Pod\napiVersion: v1\nmetadata: {name: p, creationTimestamp: 2026-09-01T08:00:00Z}")
    )
    assert pod.metadata.creation_timestamp == "2026-09-01T08:00:00Z"


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """`kubectl get ... | fastfit explain --snapshot -` works."""
    stdin = io.TextIOWrapper(io.BytesIO(orjson.dumps({"apiVersion": "v1", "kind": "List", "items": ALL})))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert _names(read("-")) == EVERYTHING


def test_kinds_that_are_not_used_are_counted(tmp_path: Path) -> None:
    """Other objects in the file do no harm, and it is known that they were there."""
    other = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}}
    foreign = {"apiVersion": "example.com/v1", "kind": "Node", "metadata": {"name": "not-a-node"}}
    snapshot = read(
        _file(tmp_path, orjson.dumps({"apiVersion": "v1", "kind": "List", "items": [other, foreign, NODE]}))
    )
    assert snapshot.skipped == {"Deployment": 1, "Node": 1}
    assert len(snapshot.records[Source.NODES]) == 1


class _Sink:
    def __init__(self) -> None:
        self.seen: list[tuple[str, Source, int]] = []

    def put(self, source: Source, record: Record) -> None:
        raise AssertionError("a snapshot is handed over whole")

    def delete(self, source: Source, record: Record) -> None:
        raise AssertionError("a snapshot is handed over whole")

    def replace(self, source: Source, records: Any) -> None:
        self.seen.append(("replace", source, len(list(records))))

    def absent(self, source: Source) -> None:
        self.seen.append(("absent", source, 0))


def test_a_snapshot_feeds_a_sink_as_a_first_sync_does(tmp_path: Path) -> None:
    """Every kind is replaced, nodes first; kinds that the cluster did not serve are absent, not empty."""
    path = tmp_path / "s.json"
    write(path, [NODE, POD], {"absent": ["virtualmachineinstances"]})
    sink = _Sink()
    read(path).feed(sink)
    assert sink.seen == [
        ("replace", Source.NODES, 1),
        ("replace", Source.PODS, 1),
        ("replace", Source.NRTS, 0),
        ("absent", Source.VMIS, 0),
        ("replace", Source.MIGRATIONS, 0),
        ("replace", Source.KUBEVIRTS, 0),
    ]


def _list(*items: Any) -> bytes:
    return orjson.dumps({"apiVersion": "v1", "kind": "List", "items": list(items)})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; make a snapshot with"),
        (b"{", "truncated"),
        (b"[]", "expected `object`, got `array`; expected a list of API objects"),
        (b"\xff\xff", "neither JSON nor YAML"),
        (b"---\n---\n", "is empty"),
        (b"a: [", "neither JSON nor YAML"),
        (b"just text", "expected `object`"),
        (b"{}", r"\$\.kind is missing"),
        (b'{"kind":"List","apiVersion":"v1"}', r"\$\.items is missing"),
        (b'{"kind":"List","items":{}}', r"\$\.items: expected `array"),
        (_list({"kind": 7}), r"items\[0\]: \$\.kind: expected `str`, got `int`"),
        (_list(NODE, {"metadata": {"name": "x"}}), r"items\[1\]: \$\.kind is missing"),
        (_list(NODE, {**NODE, "metadata": {}}), r"items\[1\] \(Node \?\): \$\.metadata\.name is missing"),
        (
            _list({**POD, "spec": {"containers": [{"name": 5}]}}),
            r"items\[0\] \(Pod vms/p1\): \$\.spec\.containers\[0\]\.name: expected `str`, got `int`",
        ),
        (
            orjson.dumps({"apiVersion": "fastfit.dev/v9", "kind": names.SNAPSHOT_KIND, "items": []}),
            "'fastfit.dev/v9' of this snapshot is not 'fastfit.dev/v1alpha1'; read it with",
        ),
        (
            orjson.dumps(
                {
                    "apiVersion": names.API_VERSION,
                    "kind": names.SNAPSHOT_KIND,
                    "items": [],
                    "extender": {"absent": ["x"]},
                }
            ),
            r"\$\.extender\.absent: .*known kinds: nodes, pods",
        ),
        (
            orjson.dumps({"apiVersion": names.API_VERSION, "kind": names.SNAPSHOT_KIND, "items": [], "extender": []}),
            r"\$\.extender: expected",
        ),
    ],
)
def test_a_bad_file_is_named_with_item_and_path(tmp_path: Path, content: bytes, message: str) -> None:
    """Every fault says the file, the item and the path, and never escapes as another exception."""
    path = _file(tmp_path, content)
    with pytest.raises(SnapshotError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The operating system's reason is part of the error."""
    with pytest.raises(SnapshotError, match="absent.json: cannot be read .No such file"):
        read(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([], r"holds no Pod \(found: nothing that is a Pod\); save the virt-launcher pod"),
        ([{"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine"}], r"holds no Pod \(found: VirtualMachine\)"),
        ([POD, POD], "holds 2 pods; give a file with one"),
    ],
)
def test_a_manifest_must_hold_one_pod(tmp_path: Path, items: list[Any], message: str) -> None:
    """A VM object, or several pods, are refused with what to do instead."""
    with pytest.raises(SnapshotError, match=message):
        read_pod(_file(tmp_path, _list(*items)))


@pytest.mark.parametrize(("cpus", "problem"), [("14", ""), ("2", "are both the report of this node, and differ")])
def test_two_reports_of_one_node(tmp_path: Path, cpus: str, problem: str) -> None:
    """A file that was put together may have one twice; where they differ, neither is believed."""
    cpu = {"name": "cpu", "capacity": "16", "allocatable": "14", "available": "14"}
    report = {
        "apiVersion": "topology.node.k8s.io/v1alpha2",
        "kind": "NodeResourceTopology",
        "metadata": {"name": "n"},
        "zones": [{"name": "node-0", "type": "Node", "resources": [cpu]}],
    }
    again = orjson.loads(orjson.dumps(report))
    again["zones"][0]["resources"][0]["available"] = cpus
    path = tmp_path / "twice.json"
    path.write_bytes(orjson.dumps({"apiVersion": "v1", "kind": "List", "items": [report, again]}))
    (found,) = read(path).records[Source.NRTS]
    assert isinstance(found, NodeResourceTopology)
    assert problem in found.unreadable
    assert bool(found.unreadable) is bool(problem)
