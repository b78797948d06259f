"""What no answer may say, whatever the cluster: rules that hold for every node of every pod."""

from collections.abc import Iterator

from _fastfit.codes import Code
from extender.cache.cluster import Cluster
from extender.cache.nodes.node import NodeState
from extender.placement.answers import NodeAnswer

__all__ = ["wrong_words"]

#: Remedies, and when they are already true of a node.
_DONE = (
    ("Run an exporter", lambda state: state.nrt is not None),
    ("state the machine", lambda state: state.facts.stated),
    ("topologyManagerScope: pod", lambda state: state.facts.config.topology_manager_scope == "pod"),
    ("Set cpuManagerPolicy: static", lambda state: state.facts.config.cpu_manager_policy == "static"),
    (
        "use Topology Manager restricted",
        lambda state: state.facts.config.topology_manager_policy in ("restricted", "single-numa-node"),
    ),
    ("Topology Manager none", lambda state: state.facts.config.topology_manager_policy == "none"),
    ("state memoryManagerPolicy", lambda state: "memoryManagerPolicy" in state.facts.pool.kubelet),
    ("Free CPUs on the node", lambda state: not any(state.ledger.pods())),
    ("state its facts", lambda state: state.facts.stated and bool(state.statement and state.statement.kubelet_json)),
    ("move away", lambda state: not any(state.ledger.pods())),
)
_OTHERS = ("other pods", "tied by", "held by", "another pod")
_LATER = ("not now", "nowhere now", "Free CPUs on the node", "move away")


def wrong_words(cluster: Cluster, node: NodeAnswer) -> Iterator[str]:
    """What is wrong in the answer for a node, in words."""
    state = cluster.node(node.node)
    if state is None:
        return
    said = "\n".join((node.text, node.advice, *node.steps))
    for words, done in _DONE:
        if words in node.advice and done(state):
            yield f"{words!r} is already true"
    if ("not even" in said or "never fits" in said) and node.code != Code.MemoryGroupConflict.name:
        yield from (f"{words!r} beside never" for words in _LATER if words in said)
    if not any(state.ledger.pods()):
        yield from (f"{words!r} on an empty node" for words in _OTHERS if words in said)
    if node.code != Code.Fits.name:
        if node.zones or node.cells:
            yield "zones or cells of a pod that does not fit"
        if any(zone.cpus_given or zone.memory_given for zone in node.per_zone):
            yield "amounts of a pod that does not fit"
    if node.verdict != "fits" and not node.advice:
        yield "no remedy"
    yield from _missing(state, node)


def _missing(state: NodeState, node: NodeAnswer) -> Iterator[str]:
    """What is not known is not missing."""
    for name in state.facts.left_out:
        if any(name.removeprefix("hugepages-") in zone.missing for zone in node.per_zone if name != "memory"):
            yield f"{name} is not known, and said to be missing"
