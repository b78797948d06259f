"""The whole picture: nodes, pods, VMs, and the kernel's table that is made of them.

A pure core: events in, rows out; it never awaits and never reads the clock (`tick` brings the time). Events mark
nodes; a marked node's row is made again whole before anybody reads the table.
"""

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from _fastfit import Table
from _fastfit.codes import Code
from extender.api.objects import Migration, Pod
from extender.cache.collections import PartitionedDict
from extender.cache.events import Record, Relist, Source
from extender.cache.in_flight import doubt_in_flight, probe_under_way
from extender.cache.kinds import Change, kinds_of
from extender.cache.nodes.facts import NodeStatement
from extender.cache.nodes.node import NodeState
from extender.cache.nodes.nrt import Nrt
from extender.cache.nodes.pools import Pools
from extender.cache.observer import ClusterObserver, NoClusterObserver
from extender.cache.pods.attempt import AssumedPlacement, Attempt, Nomination, attempt_failed, attempt_of
from extender.cache.pods.pod import PodEntry, entry_of, is_over, is_refusal
from extender.cache.relist import PodRelist
from extender.cache.vms.failed_migrations import NodeFailures
from extender.cache.vms.guest_cells import Seen
from extender.cache.vms.inference import Inference
from extender.cache.vms.vm import Vms
from extender.kubelet.results import Admitted, Refused
from extender.kubevirt.migration.policy import MigrationPolicy
from extender.reasons import wire_texts

__all__ = ["Cluster"]

_MOST_GONE = 1024  # deleted pods whose UIDs are kept
#: Pods of one node that are played in one step of `work`.
_PODS_AT_ONCE = 8


