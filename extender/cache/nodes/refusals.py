"""What a node's kubelet has refused, and which migrations failed there, until it may be tried again.

A refusal proves that an equal pod will be refused as well: for the resource managers' until the node changes, for devices
and sums for a while (extender/cache/pods/refusal.py). After that while one equal pod is tried, alone; if it is refused,
the next while is longer. A migration that failed will fail again for an equal pod of a guest with equal cells, while
exactly the same other pods are there.
"""

from dataclasses import dataclass

from _fastfit.codes import Code
from extender.bounded import BoundedDict
from extender.cache.pods.refusal import RETRIES, RefusalCause
from extender.kubelet.pod import ContainerDemand, PodDemand
from extender.kubevirt.migration.policy import BootCells

__all__ = ["RefusalHistory", "Shape"]

#: A demand without its pod: equal ones get one answer from one node state.
Shape = tuple[bool, bool, tuple[ContainerDemand, ...], PodDemand | None]

#: Refused shapes, and failed migrations, that are kept per node.
_KEPT = 32


@dataclass(frozen=True, slots=True)
class _Refused:
    """A shape that was refused. `until`: when one pod of it may be tried, None: once the node has changed."""

    until: float | None
    #: refusals in a row that time ends
    times: int = 0


class RefusalHistory:
    """Refusals and failed migrations of one node. `options`: CPU Manager options that its refusals proved."""

    __slots__ = ("_failed", "_refused", "admits_split_cores", "options")

    def __init__(self) -> None:
        self.options: dict[str, str] = {}
        #: the kubelet admitted a pod that full-pcpus-only would have refused
        self.admits_split_cores = False
        self._refused: BoundedDict[Shape, _Refused] = BoundedDict(_KEPT)
        #: UIDs of the other pods that were there, and of the target, by the shape and the guest cells that failed
        self._failed: BoundedDict[tuple[Shape, BootCells], tuple[frozenset[str], str]] = BoundedDict(_KEPT)

    def prove(self, cause: RefusalCause) -> bool:
        """Takes what a refusal says of the kubelet itself. Returns whether that was not known."""
        new = not cause.proves.items() <= self.options.items()
        self.options.update(cause.proves)
        return new

    def refused(self, demand: PodDemand, cause: RefusalCause, now: float) -> None:
        """The kubelet refused a pod that we sent there."""
        before = self._refused.get(demand.shape)
        if cause.until_change:
            self._refused[demand.shape] = _Refused(None)
            return
        times = before.times if before is not None else 0
        wait = RETRIES[min(times, len(RETRIES) - 1)]
        self._refused[demand.shape] = _Refused(now + wait, times + 1)

    def refuses(self, demand: PodDemand, now: float, *, tried: bool) -> Code | None:
        """Why an equal pod is not sent there; None: nothing speaks against it.

        `tried`: another equal pod is on its way there.
        """
        known = self._refused.get(demand.shape)
        if known is None:
            return None
        if known.until is None or now < known.until:
            return Code.RefusedBefore
        return Code.ProbeUnderWay if tried else None

    def admitted(self, demand: PodDemand) -> None:
        """The kubelet took a pod: it takes equal ones."""
        self._refused.pop(demand.shape, None)

    def migration_failed(self, shape: Shape, boot: BootCells, others: frozenset[str], uid: str) -> None:
        """A migration failed here, with these other pods on the node; `uid` of its target's pod."""
        self._failed[shape, boot] = others, uid

    def failed_among(self, shape: Shape, boot: BootCells) -> tuple[frozenset[str], str] | None:
        """UIDs of the pods among which an equal migration failed here, and of its own pod; None: none did."""
        return self._failed.get((shape, boot))

    def node_changed(self) -> None:
        """A pod left, or what the node offers or reports is another: what its managers refused they may now take."""
        for shape in [shape for shape, known in self._refused.items() if known.until is None]:
            del self._refused[shape]

    def restarted(self) -> None:
        """The kubelet started anew, perhaps with other options, or the node is another one of this name."""
        self.options.clear()
        self.admits_split_cores = False
        self._refused.clear()
        self._failed.clear()

    def __bool__(self) -> bool:
        return bool(self._refused or self._failed)
