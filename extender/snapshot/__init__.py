"""Snapshot files: the API objects of a cluster, and what the extender adds about itself.

    {"apiVersion": "fastfit.dev/v1alpha1", "kind": "FastfitSnapshot",
     "extender": {"version", "takenAt", "absent", ...},
     "items": [Node, Pod, NodeResourceTopology, VirtualMachineInstance, VirtualMachineInstanceMigration, KubeVirt, ...]}

`read` also takes what kubectl prints (`kubectl get nodes,pods,... -A -o json`, kind List), typed lists (PodList),
single objects, and all of these as YAML, also in several documents. Kinds that the extender does not use are skipped.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import orjson
import yaml

from extender import names
from extender.api.lenient import decode_object
from extender.api.objects import KubeVirt, ManagedFields, Migration, Node, NodeResourceTopology, Pod, Vmi
from extender.cache.events import Record, Sink, Source
from extender.cache.nodes.nrt_age import written_at
from extender.errors import SnapshotError
from extender.snapshot.aliases import too_many_aliases
from extender.snapshot.allowed import redact

__all__ = ["KUBECTL_GET", "Snapshot", "from_objects", "read", "read_pod", "redact", "type_of", "write"]

#: A command without fastfit whose output `read` takes.
KUBECTL_GET = "kubectl get nodes,pods,noderesourcetopologies,vmi,vmim,kubevirt -A -o json"

_EMPTY = f"is empty; make a snapshot with `fastfit snapshot -o FILE` or `{KUBECTL_GET}`"

#: (API group, kind) -> source and record type. Every version of the group is read.
_KINDS: dict[tuple[str, str], tuple[Source, type[Record]]] = {
    ("", "Node"): (Source.NODES, Node),
    ("", "Pod"): (Source.PODS, Pod),
    ("topology.node.k8s.io", "NodeResourceTopology"): (Source.NRTS, NodeResourceTopology),
    ("kubevirt.io", "VirtualMachineInstance"): (Source.VMIS, Vmi),
    ("kubevirt.io", "VirtualMachineInstanceMigration"): (Source.MIGRATIONS, Migration),
    ("kubevirt.io", "KubeVirt"): (Source.KUBEVIRTS, KubeVirt),
}
_DECODERS = {record: msgspec.json.Decoder(record) for _, record in _KINDS.values()}


class _Name(msgspec.Struct):
    name: str = ""
    namespace: str = ""


class _Head(msgspec.Struct, rename="camel"):
    api_version: str = ""
    kind: str = ""
    metadata: _Name = msgspec.field(default_factory=_Name)


class _File(_Head):
    items: list[msgspec.Raw] | None = None
    extender: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A cluster at one moment. `records` has a list, maybe empty, for every Source that the file covers."""

    records: Mapping[Source, list[Record]]
    #: what the extender adds; empty for files of kubectl
    extender: Mapping[str, Any] = field(default_factory=dict)
    #: number of objects by kind, for kinds that are not used
    skipped: Mapping[str, int] = field(default_factory=dict)
    #: fields that are not of their type, and what was made of them, each with file, item and path
    notes: Sequence[str] = ()

    def feed(self, sink: Sink) -> None:
        """Pass everything to `sink`, nodes first, as the first lists of the watches do."""
        for source in Source:
            if source in self.records:
                sink.replace(source, self.records[source])
            else:
                sink.absent(source)

    def moment(self) -> float | None:
        """What time it was, in seconds since the epoch: when the file was taken, else when its newest report was written."""
        taken = written_at([ManagedFields(time=str(self.extender.get("takenAt", "")))])
        if taken is not None:
            return taken
        nrts = [record for record in self.records.get(Source.NRTS, []) if isinstance(record, NodeResourceTopology)]
        times = [written_at(nrt.metadata.managed_fields or ()) for nrt in nrts]
        return max((time for time in times if time is not None), default=None)

    def pods(self) -> list[Pod]:
        """The pods, in the file's order."""
        return [record for record in self.records.get(Source.PODS, []) if isinstance(record, Pod)]

    def nodes(self) -> list[Node]:
        """The nodes, in the file's order."""
        return [record for record in self.records.get(Source.NODES, []) if isinstance(record, Node)]

    def vmi_nodes(self) -> dict[str, str]:
        """The node of each VMI by its UID; empty for one that runs nowhere yet."""
        vmis = (record for record in self.records.get(Source.VMIS, []) if isinstance(record, Vmi))
        return {vmi.metadata.uid: vmi.status.node_name for vmi in vmis}

    def ending_vmis(self) -> frozenset[str]:
        """UIDs of the VMIs that have ended or are being deleted."""
        vmis = (record for record in self.records.get(Source.VMIS, []) if isinstance(record, Vmi))
        return frozenset(
            vmi.metadata.uid
            for vmi in vmis
            if vmi.metadata.deletion_timestamp or vmi.status.phase in ("Succeeded", "Failed")
        )


