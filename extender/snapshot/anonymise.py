"""A snapshot without names: namespaces, VMs, pods, nodes, labels and what else people chose are replaced by stand-ins.

Stand-ins keep the order of the names, since equal nodes are told apart by it, and a name is replaced everywhere by the
same one, so `explain` gives the same answer. Counts, amounts, UIDs and the names of resources stay. Free text (messages
of conditions, causes of failures) keeps plain words, numbers and stand-ins.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from extender import names
from extender.api.objects import Pod
from extender.cache.nodes.fingerprint import ATTRIBUTE, fingerprint
from extender.errors import BadObject
from extender.kubelet.pod import pod_demand
from extender.kubevirt.launcher_pod import COMPUTE
from extender.snapshot.allowed import redact

__all__ = ["anonymise"]

#: Labels whose key and value decide something; and those that name something, with what they name.
_READ: Final = frozenset({
    names.LAUNCHER_LABEL,
    names.CREATED_BY_LABEL,
    names.MIGRATION_UID_LABEL,
    names.SCHEDULABLE_LABEL,
    names.CPU_MANAGER_LABEL,
    names.OLD_CPU_MANAGER_LABEL,
    names.MULTITHREADING_LABEL,
    "kubernetes.io/arch",
})  # fmt: skip
_NAMING: Final = {
    names.NODE_NAME_LABEL: "node",
    "kubernetes.io/hostname": "node",
    names.VMI_ID_LABEL: "vm",
    names.OLD_VMI_ID_LABEL: "vm",
}
#: What owners are called, by kind.
_OWNERS: Final = {
    "VirtualMachineInstance": "vm",
    "VirtualMachine": "vm",
    "VirtualMachineInstanceMigration": "migration",
    "Node": "node",
    "Pod": "pod",
}
_NAMES: Final = {
    "Node": "node",
    "Pod": "pod",
    "NodeResourceTopology": "node",
    "VirtualMachineInstance": "vm",
    "VirtualMachineInstanceMigration": "migration",
}
#: Fields that name something wherever they stand.
_FIELDS: Final = {
    "nodeName": "node",
    "nominatedNodeName": "node",
    "sourceNode": "node",
    "targetNode": "node",
    "sourcePod": "pod",
    "targetPod": "pod",
    "vmiName": "vm",
    "claimName": "claim",
    "namespace": "namespace",
}
#: Fields of free text.
_TEXTS: Final = frozenset({"message", "failureReason", "abortStatus"})
#: Lists of things with a name of somebody's choice. (Zones keep theirs: they are numbers of the machine.)
_LISTS: Final = {
    "containers": "container",
    "initContainers": "container",
    "containerStatuses": "container",
    "initContainerStatuses": "container",
    "volumes": "volume",
    "volumeStatus": "volume",
    "gpus": "device",
    "hostDevices": "device",
    "interfaces": "interface",
    "pools": "pool",
}
#: Attributes of reports that are read or say how the exporter counts; of others the value goes.
_ATTRIBUTES: Final = ("topologyManager", "cpuManager", "memoryManager", "nodeTopologyPods")
_SCHEDULERS: Final = frozenset({"", "default-scheduler", names.SCHEDULER_NAME})

_TOKEN: Final = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?")
_PLAIN: Final = re.compile(r"[A-Za-z]+|[0-9]+[A-Za-z]{0,2}|hugepages-[0-9A-Za-z]+|[0-9]+(?:-[0-9]+)?")
_NO_FINGERPRINT: Final = "pfp0v0010000000000000000"


class _Names:
    """Names by what they name. Collects them first; once they are numbered, gives out stand-ins."""

    def __init__(self) -> None:
        self._by_kind: dict[str, set[str]] = {}
        self._stand_ins: dict[str, dict[str, str]] = {}
        self._anything: dict[str, str] = {}

    def __call__(self, kind: str, name: Any) -> Any:
        if not isinstance(name, str) or not name:
            return name
        if self._stand_ins:
            return self._stand_ins[kind][name]
        self._by_kind.setdefault(kind, set()).add(name)
        return name

    def number(self) -> None:
        """All names are known."""
        for kind, found in self._by_kind.items():
            width = max(4, len(str(len(found))))
            self._stand_ins[kind] = {name: f"{kind}-{number:0{width}}" for number, name in enumerate(sorted(found), 1)}
        for kind in ("container", "volume", "claim", "namespace", "migration", "pod", "vm", "node"):
            self._anything |= self._stand_ins.get(kind, {})
        self._stand_ins.setdefault("", {})

    def text(self, text: Any) -> Any:
        """Free text with stand-ins for the names in it; what is neither a plain word nor a number goes."""
        if not isinstance(text, str) or not self._stand_ins:
            return text
        return _TOKEN.sub(lambda found: self._token(found.group()), text)

    def _token(self, token: str) -> str:
        return self._anything.get(token) or (token if _PLAIN.fullmatch(token) else "x")


def anonymise(
    objects: Iterable[Mapping[str, Any]], settings: Mapping[str, Any] | None
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """The objects as a snapshot keeps them, and the settings of a configuration, without names."""
    kept = [redact(obj) for obj in objects]
    use = _Names()
    for obj in kept:
        _object(obj, use)
    _settings(settings, use)
    use.number()
    renamed = [_object(obj, use) for obj in kept]
    _fingerprints(kept, renamed)
    return renamed, _settings(settings, use)


def _object(obj: dict[str, Any], use: _Names) -> dict[str, Any]:
    kind = str(obj.get("kind"))
    result: dict[str, Any] = _walk(obj, use)
    metadata = result.get("metadata")
    if isinstance(metadata, dict) and "name" in metadata:
        metadata["name"] = use(_NAMES.get(kind, "object"), metadata["name"])
    if kind == "NodeResourceTopology" and isinstance(result.get("attributes"), list):
        result["attributes"] = [_attribute(each) for each in result["attributes"]]
    return result


def _walk(value: Any, use: _Names, key: str = "") -> Any:
    if isinstance(value, dict):
        return {inner: _field(inner, each, use) for inner, each in value.items()}
    if isinstance(value, list):
        kind = _LISTS.get(key)
        found = [_walk(each, use) for each in value]
        for each in found:
            if kind is not None and isinstance(each, dict) and each.get("name") != COMPUTE and "name" in each:
                each["name"] = use(kind, each["name"])
        return found
    return value


def _field(key: str, value: Any, use: _Names) -> Any:
    if key in ("labels", "nodeSelector", "matchLabels") and isinstance(value, dict):
        return {_key(label, use): _value(label, each, use) for label, each in value.items()}
    if key == "annotations" and isinstance(value, dict):
        return {each: _annotation(each, text, use) for each, text in value.items()}
    if key == "matchExpressions" and isinstance(value, list):
        return [_requirement(each, use) for each in value]
    if key == "ownerReferences" and isinstance(value, list):
        return [_owner(each, use) for each in value]
    if key in _FIELDS:
        return use(_FIELDS[key], value)
    if key in _TEXTS:
        return use.text(value)
    if key == "schedulerName":
        return value if value in _SCHEDULERS else use("scheduler", value)
    return _walk(value, use, key)


def _key(key: str, use: _Names) -> str:
    text: str = key if key in _READ or key in _NAMING else use("label", key)
    return text


def _value(key: str, value: Any, use: _Names) -> Any:
    return value if key in _READ else use(_NAMING.get(key, "value"), value)


def _requirement(each: Any, use: _Names) -> Any:
    if not isinstance(each, dict):
        return None
    key, values = each.get("key"), each.get("values")
    changed = dict(each)
    if isinstance(key, str):
        changed["key"] = _key(key, use)
        if isinstance(values, list):
            changed["values"] = [_value(key, one, use) for one in values]
    return changed


def _owner(each: Any, use: _Names) -> Any:
    if not isinstance(each, dict):
        return None
    return {**each, "name": use(_OWNERS.get(str(each.get("kind")), "owner"), each.get("name"))}


def _annotation(key: str, text: Any, use: _Names) -> Any:
    if key in names.INSTANCETYPE_ANNOTATIONS:
        return use("instancetype", text)
    return use("migration", text) if key == names.MIGRATION_NAME_ANNOTATION else text


def _attribute(each: Any) -> Any:
    if not isinstance(each, dict) or str(each.get("name")).startswith(_ATTRIBUTES):
        return each
    return {**each, "value": ""}


def _settings(settings: Mapping[str, Any] | None, use: _Names) -> dict[str, Any] | None:
    """Pools are chosen by labels of nodes."""
    return None if settings is None else {key: _field(key, value, use) for key, value in settings.items()}


def _fingerprints(kept: list[dict[str, Any]], renamed: list[dict[str, Any]]) -> None:
    """A report's fingerprint of its node's pods becomes that of the stand-ins, if it is that of the pods."""
    by_node: dict[str, list[tuple[Pod, tuple[str, str]]]] = {}
    for obj, after in zip(kept, renamed, strict=True):
        if obj.get("kind") != "Pod":
            continue
        try:
            pod = msgspec.convert(obj, Pod)
        except msgspec.ValidationError:
            continue
        if pod.spec.node_name and pod.status.phase not in ("Succeeded", "Failed"):
            meta = after["metadata"]
            by_node.setdefault(pod.spec.node_name, []).append((pod, (meta.get("namespace", ""), meta["name"])))
    for obj, after in zip(kept, renamed, strict=True):
        if obj.get("kind") != "NodeResourceTopology" or not isinstance(after.get("attributes"), list):
            continue
        pods = by_node.get(str(obj.get("metadata", {}).get("name")), [])
        for each in after["attributes"]:
            if isinstance(each, dict) and each.get("name") == ATTRIBUTE:
                each["value"] = _fingerprint(str(each.get("value")), pods)


def _fingerprint(published: str, pods: list[tuple[Pod, tuple[str, str]]]) -> str:
    holding = [pair for pair in pods if any(c.exclusive_cpus or c.devices or c.memory for c in _containers(pair[0]))]
    exclusive = [pair for pair in holding if any(c.exclusive_cpus or c.devices for c in _containers(pair[0]))]
    for covered in (pods, holding, exclusive):
        if published == fingerprint((pod.metadata.namespace, pod.metadata.name) for pod, _ in covered):
            return fingerprint(stand_in for _, stand_in in covered)
    return _NO_FINGERPRINT


def _containers(pod: Pod) -> Iterable[Any]:
    try:
        return pod_demand(pod).containers
    except BadObject:
        return ()
