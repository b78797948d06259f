"""Nodes with a new row, from which the guest cells of their VMs are still to be inferred.

To play one VM's boot takes about 0.3 ms, and after the first list a node may have a hundred: so it is done apart from
the row, some VMs at a time, and only while no node is dirty.
"""

from collections.abc import Mapping

from extender.cache.nodes.node import NodeState
from extender.cache.vms.vm import Vms
from extender.kubevirt.launcher_pod import Guest

__all__ = ["Inference"]

#: VMs that are looked at in one step.
AT_ONCE = 4


class Inference:
    """What is still to be inferred, by node."""

    def __init__(self, nodes: Mapping[str, NodeState], vms: Vms) -> None:
        self._nodes = nodes
        self._vms = vms
        #: UIDs of the VMs that were looked at, by name of the node
        self._seen: dict[str, set[str]] = {}

    def __len__(self) -> int:
        """Nodes that are not done."""
        return len(self._seen)

    def begin(self, node: str) -> None:
        """The node has a new row."""
        self._seen[node] = set()

    def step(self, *, whole: bool) -> None:
        """Looks at some VMs of one node, or at all of them. Not while a node is dirty."""
        name, seen = next(iter(self._seen.items()))
        before = len(seen)
        left_out = False

        def guest_of(vmi: str) -> Guest | None:
            # Asked only for VMs whose cells are not known; of some they never will be.
            nonlocal left_out
            if vmi in seen:
                return None
            if not whole and len(seen) - before >= AT_ONCE:
                left_out = True
                return None
            seen.add(vmi)
            return self._vms.guest(vmi)

        state = self._nodes.get(name)
        if state is not None:
            self._vms.guest_cells.infer(state, guest_of)
        if not left_out:
            del self._seen[name]
