"""Verbs over a cluster, with their records kept."""

from collections.abc import Callable

from extender.cache.cluster import Cluster
from extender.placement.decide import Decider
from extender.verbs.call import Context, Summary
from extender.verbs.service import Verbs

__all__ = ["make_verbs"]


class _Recorder:
    def decided(self, summary: Summary) -> None:
        make_verbs.summaries.append(summary)

    def later(self, work: Callable[[], None]) -> None:
        work()


class _Maker:
    """Makes Verbs; `summaries` has every record of all of them, oldest first."""

    def __init__(self) -> None:
        self.summaries: list[Summary] = []

    def __call__(self, cluster: Cluster, not_ready: str = "") -> Verbs:
        return Verbs(Context(Decider(cluster), _Recorder(), lambda: not_ready))


make_verbs = _Maker()