def read(path: str | Path) -> Snapshot:
    """The snapshot in `path` ("-": standard input). Raises SnapshotError naming file, item and path."""
    where = _where(path)
    try:
        return _snapshot(_documents(_content(path), where), where)
    except RecursionError:
        raise SnapshotError(f"{where}: nests too deep; no object of the API server does") from None


def from_objects(objects: Iterable[Mapping[str, Any]], extender: Mapping[str, Any]) -> Snapshot:
    """The snapshot that `write` and `read` of these objects give, without a file."""
    raw = [msgspec.Raw(orjson.dumps(redact(obj))) for obj in objects]
    file = _File(api_version=names.API_VERSION, kind=names.SNAPSHOT_KIND, items=raw, extender=dict(extender))
    return _snapshot([(file, msgspec.Raw(b""))], "the cluster")


def type_of(source: Source) -> tuple[str, str]:
    """(API group, kind) of the objects of a source."""
    return next(group_kind for group_kind, (of, _) in _KINDS.items() if of is source)


def read_pod(path: str | Path) -> Pod:
    """The one Pod of a manifest file. Raises SnapshotError when there is none, or more than one."""
    snapshot = read(path)
    pods = snapshot.pods()
    if len(pods) == 1:
        return pods[0]
    where = _where(path)
    if pods:
        raise SnapshotError(
            f"{where}: holds {len(pods)} pods; give a file with one, or use it with --snapshot and name the pod"
        )
    found = ", ".join(sorted(snapshot.skipped)) or "nothing that is a Pod"
    remedy = "save the virt-launcher pod: kubectl get pod -n NAMESPACE NAME -o yaml"
    raise SnapshotError(f"{where}: holds no Pod (found: {found}); {remedy}")


def write(path: str | Path, objects: Iterable[Mapping[str, Any]], extender: Mapping[str, Any]) -> int:
    """Write a snapshot of raw API objects (redacted here), one per line, and return how many.

    A file is written as a whole or not at all; only its owner can read it. What is there and no file (a device, a FIFO,
    standard output for "-") is written into. Raises SnapshotError if it cannot be written.
    """
    chunks = _chunks(objects, extender)
    if str(path) == "-":
        return _write_stream(sys.stdout.buffer, chunks)
    # A link stays, and the file that it names is replaced.
    target = Path(path).resolve()
    try:
        if target.exists() and not target.is_file():
            with target.open("wb") as stream:
                return _write_stream(stream, chunks)
        return _write_file(target, chunks)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise SnapshotError(f"{path}: cannot be written ({error.strerror}); choose another file with -o") from error


def _write_stream(stream: BinaryIO, chunks: Iterable[tuple[bytes, int]]) -> int:
    count = sum(_write_chunk(stream.write, chunk) for chunk in chunks)
    stream.flush()
    return count


def _write_file(target: Path, chunks: Iterable[tuple[bytes, int]]) -> int:
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            count = _write_stream(file, chunks)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return count


def _chunks(objects: Iterable[Mapping[str, Any]], extender: Mapping[str, Any]) -> Iterator[tuple[bytes, int]]:
    head = orjson.dumps({"apiVersion": names.API_VERSION, "kind": names.SNAPSHOT_KIND, "extender": dict(extender)})
    yield head[:-1] + b',"items":[', 0
    separator = b"\n"
    for obj in objects:
        yield separator + orjson.dumps(redact(obj)), 1
        separator = b",\n"
    yield b"\n]}\n", 0


def _write_chunk(write_bytes: Callable[[bytes], int], chunk: tuple[bytes, int]) -> int:
    write_bytes(chunk[0])
    return chunk[1]


def _snapshot(documents: Iterable[tuple[_File, msgspec.Raw]], where: str) -> Snapshot:
    records: dict[Source, list[Record]] = {source: [] for source in Source}
    skipped: dict[str, int] = {}
    notes: list[str] = []
    nrts: dict[str, tuple[int, str]] = {}
    extender: dict[str, Any] = {}
    for file, text in documents:
        if file.extender is not None:
            extender = file.extender
        for place, raw, head in _items(file, text, where):
            known = _KINDS.get((head.api_version.rpartition("/")[0], head.kind))
            if known is None:
                skipped[head.kind] = skipped.get(head.kind, 0) + 1
                continue
            record = _record(raw, known[1], f"{where}: {place} ({_title(head)})", notes)
            if isinstance(record, NodeResourceTopology) and not _is_new(record, place, records[known[0]], nrts):
                continue
            records[known[0]].append(record)
    for name in _absent(extender, where):
        if not records[name]:
            del records[name]
    return Snapshot(records=records, extender=extender, skipped=skipped, notes=notes)


def _is_new(nrt: NodeResourceTopology, place: str, others: list[Record], seen: dict[str, tuple[int, str]]) -> bool:
    """Whether it is the file's first report of its node. Of two that differ neither is believed."""
    name = nrt.metadata.name
    if name not in seen:
        seen[name] = len(others), place
        return True
    at, first = seen[name]
    other = others[at]
    assert isinstance(other, NodeResourceTopology)
    if msgspec.structs.replace(nrt, metadata=other.metadata) != other:
        words = f"{first} and {place} of the file are both the report of this node, and differ"
        others[at] = msgspec.structs.replace(other, unreadable=other.unreadable or words)
    return False


