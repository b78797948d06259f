"""Verbs over a cluster, with their records kept; and the fit of a pod as a call would get it."""

from collections.abc import Callable

from _fastfit import Fit
from extender.api.objects import Pod
from extender.cache.cluster import Cluster
from extender.placement.answers import PodAnswer
from extender.placement.decide import Decider, fit_of
from extender.placement.explain import explain
from extender.placement.subject import Subject
from extender.verbs.call import Call, Context, Summary, Unreadable
from extender.verbs.reply import Reply
from extender.verbs.service import Verbs

__all__ = ["AskedVerbs", "explained", "fresh_fit", "make_verbs"]


class AskedVerbs(Verbs):
    """Verbs that also take a body as it came."""

    def filter(self, call: Call | Unreadable | bytes, now: float) -> Reply:
        return super().filter(self.read(call) if isinstance(call, bytes) else call, now)

    def prioritize(self, call: Call | Unreadable | bytes, now: float) -> Reply:
        return super().prioritize(self.read(call) if isinstance(call, bytes) else call, now)

    def missing_for(self, body: bytes) -> object:
        return self.missing(self.read(body))


class _Recorder:
    def decided(self, summary: Summary) -> None:
        make_verbs.summaries.append(summary)

    def later(self, work: Callable[[], None]) -> None:
        work()


class _Maker:
    """Makes Verbs; `summaries` has every record of all of them, oldest first."""

    def __init__(self) -> None:
        self.summaries: list[Summary] = []

    def __call__(self, cluster: Cluster, not_ready: str = "") -> AskedVerbs:
        return AskedVerbs(Context(Decider(cluster), _Recorder(), lambda: not_ready))


make_verbs = _Maker()


def fresh_fit(cluster: Cluster, subject: Subject, names: bytes) -> Fit:
    """The fit of a call about this pod: its own assumed placement is ended, and every row is made."""
    Decider(cluster).begin(subject.pod.metadata.uid, cluster.now)
    return fit_of(cluster, subject, names)


def explained(cluster: Cluster, record: Pod) -> PodAnswer:
    """What explain says of a pod, once every row is made."""
    cluster.make_rows()
    return explain(cluster, record)
