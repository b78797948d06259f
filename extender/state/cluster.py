"""The whole picture: nodes, pods, VMs, and the kernel's table that is made of them.

A pure core: events in, rows out; it never awaits and never reads the clock (`tick` brings the time). Events mark
nodes; a marked node's row is made again whole before anybody reads the table.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from _fastfit import Table
from extender.api.objects import Migration, Node, NodeResourceTopology, Pod, Vmi
from extender.errors import BadObject
from extender.kubelet.pod import PodDemand
from extender.kubelet.results import Admitted, Refused
from extender.kubevirt.launcher_pod import Guest, guest_of
from extender.kubevirt.moving import MigrationPolicy
from extender.reasons import wire_texts
from extender.state.attempts import Attempt, attempt_failed, kubelet_order
from extender.state.events import Record, Source
from extender.state.facts import statement_of
from extender.state.layouts import Layouts
from extender.state.node import NodeState
from extender.state.pods import PodEntry, entry_of, is_over
from extender.state.pools import Pools
from extender.state.report import read_report

__all__ = ["Cluster", "ClusterObserver", "Promise"]

#: Reasons of a kubelet's refusal that its resource managers give (lifecycle, cm/admission/errors.go).
_REFUSALS = frozenset(
    {"TopologyAffinityError", "UnexpectedAdmissionError", "SMTAlignmentError", "EmptyPodSharedPoolError"}
)
_OUT_OF = "OutOf"


class ClusterObserver(Protocol):
    """Told of what happened, for metrics and decisions; must not change the cluster."""

    def kubelet_refused(self, reason: str, our_verdict: str, pod: PodEntry, message: str) -> None:
        """A kubelet failed a pod that we know."""

    def kubelet_admitted(self, our_verdict: str, pod: PodEntry) -> None:
        """A kubelet started a pod that we know."""


class _Nobody:
    def kubelet_refused(self, reason: str, our_verdict: str, pod: PodEntry, message: str) -> None:
        """Nothing."""

    def kubelet_admitted(self, our_verdict: str, pod: PodEntry) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Promise:
    """A placement that waits for its binding. `until` is None while the pod is nominated: no time limit."""

    node: str
    attempt: Attempt
    until: float | None
    verdict: str


class Cluster:
    """Takes events (state.events.Sink), keeps the picture, owns the kernel's table."""

    def __init__(
        self, pools: Pools | None = None, *, promise_seconds: float = 30.0, report_stale_after: float = 0.0
    ) -> None:
        self.pools = pools or Pools()
        self.promise_seconds = promise_seconds
        self.report_stale_after = report_stale_after
        self.table = Table(wire_texts())
        self.observer: ClusterObserver = _Nobody()
        #: what we say of a pod on its node at the moment of binding: fits, unknown, refused or none
        self.judge: Callable[[PodEntry], str] = lambda _pod: "none"
        self.now = 0.0
        self.nodes: dict[str, NodeState] = {}
        #: all and only the live bound pods that hold something, by UID
        self.pods: dict[str, PodEntry] = {}
        self.guests: dict[str, Guest] = {}
        #: UIDs of running migrations' names, by namespace and name of the migration
        self.migrations: dict[tuple[str, str], Migration] = {}
        self.promises: dict[str, Promise] = {}
        #: guest cells of running VMs
        self.layouts = Layouts()
        #: what the guest's cells may do to migration targets whose VM does not say
        self.migration = MigrationPolicy.PREFER
        #: device resources that some zone reports
        self.zoned_devices: frozenset[str] = frozenset()
        self.absent_kinds: set[Source] = set()
        #: names of nodes whose kubelet refused a pod; a superset of those that still remember it
        self.taught: dict[str, None] = {}
        self._pods_of_vmi: dict[str, set[str]] = {}
        #: a whole list is being taken in: what it shows happened in the past
        self._replacing = False
        #: UIDs of pods whose refusal has been counted, until they are gone
        self._refused: set[str] = set()
        #: names of nodes whose row is older than its sources
        self._dirty: dict[str, None] = {}

    # --- reading ---------------------------------------------------------------------------------------

    @property
    def generation(self) -> int:
        """Rises with every change of a row."""
        return self.table.generation

    def charged(self) -> int:
        """Pods that hold something or are promised something."""
        return len(self.pods) + len(self.promises)

    def guest(self, vmi: str) -> Guest | None:
        """The guest of a VMI by UID; None when the VMI is not known."""
        return self.guests.get(vmi)

    def pods_of(self, vmi: str) -> list[PodEntry]:
        """The VM's live bound pods."""
        return [self.pods[uid] for uid in self._pods_of_vmi.get(vmi, ())]

    def refusers(self, demand: PodDemand) -> list[str]:
        """Nodes whose kubelet refused an equal pod and that hold the same since."""
        found = []
        for name in list(self.taught):
            state = self.nodes.get(name)
            if state is None or not state.learned:
                del self.taught[name]
            elif state.learned.refuses(demand):
                found.append(name)
        return found

    def node(self, name: str) -> NodeState | None:
        """A node of the picture whose Node object has been seen."""
        state = self.nodes.get(name)
        return state if state is not None and state.known else None

    # --- events (Sink) -----------------------------------------------------------------------------------

    def put(self, source: Source, record: Record) -> None:
        """An object was added or changed."""
        match record:
            case Node():
                self._put_node(record)
            case Pod():
                self._put_pod(record)
            case NodeResourceTopology():
                self._put_report(record)
            case Vmi():
                self._put_vmi(record)
            case Migration():
                self.migrations[record.metadata.namespace, record.metadata.name] = record
        self.absent_kinds.discard(source)

    def delete(self, source: Source, record: Record) -> None:
        """An object is gone."""
        meta = record.metadata
        match record:
            case Node():
                self._drop_node(meta.name)
            case Pod():
                self._refused.discard(meta.uid)
                self._end_pod(meta.uid)
                self.withdraw(meta.uid)
            case NodeResourceTopology():
                state = self.nodes.get(meta.name)
                if state is not None and state.set_report(None, self.now):
                    self._mark(meta.name)
                self._forget_if_empty(meta.name)
            case Vmi():
                self._set_guest(meta.uid, None)
                self.layouts.forget(meta.uid)
            case Migration():
                self.migrations.pop((meta.namespace, meta.name), None)
        self.absent_kinds.discard(source)

    def replace(self, source: Source, records: Iterable[Record]) -> None:
        """The whole list of a kind: what is not in it is gone. Rows follow at the next `work`."""
        records = list(records)
        match source:
            case Source.NODES:
                seen = {record.metadata.name for record in records}
                for name in [name for name, state in self.nodes.items() if state.known and name not in seen]:
                    self._drop_node(name)
            case Source.PODS:
                self._keep_pods({record.metadata.uid for record in records})
                records.sort(key=kubelet_order)
            case Source.REPORTS:
                seen = {record.metadata.name for record in records}
                for name in [n for n, state in self.nodes.items() if state.report is not None and n not in seen]:
                    if self.nodes[name].set_report(None, self.now):
                        self._mark(name)
            case Source.VMIS:
                seen = {record.metadata.uid for record in records}
                for uid in [uid for uid in self.guests if uid not in seen]:
                    self._set_guest(uid, None)
                self.layouts.keep(seen)
            case Source.MIGRATIONS:
                self.migrations.clear()
        self._replacing = True
        try:
            for record in records:
                self.put(source, record)
        finally:
            self._replacing = False
        self.absent_kinds.discard(source)

    def absent(self, source: Source) -> None:
        """The API server does not serve this kind."""
        self.replace(source, ())
        self.absent_kinds.add(source)

    def configure(
        self,
        pools: Pools,
        *,
        promise_seconds: float,
        report_stale_after: float,
        migration: MigrationPolicy = MigrationPolicy.PREFER,
    ) -> None:
        """New settings: every node's facts are read again at the next `work`."""
        self.pools = pools
        self.promise_seconds = promise_seconds
        self.report_stale_after = report_stale_after
        self.migration = migration
        for name, state in self.nodes.items():
            state.facts_changed = True
            self._mark(name)
        self.table.unseen_mode = pools.rest.mode

    def tick(self, now: float) -> None:
        """Brings the time: promises run out, reports grow old."""
        self.now = now
        for uid in [uid for uid, promise in self.promises.items() if promise.until is not None and promise.until < now]:
            self.withdraw(uid)
        if self.report_stale_after:
            for name, state in self.nodes.items():
                if state.report is not None and (now - state.report_at > self.report_stale_after) != state.stale:
                    self._mark(name)

    # --- rows --------------------------------------------------------------------------------------------

    def work(self, limit: int = 0) -> int:
        """Makes the rows of at most `limit` marked nodes (0: all). Returns how many are still to do."""
        done = 0
        while self._dirty and (not limit or done < limit):
            name = next(iter(self._dirty))
            del self._dirty[name]
            self._refresh(name)
            done += 1
        return len(self._dirty)

    # --- promises ----------------------------------------------------------------------------------------

    def promise(self, pod: PodEntry, node: str, attempt: Attempt, verdict: str, *, nominated: bool) -> Refused | None:
        """Charges an unbound pod to the node that we ranked first, in place of its earlier promise.

        Returns the kubelet model's refusal, if it refuses the pod there; then nothing is promised.
        """
        self.withdraw(pod.uid)
        state = self.node(node)
        if pod.uid in self.pods or state is None:
            return None
        state.settle()
        answer = state.ledger.promise(replace(pod, node=node))
        if isinstance(answer, Refused):
            return answer
        until = None if nominated else self.now + self.promise_seconds
        self.promises[pod.uid] = Promise(node, attempt, until, verdict)
        if isinstance(answer, Admitted):
            self._mark(node)
        return None

    def withdraw(self, uid: str) -> None:
        """Ends the pod's promise, if it has one."""
        promise = self.promises.pop(uid, None)
        if promise is not None and promise.node in self.nodes and self.nodes[promise.node].ledger.withdraw(uid):
            self._mark(promise.node)

    # --- inside: nodes and reports -------------------------------------------------------------------------

    def _put_node(self, record: Node) -> None:
        statement = statement_of(record)
        if self._state(statement.name).set_statement(statement):
            self._mark(statement.name)

    def _drop_node(self, name: str) -> None:
        state = self.nodes.get(name)
        if state is None:
            return
        state.set_statement(None)
        self._dirty.pop(name, None)
        self.table.drop(name)
        for uid in [uid for uid, promise in self.promises.items() if promise.node == name]:
            self.withdraw(uid)
        self._forget_if_empty(name)

    def _put_report(self, record: NodeResourceTopology) -> None:
        if self._state(record.metadata.name).set_report(read_report(record), self.now):
            self._mark(record.metadata.name)

    def _state(self, name: str) -> NodeState:
        state = self.nodes.get(name)
        if state is None:
            state = self.nodes[name] = NodeState(name)
        return state

    def _forget_if_empty(self, name: str) -> None:
        """A node that nothing speaks of any more is dropped."""
        state = self.nodes.get(name)
        if state is not None and state.empty:
            del self.nodes[name]
            self._dirty.pop(name, None)

    def _mark(self, name: str) -> None:
        self._dirty[name] = None

    def _refresh(self, name: str) -> None:
        state = self.nodes.get(name)
        if state is None or not state.known:
            return
        old_devices = state.facts.devices
        row = state.refresh(self.pools, self.now, self.report_stale_after, self.guest)
        if state.facts.devices != old_devices:
            self.zoned_devices |= frozenset(state.facts.devices)
        self.table.put(row)
        self.layouts.learn(state, self.guest)

    # --- inside: pods --------------------------------------------------------------------------------------

    def _put_pod(self, record: Pod) -> None:
        uid = record.metadata.uid
        if is_over(record):
            refused = self._note_refusal(record)
            self._end_pod(uid)
            self.withdraw(uid)
            if refused is not None:
                self._learn(refused, record.status.reason or "")
            return
        if not record.spec.node_name:
            self._put_unbound(record)
            return
        known = self.pods.get(uid)
        if known is not None:
            self._progress(known, record)
            return
        entry = entry_of(record)
        if entry is None:
            self.withdraw(uid)
            return
        self._bind(entry)

    def _bind(self, entry: PodEntry) -> None:
        promise = self.promises.get(entry.uid)
        if promise is not None and promise.node == entry.node:
            del self.promises[entry.uid]
            entry.our_verdict = promise.verdict
        else:
            self.withdraw(entry.uid)
            entry.our_verdict = "none" if self._replacing else self.judge(entry)
        self.pods[entry.uid] = entry
        if entry.vmi:
            self._pods_of_vmi.setdefault(entry.vmi, set()).add(entry.uid)
        self._state(entry.node).hold(entry)
        self._mark(entry.node)
        if entry.admitted and not self._replacing:
            self.observer.kubelet_admitted(entry.our_verdict, entry)

    def _progress(self, entry: PodEntry, record: Pod) -> None:
        """A bound pod was admitted by its kubelet, or its containers started."""
        admitted = bool(record.status.start_time) and not entry.admitted
        started = record.status.phase == "Running" and not entry.running
        if not (admitted or started):
            return
        entry.admitted = entry.admitted or admitted
        entry.running = entry.running or started
        self._state(entry.node).hold(entry)
        self._mark(entry.node)
        if admitted:
            self.observer.kubelet_admitted(entry.our_verdict, entry)

    def _put_unbound(self, record: Pod) -> None:
        uid = record.metadata.uid
        promise = self.promises.get(uid)
        if promise is None:
            return
        nominated = record.status.nominated_node_name or ""
        if nominated == promise.node:
            if promise.until is not None:
                self.promises[uid] = replace(promise, until=None)
            return
        if attempt_failed(record, promise.attempt):
            self.withdraw(uid)
        elif promise.until is None:
            self.promises[uid] = replace(promise, until=self.now + self.promise_seconds)

    def _note_refusal(self, record: Pod) -> PodEntry | None:
        """The entry of a pod that its kubelet has just refused; None for all others."""
        reason = record.status.reason or ""
        entry = self.pods.get(record.metadata.uid)
        if entry is None or entry.uid in self._refused or not (reason in _REFUSALS or reason.startswith(_OUT_OF)):
            return None
        self._refused.add(entry.uid)
        self.observer.kubelet_refused(reason, entry.our_verdict, entry, record.status.message or "")
        return entry

    def _learn(self, entry: PodEntry, reason: str) -> None:
        state = self.nodes.get(entry.node)
        if state is not None and state.learned.refused(entry.demand, reason):
            state.facts_changed = True
        self.taught[entry.node] = None
        self._mark(entry.node)

    def _end_pod(self, uid: str) -> None:
        entry = self.pods.pop(uid, None)
        if entry is None:
            return
        siblings = self._pods_of_vmi.get(entry.vmi)
        if siblings is not None:
            siblings.discard(uid)
            if not siblings:
                del self._pods_of_vmi[entry.vmi]
        state = self.nodes.get(entry.node)
        if state is not None:
            state.end(entry, self.now)
            self._mark(entry.node)
            self._forget_if_empty(entry.node)

    def _keep_pods(self, uids: set[str]) -> None:
        for uid in [uid for uid in self.pods if uid not in uids]:
            self._end_pod(uid)
        for uid in [uid for uid in self.promises if uid not in uids]:
            self.withdraw(uid)
        self._refused &= uids

    # --- inside: VMs ---------------------------------------------------------------------------------------

    def _put_vmi(self, record: Vmi) -> None:
        try:
            guest: Guest | None = guest_of(record)
        except BadObject:
            guest = None
        self.layouts.see(record, guest)
        self._set_guest(record.metadata.uid, guest)

    def _set_guest(self, uid: str, guest: Guest | None) -> None:
        if self.guests.get(uid) == guest:
            return
        if guest is None:
            self.guests.pop(uid, None)
        else:
            self.guests[uid] = guest
        for pod in self._pods_of_vmi.get(uid, ()):
            self._mark(self.pods[pod].node)
