"""The one judge of every fault: the whole picture against one made of nothing but a fresh list, and every charge once.

A list tells in which order pods came to their kubelets, not the holes that ended pods left between them. So what ends in
a test is the newest pod of its node, or all pods of a node are of one size.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from extender.api.objects import Pod
from extender.cache.cluster import Cluster
from extender.cache.events import Record, Source
from extender.cache.pods.pod import entry_of, is_over
from extender.kubelet.results import Admitted, Refused
from extender.placement.decide import fit_of
from extender.placement.subject import subject_of
from extender.watch.kinds import KINDS
from extender.watch.trimming import trimmed
from tests.kit.objects import pod
from tests.kit.verbs import make_verbs

__all__ = ["Ask", "Lists", "Views", "differences", "differences_of_process", "fresh", "views"]

#: API objects as lists of now show them.
Lists = Mapping[Source, Iterable[dict[str, Any]]]
#: What is held of each kind, object by object.
Views = dict[Source, dict[Any, Any]]
#: A call of kube-scheduler, verb and body, to its reply body.
Ask = Callable[[str, bytes], bytes]

#: VMs whose answers are compared, node by node: CPUs and GiB in 1Gi pages. The last one fits no zone of any test.
_PROBES = ((1, 0), (3, 1), (5, 4), (9, 16), (15, 4), (17, 4), (33, 64))
#: VMs of one size by which a process shows how much a node has free in all; it promises each of them.
_FILLING = ((5, 4),) * 7


def differences(cluster: Cluster, lists: Lists) -> list[str]:
    """Where the picture is not what a fresh list shows, a pod is lost, or a zone is charged twice. Changes nothing."""
    cluster.make_rows()
    listed = fresh(lists, cluster)
    ours, theirs = views(cluster), views(listed)
    found = [f"{source}: {_apart(ours[source], theirs[source])}" for source in Source if ours[source] != theirs[source]]
    found += _lost(cluster, lists)
    found += _charged_twice(cluster)
    return found or [*_rows(cluster, listed), *_answers(cluster, listed)]


def differences_of_process(ask: Ask, tracked_pods: int, lists: Lists) -> list[str]:
    """The same of an extender that only answers: its replies, call by call, against those of a picture fresh from lists.

    `tracked_pods` is its number of charged pods. It promises the VMs of these calls, so it is to be asked once.
    """
    listed = fresh(lists, Cluster())
    held = len(list(_holders(lists)))
    found = (
        []
        if tracked_pods == held == listed.tracked_pods()
        else [f"{tracked_pods} pods are charged, {held} hold something"]
    )
    verbs = make_verbs(listed)
    for node in listed.nodes:
        # The same pod again: what it was promised before is lifted. The others stay.
        names = ["probe"] * len(_PROBES) + [f"filling-{node}-{number}" for number in range(len(_FILLING))]
        for name, (cpus, pages) in zip(names, _PROBES + _FILLING, strict=True):
            record = json.loads(msgspec.json.encode(pod(name, cpus, pages)))
            body = json.dumps({"Pod": record, "Nodes": None, "NodeNames": [node]}).encode()
            for verb, expected in (("filter", verbs.filter), ("prioritize", verbs.prioritize)):
                reply, right = ask(verb, body), expected(body, listed.now).body
                if json.loads(reply) != json.loads(right):
                    found.append(f"{verb} of {cpus} CPUs on {node}: {reply!r}, not {right!r}")
    return found


def fresh(lists: Lists, like: Cluster) -> Cluster:
    """A cluster with the settings and the time of another, made of these lists alone."""
    cluster = Cluster(like.pools, promise_seconds=like.assumed.seconds, nrt_stale_after=like.nrt_stale_after)
    cluster.now = like.now
    for source in Source:
        if source in lists:
            cluster.replace(source, _records(source, lists[source]))
        else:
            cluster.absent(source)
    cluster.make_rows()
    return cluster


def views(cluster: Cluster) -> Views:
    """What a cluster holds of each kind, object by object."""
    return {
        Source.NODES: {name: state.statement for name, state in cluster.nodes.items() if state.known},
        Source.PODS: {
            uid: (entry.node, entry.namespace, entry.name, entry.vmi, entry.demand, entry.admitted, entry.running)
            for uid, entry in cluster.pods.items()
        },
        Source.NRTS: {name: state.nrt for name, state in cluster.nodes.items() if state.nrt is not None},
        Source.VMIS: {uid: (cluster.vms.guest(uid), cluster.vms.run_of(uid)) for uid in cluster.vms.seen()},
        Source.MIGRATIONS: dict(cluster.vms.migrations),
        Source.KUBEVIRTS: dict(cluster.vms.installations),
    }


def _records(source: Source, objects: Iterable[dict[str, Any]]) -> Iterator[Record]:
    for obj in objects:
        kept = trimmed(KINDS[source].decode(msgspec.Raw(json.dumps(obj).encode())))
        if kept is not None:
            yield kept


def _holders(lists: Lists) -> Iterator[Pod]:
    """The bound pods of the lists that hold something: each must be charged, once."""
    for record in _records(Source.PODS, lists[Source.PODS]):
        assert isinstance(record, Pod)
        if record.spec.node_name and not is_over(record) and entry_of(record) is not None:
            yield record


def _apart(ours: Mapping[Any, Any], theirs: Mapping[Any, Any]) -> str:
    more, less = sorted(map(str, ours.keys() - theirs.keys())), sorted(map(str, theirs.keys() - ours.keys()))
    other = [f"{key}: {ours[key]} is {theirs[key]}" for key in ours.keys() & theirs.keys() if ours[key] != theirs[key]]
    return f"only we have {more}, only the list has {less}, {other}"


def _lost(cluster: Cluster, lists: Lists) -> Iterator[str]:
    for record in _holders(lists):
        uid, node = record.metadata.uid, record.spec.node_name
        state = cluster.nodes.get(node)
        if state is None or not (uid in {entry.uid for entry in state.ledger.held_pods()} or not state.known):
            yield f"{record.metadata.name} is bound to {node}, and its ledger does not hold it"


def _charged_twice(cluster: Cluster) -> Iterator[str]:
    """A pod stands in one ledger, as held or as promised; all that are on a node fit it; no CPU is given to two."""
    count = Counter(entry.uid for state in cluster.nodes.values() for entry in state.ledger.pods())
    yield from (f"{uid} is charged {times} times" for uid, times in count.items() if times > 1)
    if ghosts := count.keys() - cluster.pods.keys() - cluster.assumed.keys():
        yield f"charged, and neither bound nor promised: {sorted(ghosts)}"
    if both := cluster.pods.keys() & cluster.assumed.keys():
        yield f"bound and still promised: {sorted(both)}"
    for name, state in cluster.nodes.items():
        taken: dict[int, str] = {}
        for entry in state.ledger.pods():
            answer = state.ledger.answer(entry.uid)
            if isinstance(answer, Refused):
                yield f"{name}: {entry.name} is there, and others have its place: {answer.message}"
            places = answer.containers.values() if isinstance(answer, Admitted) else ()
            for cpu in {cpu for place in places for cpu in place.cpus}:
                if taken.setdefault(cpu, entry.uid) != entry.uid:
                    yield f"{name}: CPU {cpu} is given to {taken[cpu]} and {entry.uid}"
        for zone in state.row.zones if state.row is not None else ():
            if zone.cpu_free < 0 or any(free < 0 for free in zone.memory_free.values()):
                yield f"{name}: zone {zone.id} is overdrawn: {zone}"


def _rows(cluster: Cluster, listed: Cluster) -> Iterator[str]:
    """Rows and kernel table against those of the list, once it has been promised what we have promised."""
    for name, state in cluster.nodes.items():
        # Into the ledger itself: whether a promise may be made is judged by what is on its way at that moment.
        for entry in [entry for entry in state.ledger.pods() if entry.uid in cluster.assumed]:
            if isinstance(listed.nodes[name].ledger.assume(entry), Refused):
                yield f"{entry.name} is promised {name}, where it does not fit"
            listed._dirty.mark(name)
    listed.make_rows()
    for name, state in cluster.nodes.items():
        expected = listed.nodes[name].row
        if state.row != expected:
            yield f"row of {name}: {state.row}, of the list: {expected}"
    for uid in listed.vms.seen():
        ours, theirs = cluster.vms.guest_cells.cells(uid), listed.vms.guest_cells.cells(uid)
        if theirs and ours != theirs:
            yield f"guest cells of {uid}: {ours}, of the list: {theirs}"
    if sorted(cluster.table.names()) != sorted(listed.table.names()):
        yield f"the table has {cluster.table.names()}, of the list: {listed.table.names()}"


def _answers(cluster: Cluster, listed: Cluster) -> Iterator[str]:
    """What both say of VMs of many sizes: this is what callers see of the table."""
    for cpus, pages in _PROBES:
        record = pod("probe", cpus, pages)
        for name in listed.table.names():
            names = json.dumps([name]).encode()
            fits = [fit_of(each, subject_of(each, record), names) for each in (cluster, listed)]
            ours, theirs = ((fit.filter_reply(True), fit.score_reply(), fit.best()) for fit in fits)
            if ours != theirs:
                yield f"{cpus} CPUs on {name}: {ours}, of the list: {theirs}"