class Cluster:
    """Takes events (state.events.Sink), keeps the picture, owns the kernel's table."""

    def __init__(
        self, pools: Pools | None = None, *, promise_seconds: float = 30.0, report_stale_after: float = 0.0
    ) -> None:
        self.pools = pools or Pools()
        self.promise_seconds = promise_seconds
        self.report_stale_after = report_stale_after
        self.table = Table(wire_texts())
        self.observer: ClusterObserver = NoClusterObserver()
        #: what we say of a pod on its node at the moment of binding: fits, unknown, refused or none
        self.judge: Callable[[PodEntry], str] = lambda _pod: "none"
        self.now = 0.0
        #: grows with whatever may change an answer
        self.changes = 0
        self.nodes: dict[str, NodeState] = {}
        #: all and only the live bound pods that hold something, by UID
        self.pods: PartitionedDict[str, PodEntry] = PartitionedDict()
        self.vms = Vms()
        self.assumed: dict[str, AssumedPlacement] = {}
        #: pods that kube-scheduler has nominated for a node which has no row yet, by UID
        self._nominations: dict[str, Nomination] = {}
        #: what the guest's cells may do to migration targets whose VM does not say
        self.migration = MigrationPolicy.PREFER
        #: device resources that some zone reports
        self.zoned_devices: frozenset[str] = frozenset()
        #: kinds that are watched with success: an object that we have not seen is on its way
        self.served: set[Source] = set()
        self.failures = NodeFailures(self.nodes)
        #: UIDs of pods whose refusal has been counted, until they are gone
        self._refused: set[str] = set()
        #: UIDs of pods that were deleted lately: a call about one may still be on its way
        self._gone: dict[str, None] = {}
        #: names of nodes whose row is older than its sources
        self._dirty: dict[str, None] = {}
        self._inference = Inference(self.nodes, self.vms)
        #: every kind but pods
        changes: Mapping[Source, Change] = {
            Source.NODES: self._set_statement, Source.NRTS: self._set_nrt, Source.VMIS: self._set_vm,
            Source.MIGRATIONS: self._set_migration, Source.KUBEVIRTS: partial(self._note, self.vms.put_installation),
        }  # fmt: skip
        self._keyed = kinds_of(self.nodes, self.vms, changes)

    # --- reading ---------------------------------------------------------------------------------------

    @property
    def generation(self) -> int:
        """Rises with every change of a row."""
        return self.table.generation

    def tracked_pods(self) -> int:
        """Pods that hold something or are promised something."""
        return len(self.pods) + len(self.assumed)

    def node(self, name: str) -> NodeState | None:
        """A node of the picture whose Node object has been seen."""
        state = self.nodes.get(name)
        return state if state is not None and state.known else None

    # --- events (Sink) -----------------------------------------------------------------------------------

    def put(self, source: Source, record: Record) -> None:
        """An object was added or changed."""
        if source is Source.PODS:
            assert isinstance(record, Pod)
            self.put_pod(record)
        else:
            self._keyed[source].put(record)
        self.served.add(source)

    def delete(self, source: Source, record: Record) -> None:
        """An object is gone."""
        if source is Source.PODS:
            uid = record.metadata.uid
            self._refused.discard(uid)
            self._end_pods([uid])
            self.forget(uid)
            self._gone[uid] = None
            if len(self._gone) > _MOST_GONE:
                del self._gone[next(iter(self._gone))]
        else:
            self._keyed[source].delete(record)
        self.served.add(source)

    def begin_relist(self, source: Source) -> Relist:
        """Begins a whole list of a kind; nothing changes before its swap. Rows follow at the next `work`."""
        done = partial(self.served.add, source)
        return PodRelist(self, done) if source is Source.PODS else self._keyed[source].begin_relist(done)

    def replace(self, source: Source, records: Iterable[Record]) -> None:
        """The whole list of a kind at once: what is not in it is gone."""
        relist = self.begin_relist(source)
        for record in records:
            relist.put(record)
        for _ in relist.swap():
            pass

    def absent(self, source: Source) -> None:
        """The API server does not serve this kind."""
        self.replace(source, ())
        self.served.discard(source)

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
        self.changes += 1
        for name, state in self.nodes.items():
            state.facts_changed = True
            self._mark_dirty(name)
        self.table.unseen_mode, self.table.unseen_actions = pools.rest.mode, pools.rest.actions

    def tick(self, now: float, pods_known_until: float | None = None) -> None:
        """Brings the time: promises run out, reports grow old.

        `pods_known_until`: up to when bindings would have been seen; now, where that is not said. While the watch of pods
        is broken nothing runs out: what was promised may be bound by now.
        """
        self.now = now
        known = now if pods_known_until is None else min(now, pods_known_until)
        for uid in [uid for uid, one in self.assumed.items() if one.until is not None and one.until < known]:
            self.forget(uid)
        if self.report_stale_after:
            for name, state in self.nodes.items():
                if state.nrt is not None and (now - state.nrt_at > self.report_stale_after) != state.stale:
                    self._mark_dirty(name)

    # --- rows --------------------------------------------------------------------------------------------

    def work(self, limit: int = 0) -> int:
        """Makes the rows of marked nodes, in at most `limit` steps (0: all). Returns how many are still to do.

        Once every row is true, what the nodes teach of their VMs' cells is learned.
        """
        done = 0
        while (self._dirty or self._inference) and (not limit or done < limit):
            if self._dirty:
                name = next(iter(self._dirty))
                del self._dirty[name]
                if not self._refresh(name, _PODS_AT_ONCE if limit else 0):
                    self._mark_dirty(name)
            else:
                self._inference.step(whole=not limit)
            done += 1
        return len(self._dirty) + len(self._inference)

    def freshen(self, name: str) -> None:
        """Makes the row of one node, if it is marked."""
        if name in self._dirty:
            del self._dirty[name]
            self._refresh(name, 0)

    # --- promises ----------------------------------------------------------------------------------------

    def assume(
        self, pod: PodEntry, node: str, attempt: Attempt, verdict: str, *, nominated: bool
    ) -> Refused | Code | None:
        """Charges an unbound pod to the node that we ranked first, in place of its earlier promise.

        Returns the kubelet model's refusal, or why the pod must wait for others on their way there; then nothing is
        promised.
        """
        self.forget(pod.uid)
        state = self.node(node)
        if pod.uid in self.pods or pod.uid in self._gone or state is None:
            return None
        state.settle()
        entry = replace(pod, node=node)
        if probe_under_way(state, entry):
            return Code.ProbeUnderWay
        answer = state.ledger.assume(entry)
        if isinstance(answer, Refused):
            return answer
        doubt = doubt_in_flight(state, entry, self.vms.guest_in) if answer is not None else None
        if doubt is not None:
            state.ledger.forget(pod.uid)
            return doubt
        until = None if nominated else self.now + self.promise_seconds
        self.assumed[pod.uid] = AssumedPlacement(node, attempt, until, verdict)
        if isinstance(answer, Admitted):
            self._mark_dirty(node)
        return None

    def renew(self, uid: str) -> None:
        """The pod is still on its way: its promise, if it has one, lasts as long as a new one."""
        assumed = self.assumed.get(uid)
        if assumed is not None and assumed.until is not None:
            self.assumed[uid] = replace(assumed, until=self.now + self.promise_seconds)

    def forget(self, uid: str) -> None:
        """Ends the pod's promise, if it has one."""
        self._nominations.pop(uid, None)
        assumed = self.assumed.pop(uid, None)
        if assumed is not None and assumed.node in self.nodes and self.nodes[assumed.node].ledger.forget(uid):
            self._mark_dirty(assumed.node)

    # --- inside: nodes and reports -------------------------------------------------------------------------

    def _set_statement(self, name: str, statement: NodeStatement | None) -> None:
        if statement is not None:
            if self._state(name).set_statement(statement):
                self._mark_dirty(name)
            return
        if name not in self.nodes:
            return
        self.nodes[name].set_statement(None)
        self._dirty.pop(name, None)
        self.table.drop(name)
        for uid in [uid for uid, assumed in self.assumed.items() if assumed.node == name]:
            self.forget(uid)
        self._forget_if_empty(name)

    def _set_nrt(self, name: str, nrt: Nrt | None) -> None:
        state = self.nodes.get(name) if nrt is None else self._state(name)
        if state is not None and state.set_nrt(nrt, self.now):
            self._mark_dirty(name)
        if nrt is None:
            self._forget_if_empty(name)

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

    def _mark_dirty(self, name: str) -> None:
        self._dirty[name] = None
        self.changes += 1

    def _refresh(self, name: str, limit: int) -> bool:
        state = self.nodes.get(name)
        if state is None or not state.known:
            return True
        old_devices = state.facts.devices
        ready = state.prepare(self.pools, limit)
        if state.facts.devices != old_devices:
            self.zoned_devices |= frozenset(state.facts.devices)
        if ready:
            self._assume_nominated(state)
            self.table.put(state.refresh(self.now, self.report_stale_after, self.vms.guest_in))
            self._inference.begin(name)
        return ready

    def _assume_nominated(self, state: NodeState) -> None:
        for uid in [uid for uid, one in self._nominations.items() if one.node == state.name]:
            one = self._nominations.pop(uid)
            if isinstance(state.ledger.assume(replace(one.pod, node=state.name)), Admitted):
                self.assumed[uid] = AssumedPlacement(state.name, one.attempt, None, "none")

    # --- inside: pods --------------------------------------------------------------------------------------

    def put_pod(self, record: Pod) -> None:
        """A pod was added or changed (see PodTable)."""
        uid = record.metadata.uid
        if is_over(record):
            refused = self._note_refusal(record)
            self._end_pods([uid])
            self.forget(uid)
            if refused is not None:
                self.failures.kubelet_refused(refused, record.status.reason or "")
                self._mark_dirty(refused.node)
            return
        if not record.spec.node_name:
            self._put_unbound(record)
            return
        known = self.pods.get(uid)
        if known is not None:
            self._progress(known, bool(record.status.start_time), record.status.phase == "Running")
            return
        entry = entry_of(record)
        if entry is None:
            self.forget(uid)
            return
        self._bind(entry, listed=False)

    def _bind(self, entry: PodEntry, *, listed: bool) -> None:
        """`listed`: a whole list shows it, so it was bound at some time in the past."""
        assumed = self.assumed.get(entry.uid)
        if assumed is not None and assumed.node == entry.node:
            del self.assumed[entry.uid]
            entry.our_verdict = assumed.verdict
            entry.boot_seen = True
        else:
            self.forget(entry.uid)
            entry.our_verdict = "none" if listed else self.judge(entry)
            entry.boot_seen = not listed
        self.pods[entry.uid] = entry
        self.vms.hold(entry)
        state = self._state(entry.node)
        entry.node = state.name
        if entry.launcher and not entry.boots and self.vms.is_migration_target(entry, listed=listed):
            self.failures.arrives(entry, state)
        state.hold(entry)
        self._mark_dirty(entry.node)
        if entry.admitted and not listed:
            self.observer.kubelet_admitted(entry.our_verdict, entry)

    def _progress(self, entry: PodEntry, admitted: bool, running: bool) -> None:
        """A bound pod was admitted by its kubelet, or its containers started."""
        admitted = admitted and not entry.admitted
        started = running and not entry.running
        if not (admitted or started):
            return
        entry.admitted = entry.admitted or admitted
        entry.running = entry.running or started
        self._state(entry.node).hold(entry)
        self._mark_dirty(entry.node)
        if admitted:
            self.observer.kubelet_admitted(entry.our_verdict, entry)

    def _put_unbound(self, record: Pod) -> None:
        uid = record.metadata.uid
        assumed = self.assumed.get(uid)
        nominated = record.status.nominated_node_name or ""
        if assumed is None:
            self._nominations.pop(uid, None)
            entry = entry_of(record) if nominated else None
            if entry is not None and entry.launcher:
                # Decided before our time, or by another replica, and not bound yet: perhaps its volumes are.
                self._nominations[uid] = Nomination(nominated, entry, attempt_of(record))
                self._mark_dirty(nominated)
            return
        if nominated == assumed.node:
            if assumed.until is not None:
                self.assumed[uid] = replace(assumed, until=None)
            return
        if attempt_failed(record, assumed.attempt):
            self.forget(uid)
        elif assumed.until is None:
            self.assumed[uid] = replace(assumed, until=self.now + self.promise_seconds)

    def _note_refusal(self, record: Pod) -> PodEntry | None:
        """The entry of a pod that its kubelet has just refused; None for all others."""
        reason = record.status.reason or ""
        entry = self.pods.get(record.metadata.uid)
        if entry is None or entry.uid in self._refused or not is_refusal(reason):
            return None
        self._refused.add(entry.uid)
        self.observer.kubelet_refused(reason, entry.our_verdict, entry, record.status.message or "")
        return entry

    def _end_pods(self, uids: Iterable[str]) -> None:
        """Pods that hold nothing any more; those known are all of one node."""
        ended = [entry for uid in uids if (entry := self.pods.pop(uid, None)) is not None]
        for entry in ended:
            self.vms.end(entry)
        state = self.nodes.get(ended[0].node) if ended else None
        if state is not None:
            state.end(ended, self.now)
            self._mark_dirty(state.name)
            self._forget_if_empty(state.name)

    # --- inside: a list of pods (state.staging.PodTable) -----------------------------------------------------

    def take_node(self, node: str, pods: Mapping[str, PodEntry]) -> None:
        """See PodTable."""
        state = self.nodes.get(node)
        if state is not None and (gone := [uid for uid in state.bound() if uid not in pods]):
            self._end_pods(gone)
        for uid, entry in pods.items():
            known = self.pods.get(uid)
            if known is not None and known.node != node:
                self._end_pods([uid])
                known = None
            if known is None:
                self._bind(entry, listed=True)
            else:
                self._progress(known, entry.admitted, entry.running)

    def forget_refusals(self, existing: Container[str]) -> None:
        """See PodTable."""
        self._refused = {uid for uid in self._refused if uid in existing}

    # --- inside: VMs ---------------------------------------------------------------------------------------

    def _set_vm(self, uid: str, known: Seen | None) -> None:
        self.changes += 1
        if self.vms.put(uid, known):
            for pod in self.vms.pods_of(uid):
                self._mark_dirty(pod.node)

    def _note(self, put: Callable[[Any, Any], None], key: Any, known: Any) -> None:
        self.changes += 1
        put(key, known)

    def _set_migration(self, key: tuple[str, str], record: Migration | None) -> None:
        self._note(self.vms.put_migration, key, record)
        with_history = self.failures.migration_changed(record, self.vms.layouts.cells) if record is not None else ""
        if with_history:
            self._mark_dirty(with_history)
