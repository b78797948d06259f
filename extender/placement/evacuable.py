"""Evacuable targets: for every running VM the number of nodes that could take it by live migration now.

Counted beside the requests, in small steps, one class after the other: VMs of equal demand, cells and policy have the
same targets but for the nodes that they run on. `symmetric` counts nodes that give every cell its vCPUs of the boot,
`possible` those that the VM's policy lets pass; both only where the verdict is certain, and none for a VM that cannot
migrate at all. What kube-scheduler decides (taints, affinity, volumes) is not in it.
"""

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from _fastfit import Query
from _fastfit.codes import Code
from _fastfit.model import Ask
from extender.cache.cluster import Cluster
from extender.cache.pods.pod import PodEntry
from extender.kubelet.results import Admitted
from extender.kubevirt.devices import immovable
from extender.kubevirt.launcher_pod import Guest
from extender.kubevirt.migration.policy import BootCells
from extender.kubevirt.migration.target_pod import Plugged
from extender.placement.answers import EvacuableAnswer
from extender.placement.outcomes import Outcome, mover_of
from extender.placement.subject import Subject, is_source_pod, target_of

__all__ = ["BUCKETS", "Evacuability", "Evacuable"]

#: Nodes judged, or VMs looked at, in one step: some 10 us with the compiled kernel, 1 ms with the plain one.
_NODES_AT_ONCE: Final = 16
_VMS_AT_ONCE: Final = 32

#: Numbers of targets that are told apart in the summary: name and the smallest number.
BUCKETS: Final[Mapping[str, int]] = {"0": 0, "1": 1, "2-9": 2, "10+": 10}


@dataclass(frozen=True, slots=True)
class Evacuable:
    """All VMs at one time, by number of targets (BUCKETS). `unknown`: VMs whose cells are not known; VMs without cells
    of their own are in `possible` alone.
    """

    at: float
    symmetric: Mapping[str, int]
    possible: Mapping[str, int]
    unknown: int


#: What makes VMs one class: the identity of what they share, what of their size runs, and policy.
_Key = tuple[int, int, int, Plugged, tuple[tuple[str, str], ...], str]


@dataclass(slots=True)
class _Class:
    """VMs with the same targets. `shared` keeps alive what the key names by identity."""

    shared: tuple[object, Guest | None, BootCells]
    #: the target's ask; and the one that symmetric nodes alone pass, None where the VM has no cells or they are not known
    possible: Ask
    symmetric: Ask | None
    #: the cells matter and are not known
    doubtful: bool
    #: why none of them migrates at all; empty: nothing is known against it
    immovable: str
    #: VMs per node
    sources: Counter[str] = field(default_factory=Counter)
    #: nodes that are no targets whatever counts say: their kubelet refused an equal pod
    excluded: tuple[str, ...] = ()
    #: the target of one of the VMs, where zoned devices count in the outcome
    with_devices: Subject | None = None
    at: float = 0.0
    found: "_Found | None" = None
    found_symmetric: "_Found | None" = None


@dataclass(frozen=True, slots=True)
class _Found:
    """Nodes that fit, and those of them where VMs of the class run."""

    nodes: int
    sources: frozenset[str]

    def seen_from(self, node: str) -> int:
        """Targets of a VM on this node."""
        return self.nodes - (node in self.sources)