def _where(path: str | Path) -> str:
    return "standard input" if str(path) == "-" else str(path)


def _content(path: str | Path) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SnapshotError(f"{path}: cannot be read ({error.strerror})") from error


def _documents(content: bytes, where: str) -> Iterator[tuple[_File, msgspec.Raw]]:
    """Each document of the file, with its own text (a document may itself be the object)."""
    if not content.strip():
        raise SnapshotError(f"{where}: {_EMPTY}")
    if content.lstrip()[:1] in (b"{", b"["):
        yield _document(content, where, "")
        return
    try:
        if too_many_aliases(content, _YamlLoader):
            raise SnapshotError(f"{where}: has too many aliases (*); write their values out")
        documents = [document for document in yaml.load_all(content, Loader=_YamlLoader) if document is not None]
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SnapshotError(f"{where}: is neither JSON nor YAML: {' '.join(str(error).split())}") from error
    if not documents:
        raise SnapshotError(f"{where}: {_EMPTY}")
    for number, document in enumerate(documents):
        place = f"document {number + 1}: " if len(documents) > 1 else ""
        try:
            text = orjson.dumps(document)
        except (TypeError, orjson.JSONEncodeError) as error:
            raise SnapshotError(f"{where}: {place}holds what JSON cannot express: {error}") from error
        yield _document(text, where, place)


def _document(text: bytes, where: str, place: str) -> tuple[_File, msgspec.Raw]:
    try:
        file = msgspec.json.decode(text, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SnapshotError(
            f"{where}: {place}{_reason(error)}; expected a list of API objects, as `{KUBECTL_GET}` prints"
        ) from error
    if file.kind == names.SNAPSHOT_KIND and file.api_version != names.API_VERSION:
        raise SnapshotError(
            f"{where}: apiVersion {file.api_version!r} of this snapshot is not {names.API_VERSION!r}; "
            "read it with the fastfit that wrote it, or take a new one"
        )
    if not file.kind:
        raise SnapshotError(f"{where}: {place}$.kind is missing; expected {names.SNAPSHOT_KIND}, List or an API object")
    return file, msgspec.Raw(text)


def _items(file: _File, text: msgspec.Raw, where: str) -> Iterator[tuple[str, msgspec.Raw, _Head]]:
    """(place, raw object, head) of every object in one document."""
    if file.items is None:
        if file.kind in (names.SNAPSHOT_KIND, "List"):
            raise SnapshotError(f"{where}: $.items is missing; the file is cut short or is not a snapshot")
        yield file.kind, text, file
        return
    # The items of a typed list (PodList) do not repeat their kind.
    implied = file.kind.removesuffix("List") if file.kind not in (names.SNAPSHOT_KIND, "List") else ""
    for index, raw in enumerate(file.items):
        place = f"items[{index}]"
        try:
            head = msgspec.json.decode(raw, type=_Head)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SnapshotError(f"{where}: {place}: {_reason(error)}") from error
        if implied and not head.kind:
            head.kind, head.api_version = implied, file.api_version
        if not head.kind:
            raise SnapshotError(f"{where}: {place}: $.kind is missing; every item must be a whole API object")
        yield place, raw, head


def _record(raw: msgspec.Raw, record: type[Record], place: str, notes: list[str]) -> Record:
    """The object's record. Raises SnapshotError."""
    try:
        mended: tuple[Record, tuple[str, ...]] = decode_object(raw, _DECODERS[record])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SnapshotError(f"{place}: {_reason(error)}") from error
    result, faults = mended
    if not result.metadata.name:
        raise SnapshotError(f"{place}: $.metadata.name is missing")
    notes += [f"{place}: {fault}" for fault in faults]
    if isinstance(result, Vmi) and result.unreadable:
        notes.append(f"{place}: taken as a VM that is not known, for without that field it would be another VM")
    return result


def _absent(extender: Mapping[str, Any], where: str) -> list[Source]:
    try:
        return msgspec.convert(extender.get("absent", []), list[Source])
    except msgspec.ValidationError as error:
        raise SnapshotError(f"{where}: $.extender.absent: {error}; known kinds: {', '.join(Source)}") from error


def _title(head: _Head) -> str:
    name = head.metadata.name
    return f"{head.kind} {head.metadata.namespace + '/' if head.metadata.namespace else ''}{name or '?'}"


def _reason(error: Exception) -> str:
    """A decoder's message as "path: what"; msgspec writes the path last."""
    text = str(error)
    what, separator, path = text.rpartition(" - at ")
    what = what if separator else text
    what = what[:1].lower() + what[1:]
    return f"{path.strip('`')}: {what}" if separator else what


class _YamlLoader(yaml.CSafeLoader):
    """Safe YAML as Kubernetes reads it: timestamps stay text."""


_YamlLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
