"""The narrow form of a Node: what decides a verdict, and what tells that its machine or kubelet is another one."""

from collections.abc import Mapping
from dataclasses import dataclass

from extender import names
from extender.api.objects import Node
from extender.api.quantity import milli, whole
from extender.cache.interning import Interner, intern_text
from extender.cache.nodes.labels import compact_labels
from extender.errors import BadObject

__all__ = ["NodeStatement", "statement_of"]

_SIZES: Interner[frozenset[str]] = Interner()


@dataclass(frozen=True, slots=True)
class NodeStatement:
    """What the Node object itself says, reduced to what decides a verdict."""

    name: str
    labels: Mapping[str, str]
    kubelet_json: str
    machine_json: str
    page_sizes: frozenset[str]
    kubelet_version: str
    #: CPUs that are not allocatable, rounded up
    reserved_cpus: int
    #: a hash of everything allocatable
    allocatable: int
    #: changes when another machine takes the name, or the machine or its kubelet starts anew: UID of the Node, boot id, and
    #: since when it is ready
    incarnation: tuple[str, str, str]


def statement_of(node: Node) -> NodeStatement:
    """The narrow form of a Node. A page size whose amount cannot be read counts as there."""
    annotations = node.metadata.annotations or {}
    sizes = []
    for name, amount in (node.status.allocatable or {}).items():
        if name.startswith("hugepages-"):
            try:
                if whole(amount) <= 0:
                    continue
            except BadObject:
                pass  # how many pages there are is not known; that is no ground to refuse
            sizes.append(name)
    return NodeStatement(
        name=node.metadata.name,
        labels=compact_labels(node.metadata.labels or {}),
        kubelet_json=intern_text(annotations.get(names.KUBELET_ANNOTATION, "")),
        machine_json=intern_text(annotations.get(names.MACHINE_ANNOTATION, "")),
        page_sizes=_SIZES.intern(frozenset(sizes)),
        kubelet_version=intern_text(node.status.node_info.kubelet_version),
        reserved_cpus=_reserved_cpus(node),
        allocatable=hash(frozenset((node.status.allocatable or {}).items())),
        incarnation=(node.metadata.uid, node.status.node_info.boot_id, _ready_since(node)),
    )


def _reserved_cpus(node: Node) -> int:
    try:
        capacity, allocatable = (
            milli((amounts or {}).get("cpu", 0)) for amounts in (node.status.capacity, node.status.allocatable)
        )
    except BadObject:
        return 0
    return max(0, -(-(capacity - allocatable) // 1000))


def _ready_since(node: Node) -> str:
    for condition in node.status.conditions or ():
        if condition.type == "Ready":
            return condition.last_transition_time or ""
    return ""
