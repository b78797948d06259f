"""Whether a node's allocatable holds a pod beside the pods that are there, for people.

A call needs no sums: kube-scheduler has filtered by them before it asks. Who asks for every node needs them, since a node
without room is no target whatever its zones have. Judged as its kubelet would (extender/kubelet/predicates.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from _fastfit.codes import Code
from extender.api.objects import Node, Pod
from extender.cache.nodes.pools import Pool
from extender.cache.pods.pod import is_over
from extender.errors import BadObject
from extender.kubelet.allocatable import node_allocatable
from extender.kubelet.predicates import Allocatable, Shortage, shortages, used_by
from extender.placement.answers import NodeAnswer
from extender.placement.nearness import Nearness, advice_for, words_for
from extender.placement.words import shortage
from extender.reasons import REASONS

__all__ = [
    "NOT_JUDGED",
    "NOT_JUDGED_LIVE",
    "NodeTotals",
    "Short",
    "nearness_in_total",
    "refused_in_total",
    "steps_in_total",
    "text_in_total",
]

Short = Mapping[str, tuple[Shortage, ...]]

#: What kube-scheduler decides by and is not judged, where the sums are judged and where they are not.
NOT_JUDGED: Final = "kube-scheduler's other filters: node selectors, affinity, taints, host ports, volumes"
NOT_JUDGED_LIVE: Final = "kube-scheduler's own filters: the sums of the nodes' resources, node selectors, affinity, taints, host ports, volumes"


class NodeTotals:
    """The nodes of a cluster and all pods on them, also those that hold nothing of a zone.

    What cannot be read counts for nothing: a node whose allocatable is not known refuses no pod. Where something else is
    unknown of a node, it stays unknown, and the sums are told beside that.
    """

    def __init__(self, nodes: Iterable[Node], pods: Iterable[Pod]) -> None:
        self._allocatable = {node.metadata.name: found for node in nodes if (found := _read(node)) is not None}
        self._pods: dict[str, list[Pod]] = {}
        for pod in pods:
            if pod.spec.node_name in self._allocatable and not is_over(pod) and _is_readable(pod):
                self._pods.setdefault(pod.spec.node_name, []).append(pod)

    def short(self, pod: Pod) -> Short:
        """What each node has too little of for `pod`, which counts on none of them; only nodes that lack something."""
        if not _is_readable(pod):
            return {}
        found = {}
        for name, allocatable in self._allocatable.items():
            others = [each for each in self._pods.get(name, ()) if _key(each) != _key(pod)]
            lacking = shortages(pod, allocatable, used_by(others))
            if lacking:
                found[name] = lacking
        return found


def refused_in_total(name: str, pool: Pool, lacking: Sequence[Shortage]) -> NodeAnswer:
    """The answer for a node without room for a pod to which no zone rule applies."""
    reason, near = REASONS[Code.NodeResourcesShort], nearness_in_total(lacking)
    return NodeAnswer(
        node=name,
        verdict="refused",
        code=Code.NodeResourcesShort.name,
        text=text_in_total(reason.text, lacking),
        score=0,
        mode=pool.mode.name.lower(),
        pool=pool.name,
        steps=steps_in_total(lacking),
        advice=advice_for(Code.NodeResourcesShort, near),
        nearest=near.missing,
    )


def nearness_in_total(lacking: Sequence[Shortage]) -> Nearness:
    """How near the node is to holding the pod."""
    share = max(one.missing / one.requested for one in lacking)
    never = [
        f"{_amount(one, one.requested)} are asked, the node has {_amount(one, one.capacity)}"
        for one in lacking
        if one.never
    ]
    missing = ", ".join(_amount(one, one.missing) for one in lacking)
    return Nearness(not never, share, ", ".join(never), f"the node lacks {missing}")


def text_in_total(text: str, lacking: Sequence[Shortage]) -> str:
    """`text` with the kubelet's own words, and whether that can ever change."""
    text = f"{text}: {lacking[0].reason}: {lacking[0].message}"
    never = words_for(Code.NodeResourcesShort, nearness_in_total(lacking))
    return f"{text}; {never}" if never else text


def steps_in_total(lacking: Sequence[Shortage]) -> tuple[str, ...]:
    """The kubelet's reason, and the numbers behind it."""
    numbers = (
        f"{one.resource}: requested {one.requested}, used {one.used}, allocatable {one.capacity}" for one in lacking
    )
    return f"kubelet: {lacking[0].reason}", f"rule: the sums of all pods of the node: {'; '.join(numbers)}"


def _amount(short: Shortage, amount: int) -> str:
    if short.resource == "cpu":
        return f"{amount / 1000:g} CPU{'' if amount == 1000 else 's'}"
    return shortage(short.resource, amount)


def _key(pod: Pod) -> tuple[str, str, str]:
    return pod.metadata.uid, pod.metadata.namespace, pod.metadata.name


def _read(node: Node) -> Allocatable | None:
    if not node.status.allocatable:
        return None
    try:
        return node_allocatable(node.status.allocatable)
    except BadObject:
        return None


def _is_readable(pod: Pod) -> bool:
    try:
        used_by((pod,))
    except BadObject:
        return False
    return True
