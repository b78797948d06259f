"""What a node's kubelet has refused, and which migrations failed there, until something changes on the node.

An SMTAlignmentError proves the CPU Manager option full-pcpus-only (kubelet, cm/cpumanager/policy_static.go). Any refusal
proves that an equal pod will be refused again while the node holds the same: kubelet admission depends on nothing else.
A migration that failed will fail again for an equal pod of a guest with equal cells, while exactly the same other pods
are there.
"""

from extender.bounded import BoundedDict, BoundedSet
from extender.kubelet.pod import ContainerDemand, PodDemand
from extender.kubevirt.migration.policy import BootCells

__all__ = ["RefusalHistory", "Shape"]

#: A demand without its pod: equal ones get one answer from one node state.
Shape = tuple[bool, bool, tuple[ContainerDemand, ...], PodDemand | None]

_PROVES = {"SMTAlignmentError": {"full-pcpus-only": "true"}}
#: Refused shapes, and failed migrations, that are kept per node.
_KEPT = 32


class RefusalHistory:
    """Refusals and failed migrations of one node. `options`: CPU Manager options that its refusals proved."""

    __slots__ = ("_failed", "_refused", "admits_split_cores", "options")

    def __init__(self) -> None:
        self.options: dict[str, str] = {}
        #: the kubelet admitted a pod that full-pcpus-only would have refused
        self.admits_split_cores = False
        self._refused: BoundedSet[Shape] = BoundedSet(_KEPT)
        #: UIDs of the other pods that were there, and of the target, by the shape and the guest cells that failed
        self._failed: BoundedDict[tuple[Shape, BootCells], tuple[frozenset[str], str]] = BoundedDict(_KEPT)

    def refused(self, demand: PodDemand, reason: str) -> bool:
        """The kubelet refused a pod. Returns whether that proves a fact that was not known."""
        self._refused.add(demand.shape)
        proved = _PROVES.get(reason, {})
        new = not proved.items() <= self.options.items()
        self.options.update(proved)
        return new

    def refuses(self, demand: PodDemand) -> bool:
        """Whether an equal pod was refused and the node holds the same since."""
        return demand.shape in self._refused

    def migration_failed(self, shape: Shape, boot: BootCells, others: frozenset[str], uid: str) -> None:
        """A migration failed here, with these other pods on the node; `uid` of its target's pod."""
        self._failed[shape, boot] = others, uid

    def failed_among(self, shape: Shape, boot: BootCells) -> tuple[frozenset[str], str] | None:
        """UIDs of the pods among which an equal migration failed here, and of its own pod; None: none did."""
        return self._failed.get((shape, boot))

    def pod_left(self) -> None:
        """The node holds less than before: what it refused it may now take."""
        self._refused.clear()

    def restarted(self) -> None:
        """The kubelet started anew, perhaps with other options."""
        self.options.clear()
        self.admits_split_cores = False
        self._refused.clear()
        self._failed.clear()

    def __bool__(self) -> bool:
        return bool(self._refused or self._failed)
