"""Targets of live migrations, until it is known whether the migration failed because of the target's node.

The target's pod leaves its node because of the failure, in no fixed order with the news of it. So what else the node
held is noted when the pod is bound.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from extender.api.objects import Migration
from extender.bounded import BoundedDict
from extender.cache.nodes.refusals import Shape
from extender.cache.pods.pod import PodEntry
from extender.kubevirt.migration.failure import failed_on_target

__all__ = ["BoundTarget", "MigrationTargets"]

#: Targets that are kept until their migration is over.
_KEPT = 256


@dataclass(frozen=True, slots=True)
class BoundTarget:
    """A target pod as it was bound; `others`: UIDs of the other pods of the node at that moment."""

    node: str
    uid: str
    shape: Shape
    vmi: str
    others: frozenset[str]


class MigrationTargets:
    """The targets that were bound lately, by namespace and name of the pod."""

    def __init__(self) -> None:
        self._bound: BoundedDict[tuple[str, str], BoundTarget] = BoundedDict(_KEPT)

    def bind(self, entry: PodEntry, pods: Iterable[str]) -> None:
        """A target was bound; `pods`: UIDs of what its node holds."""
        others = frozenset(pods) - {entry.uid}
        self._bound[entry.namespace, entry.name] = BoundTarget(
            entry.node, entry.uid, entry.demand.shape, entry.vmi, others
        )

    def failed(self, migration: Migration) -> BoundTarget | None:
        """The target on whose node the migration failed; None: it has not failed, or not because of the node."""
        failed = failed_on_target(migration)
        if failed is None:
            return None
        target = self._bound.pop((failed.namespace, failed.pod), None)
        return target if target is not None and target.node == failed.node else None
