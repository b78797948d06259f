"""What a kubelet's refusals taught us about its node, until something changes there.

An SMTAlignmentError proves full-pcpus-only. Any refusal proves that an equal pod will be refused again while the node
holds the same: kubelet admission depends on nothing else.
"""

from extender.kubelet.pod import ContainerDemand, PodDemand

__all__ = ["Learned", "Shape"]

#: A demand without its pod: equal ones get one answer from one node state.
Shape = tuple[bool, bool, tuple[ContainerDemand, ...]]

_PROVES = {"SMTAlignmentError": {"full-pcpus-only": "true"}}
#: Refused shapes that are kept per node; the oldest goes first.
_KEPT = 32


class Learned:
    """Lessons of one node. `options` are CPU Manager options that its refusals proved."""

    __slots__ = ("_refused", "options", "takes_odd")

    def __init__(self) -> None:
        self.options: dict[str, str] = {}
        #: the kubelet admitted a pod that full-pcpus-only would have refused
        self.takes_odd = False
        self._refused: dict[Shape, None] = {}

    def refused(self, demand: PodDemand, reason: str) -> bool:
        """The kubelet refused a pod. Returns whether that proves a fact that was not known."""
        self._refused[demand.shape] = None
        if len(self._refused) > _KEPT:
            del self._refused[next(iter(self._refused))]
        proved = _PROVES.get(reason, {})
        new = not proved.items() <= self.options.items()
        self.options.update(proved)
        return new

    def refuses(self, demand: PodDemand) -> bool:
        """Whether an equal pod was refused and the node holds the same since."""
        return demand.shape in self._refused

    def pod_left(self) -> None:
        """The node holds less than before: what it refused it may now take."""
        self._refused.clear()

    def restarted(self) -> None:
        """The kubelet started anew, perhaps with other options."""
        self.options.clear()
        self.takes_odd = False
        self._refused.clear()

    def __bool__(self) -> bool:
        return bool(self._refused)