class Evacuability:
    """The numbers of the last round over all VMs, and the steps of the next."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._known: dict[_Key, _Class] = {}
        #: of the last whole round
        self.summary: Evacuable | None = None

    def of(self, pod: PodEntry) -> EvacuableAnswer | None:
        """The numbers of the VM in this pod; None while its class has not been counted."""
        known = self._known.get(self._key(pod))
        if known is None or known.found is None:
            return None
        symmetric = known.found_symmetric.seen_from(pod.node) if known.found_symmetric is not None else None
        age = max(0.0, self._cluster.now - known.at)
        return EvacuableAnswer(known.found.seen_from(pod.node), symmetric, round(age, 1), known.immovable)

    def count(self, pod: PodEntry, full: Iterable[str] = ()) -> EvacuableAnswer | None:
        """Counts the VM in this pod at once, as long as that takes. `full`: nodes whose allocatable does not hold it."""
        one = self._new(pod)
        one.excluded = tuple({*one.excluded, *(name for name in full if name in self._cluster.table)})
        one.sources[pod.node] += 1
        for _ in self._count(one):
            pass
        self._known[self._key(pod)] = one
        return self.of(pod)

    def round(self) -> Iterator[None]:
        """One round over all VMs; every step of the iteration is a small piece of work."""
        began = self._cluster.now
        classes: dict[_Key, _Class] = {}
        for number, pod in enumerate(self._cluster.bound_pods()):
            if number % _VMS_AT_ONCE == 0:
                yield
            if not pod.launcher or not pod.vmi or not is_source_pod(self._cluster, pod):
                continue
            key = self._key(pod)
            one = classes.get(key)
            if one is None:
                one = classes[key] = self._new(pod)
                yield
            one.sources[pod.node] += 1
        # Classes are shown as they are counted; those that no VM is in any more go at the end.
        symmetric, possible, unknown = dict.fromkeys(BUCKETS, 0), dict.fromkeys(BUCKETS, 0), 0
        for key, one in classes.items():
            yield from self._count(one)
            self._known[key] = one
            unknown += one.sources.total() if one.doubtful else 0
            for number, (node, vms) in enumerate(one.sources.items()):
                if number % _VMS_AT_ONCE == 0:
                    yield
                for found, counts in ((one.found, possible), (one.found_symmetric, symmetric)):
                    if found is not None:
                        counts[_bucket(found.seen_from(node))] += vms
        self._known = classes
        self.summary = Evacuable(began, symmetric, possible, unknown)

    # --- inside ------------------------------------------------------------------------------------------

    def _key(self, pod: PodEntry) -> _Key:
        guest, run = self._cluster.vms.guest(pod.vmi), self._cluster.vms.run_of(pod.vmi)
        cells = self._cluster.vms.cells_of(pod.vmi)
        policy = self._cluster.migration.value
        # What differs between runs of equal VMs but the node: sockets and memory that are plugged.
        return id(pod.demand.containers), id(guest), id(cells), run.plugged, pod.annotations, policy

    def _new(self, pod: PodEntry) -> _Class:
        subject = target_of(self._cluster, pod)
        ask, guest = subject.question.ask, subject.guest
        fixed = immovable(guest, self._cluster.vms.kubevirt) if guest is not None else ""
        symmetric = None
        if ask.cells is not None and ask.cells.boot:
            symmetric = replace(ask, cells=replace(ask.cells, symmetric_only=True))
        return _Class(
            shared=(pod.demand.containers, guest, self._cluster.vms.cells_of(pod.vmi)),
            possible=ask,
            symmetric=symmetric,
            doubtful=not fixed and ask.cells is not None and not ask.cells.boot,
            immovable=fixed,
            with_devices=subject if symmetric is not None and any(part.devices for part in ask.containers) else None,
            excluded=tuple(name for name, _ in self._cluster.excluded_nodes(subject.question.demand, subject.move)),
        )

    def _count(self, one: _Class) -> Iterator[None]:
        one.at = self._cluster.now
        if one.immovable:
            one.found = _Found(0, frozenset())
            one.found_symmetric = one.found if one.possible.cells is not None else None
            return
        one.found = yield from self._fitting(one, one.possible)
        if one.with_devices is not None and one.symmetric is not None:
            found = yield from self._fitting(one, one.symmetric)
            away = yield from self._devices_away(one.with_devices, one.symmetric, one.excluded)
            one.found_symmetric = _Found(found.nodes - len(away), found.sources - away)
        elif one.symmetric == one.possible:
            one.found_symmetric = one.found
        elif one.symmetric is not None:
            one.found_symmetric = yield from self._fitting(one, one.symmetric)

    def _devices_away(
        self, subject: Subject, ask: Ask, excluded: tuple[str, ...]
    ) -> Generator[None, None, frozenset[str]]:
        """Nodes that counts take for symmetric and where a device would be elsewhere, seen from the guest's cells."""
        table, mover, away = self._cluster.table, mover_of(self._cluster, subject), set()
        query = Query(table, ask)
        for name in table.names():
            state = self._cluster.node(name)
            if name in excluded or state is None or table.code_on(query, name) is not Code.Fits:
                continue
            kubelet = state.ledger.kubelet
            played = kubelet.clone().admit(subject.question.demand) if kubelet is not None else None
            answer = mover.outcome(state, Code.Fits, played if isinstance(played, Admitted) else None)
            if answer.outcome in (Outcome.DEVICE_AWAY, Outcome.DEVICE_OPEN):
                away.add(name)
            yield
        return frozenset(away)

    def _fitting(self, one: _Class, ask: Ask) -> Generator[None, None, _Found]:
        """Nodes that fit, a few in each step."""
        table = self._cluster.table
        query = Query(table, ask)
        total, at = table.fitting(query, 0, _NODES_AT_ONCE)
        while at:
            yield
            more, at = table.fitting(query, at, _NODES_AT_ONCE)
            total += more
        sources = set()
        for name in (*one.excluded, *(name for name in one.sources if name not in one.excluded)):
            if table.code_on(query, name) is Code.Fits:
                if name in one.excluded:
                    total -= 1
                else:
                    sources.add(name)
            yield
        return _Found(total, frozenset(sources))


def _bucket(targets: int) -> str:
    return [name for name, least in BUCKETS.items() if targets >= least][-1]
