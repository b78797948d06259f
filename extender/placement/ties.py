"""Where no node fits and several are equally good by what is known of them: kube-scheduler's own scores decide.

One node with the 10 would get every such pod, for the extender's weight leaves in-tree scores nothing to say, and what
is not known cannot be charged. So no node gets more than its equals, and none is charged (`Fit.tied`).
"""

from _fastfit import Fit
from extender.cache.cluster import Cluster
from extender.placement.winner import BY_IDS

__all__ = ["choose_by_ids", "ids_decide", "tie_words"]


def ids_decide(cluster: Cluster, node: str, code: int) -> bool:
    """Whether the kubelet twin can decide by CPU ids what counts leave open: then the node is charged as one that fits."""
    state = cluster.node(node)
    return code in BY_IDS and state is not None and state.facts.stated


def choose_by_ids(cluster: Cluster, fit: Fit) -> None:
    """Leaves the first of equal nodes as the best where its CPU ids decide, as a call would."""
    best = fit.best()
    if fit.tied and best is not None and ids_decide(cluster, *best):
        fit.choose()


def tie_words(fit: Fit) -> tuple[str, ...]:
    """The note for people; empty where one node is the best."""
    if not fit.tied:
        return ()
    words = "no node fits for certain, and nothing that is known tells"
    which = "the nodes left" if fit.tied == fit.survivors else f"the {fit.tied} best ones"
    return (f"{words} {which} apart: kube-scheduler's own scores decide among them, and none is charged",)
