"""What a snapshot keeps of an API object: the fields that the extender reads, and of the annotations those that it knows.

The records of `extender/api/objects.py` are the list. Whatever else a cluster's objects have (environment, command
lines, probes, first-boot data, images) is not written, whether or not it was thought of as a secret. A value of the
wrong type stays if it holds no text, for what is wrong in a cluster is what a snapshot is to show.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from msgspec import inspect

from extender import names
from extender.api.objects import KubeVirt, Migration, Node, NodeResourceTopology, Pod, Vmi

__all__ = ["KNOWN_ANNOTATIONS", "redact"]

#: By kind; the API group is not asked, for no other kind of these names is read.
_RECORDS: Final[Mapping[str, type]] = {
    "Node": Node,
    "Pod": Pod,
    "NodeResourceTopology": NodeResourceTopology,
    "VirtualMachineInstance": Vmi,
    "VirtualMachineInstanceMigration": Migration,
    "KubeVirt": KubeVirt,
}

#: Annotations that the extender reads.
KNOWN_ANNOTATIONS: Final = frozenset({
    names.KUBELET_ANNOTATION,
    names.MACHINE_ANNOTATION,
    names.MIGRATION_ANNOTATION,
    names.CELLS_ANNOTATION,
    names.MIGRATION_NAME_ANNOTATION,
    names.EPHEMERAL_ANNOTATION,
    names.CREATE_TARGET_ANNOTATION,
    names.EVEN_PARITY_ANNOTATION,
    *names.INSTANCETYPE_ANNOTATIONS,
})  # fmt: skip

#: Longest value of one.
_LONGEST: Final = 256 * 1024


def redact(obj: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of an API object with what is read of it. Of reports the times of writing stay: their age shows in nothing
    else.
    """
    kind = obj.get("kind")
    record = _RECORDS.get(kind) if isinstance(kind, str) else None
    head = {key: obj[key] for key in ("apiVersion", "kind") if isinstance(obj.get(key), str)}
    if record is None:
        metadata = obj.get("metadata")
        known = metadata if isinstance(metadata, Mapping) else {}
        return head | {
            "metadata": {key: known[key] for key in ("name", "namespace") if isinstance(known.get(key), str)}
        }
    kept: dict[str, Any] = _kept(obj, _fields(record))
    metadata = kept.get("metadata")
    if isinstance(metadata, dict):
        if isinstance(metadata.get("annotations"), dict):
            metadata["annotations"] = {
                key: value for key, value in metadata["annotations"].items() if key in KNOWN_ANNOTATIONS
            }
        if isinstance(metadata.get("managedFields"), list):
            metadata["managedFields"] = [_writing(entry) for entry in obj["metadata"]["managedFields"]]
    return head | kept


#: Names of fields in JSON, each with the fields of its value, of its elements, or None for a value without fields.
_Fields = dict[str, Any]


@cache
def _fields(record: type) -> _Fields:
    info = inspect.type_info(record)
    assert isinstance(info, inspect.StructType)
    return {field.encode_name: _below(field.type) for field in info.fields}


def _below(kind: inspect.Type) -> Any:
    """A dict of fields; a list with what its elements have; "map" for texts by name; "mark" for what counts by being there."""
    if isinstance(kind, inspect.UnionType):
        return next((found for each in kind.types if (found := _below(each)) is not None), None)
    if isinstance(kind, inspect.StructType):
        return _fields(kind.cls)
    if isinstance(kind, inspect.ListType):
        return [_below(kind.item_type)]
    if isinstance(kind, inspect.DictType):
        return "mark" if isinstance(kind.value_type, inspect.AnyType) else "map"
    return None


def _kept(value: Any, below: Any) -> Any:
    if isinstance(value, Mapping):
        if isinstance(below, dict):
            return {key: _kept(each, below[key]) for key, each in value.items() if key in below}
        # of a map its texts and numbers; of a mark nothing, and of an object where none belongs
        return (
            {key: each for key, each in value.items() if not isinstance(each, Mapping | list)} if below == "map" else {}
        )
    if isinstance(value, list):
        return [_kept(each, below[0]) for each in value] if isinstance(below, list) else []
    return value if below is None or not isinstance(value, str) else ""


def _writing(entry: Any) -> Any:
    """Who wrote, when, and whether the zones."""
    if not isinstance(entry, Mapping):
        return None
    fields = entry.get("fieldsV1")
    zones: dict[str, Any] = {}
    if isinstance(fields, Mapping):
        zones = {"fieldsV1": {key: {} for key in fields if key == "f:zones"}}
    return {key: entry[key] for key in ("manager", "operation", "time") if isinstance(entry.get(key), str)} | zones
