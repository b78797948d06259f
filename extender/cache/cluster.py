"""The cache of the cluster: nodes, pods, VMs, and the kernel's table that is made of them.

A pure core: events in, rows and effects out; it never awaits and never reads the clock (`advance` brings the time).
Events mark nodes as dirty; a dirty node's row is made again, whole, before a call is answered.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any

from _fastfit import Table
from _fastfit.codes import Code
from extender.api.objects import Migration, Pod
from extender.bounded import BoundedSet
from extender.cache.assumed import AssumedPods
from extender.cache.collections import PartitionedDict
from extender.cache.effects import NO_EFFECTS, Effect, Effects, PodAdmitted, PodBound, PodRefused
from extender.cache.events import Record, Source
from extender.cache.failures import NodeFailures
from extender.cache.nodes.dirty import DirtyNodes
from extender.cache.nodes.facts import NodeStatement
from extender.cache.nodes.node import NodeState
from extender.cache.nodes.nrt_age import SeenNrt
from extender.cache.nodes.pools import Pools
from extender.cache.pods.attempt import Attempt
from extender.cache.pods.pod import PodEntry, entry_of, is_over
from extender.cache.pods.refusal import cause_of, is_refusal
from extender.cache.relist import Change, ObjectRelist, PodRelist, kinds_of
from extender.cache.vms.guest_cells import SeenVmi
from extender.cache.vms.inference import Inference
from extender.cache.vms.vm import Vms
from extender.kubelet.pod import PodDemand
from extender.kubelet.results import Refused
from extender.kubevirt.migration.policy import MigrationPolicy, Move
from extender.reasons import wire_texts

__all__ = ["Cluster"]

#: Deleted pods whose UIDs are kept.
_GONE = 1024
#: Pods of one node that are played in one step of `make_rows`.
_PODS_AT_ONCE = 8


class Cluster:
    """Takes events, keeps what is known of the cluster, owns the kernel's table.

    Whoever answers a call brings it up to date first (`sync`); queries change nothing.
    """

    def __init__(
        self, pools: Pools | None = None, *, promise_seconds: float = 30.0, nrt_stale_after: float = 0.0
    ) -> None:
        self.pools = pools or Pools()
        self.nrt_stale_after = nrt_stale_after
        self.table = Table(wire_texts())
        self.now = 0.0
        #: seconds since the epoch at 0 of the clock that `now` is of; None: not told
        self.epoch: float | None = None
        self.nodes: dict[str, NodeState] = {}
        #: all and only the live bound pods that hold something, by UID
        self.pods: PartitionedDict[str, PodEntry] = PartitionedDict()
        self.vms = Vms()
        #: what the guest's cells may do to migration targets whose VM does not say
        self.migration = MigrationPolicy.PREFER
        #: whether a VM's annotation wins over it
        self.owners_decide = True
        #: device resources that some zone reports
        self.zoned_devices: frozenset[str] = frozenset()
        #: nodes whose row is older than its sources
        self._dirty = DirtyNodes()
        self.assumed = AssumedPods(self.nodes, self._dirty, seconds=promise_seconds)
        self._failures = NodeFailures(self.nodes)
        self._inference = Inference(self.nodes, self.vms)
        #: kinds that are watched with success
        self._served: set[Source] = set()
        #: False where pods are not served at all, as in a file without them
        self._pods_seen = True
        #: UIDs of pods whose refusal has been counted, until they are gone
        self._refused: set[str] = set()
        #: UIDs of pods that were deleted lately: a call about one may still be on its way
        self._gone: BoundedSet[str] = BoundedSet(_GONE)
        #: every kind but pods
        changes: Mapping[Source, Change] = {
            Source.NODES: self._set_statement, Source.NRTS: self._set_nrt, Source.VMIS: self._set_vm,
            Source.MIGRATIONS: self._set_migration, Source.KUBEVIRTS: partial(self._note, self.vms.put_installation),
        }  # fmt: skip
        self._kinds = kinds_of(self.nodes, self.vms, changes)

    # --- queries -----------------------------------------------------------------------------------------

    @property
    def generation(self) -> int:
        """Grows with every change of a row."""
        return self.table.generation

    @property
    def changes(self) -> int:
        """Grows with whatever may change an answer."""
        return self._dirty.changes

    @property
    def has_work(self) -> bool:
        """Whether `make_rows` has something to do."""
        return bool(self._dirty or self._inference)

    def tracked_pods(self) -> int:
        """Pods that hold something or are assumed somewhere."""
        return len(self.pods) + len(self.assumed)

    def node(self, name: str) -> NodeState | None:
        """A node whose Node object has been seen."""
        state = self.nodes.get(name)
        return state if state is not None and state.known else None

    def is_served(self, source: Source) -> bool:
        """Whether the kind is watched with success: an object of it that has not been seen is on its way."""
        return source in self._served

    def excluded_nodes(self, demand: PodDemand, move: Move | None) -> list[tuple[str, Code]]:
        """Nodes on which an equal pod failed and is not tried again yet, see NodeFailures."""
        return self._failures.excluded_nodes(demand, move, self.now)

    def bound_pods(self) -> Iterator[PodEntry]:
        """Bound pods node by node. Some may come or go while they are iterated."""
        # A list of all pods would be one long step.
        for state in list(self.nodes.values()):
            for uid in list(state.bound()):
                pod = self.pods.get(uid)
                if pod is not None:
                    yield pod

    # --- events ------------------------------------------------------------------------------------------

    def put(self, source: Source, record: Record) -> Effects:
        """An object was added or changed."""
        effects = NO_EFFECTS
        if source is Source.PODS:
            assert isinstance(record, Pod)
            effects = self.put_pod(record)
        else:
            self._kinds[source].put(record)
        self._served.add(source)
        return effects

    def delete(self, source: Source, record: Record) -> Effects:
        """An object is gone."""
        if source is Source.PODS:
            uid = record.metadata.uid
            self._refused.discard(uid)
            self._end_pods([uid])
            self.forget(uid)
            self._gone.add(uid)
        else:
            self._kinds[source].delete(record)
        self._served.add(source)
        return NO_EFFECTS

    def begin_relist(self, source: Source) -> PodRelist | ObjectRelist[Any, Any]:
        """Begins a whole list of a kind; nothing changes before its swap. Rows follow at the next `make_rows`."""
        done = partial(self._served.add, source)
        return PodRelist(self, done) if source is Source.PODS else self._kinds[source].begin_relist(done)

    def replace(self, source: Source, records: Iterable[Record]) -> Effects:
        """The whole list of a kind at once: what is not in it is gone."""
        relist = self.begin_relist(source)
        for record in records:
            relist.put(record)
        return tuple(chain.from_iterable(relist.swap()))

    def absent(self, source: Source) -> Effects:
        """The API server does not serve this kind."""
        effects = self.replace(source, ())
        self._served.discard(source)
        if source is Source.PODS:
            self._pods_seen = False
            for name in self.nodes:
                self._dirty.mark(name)
        return effects

    def configure(
        self,
        pools: Pools,
        *,
        promise_seconds: float,
        nrt_stale_after: float,
        migration: MigrationPolicy = MigrationPolicy.PREFER,
        owners_decide: bool = True,
    ) -> None:
        """New settings: every node's facts are read again at the next `make_rows`."""
        self.pools = pools
        self.assumed.seconds = promise_seconds
        self.nrt_stale_after = nrt_stale_after
        self.migration = migration
        self.owners_decide = owners_decide
        self._dirty.changes += 1
        for name, state in self.nodes.items():
            state.facts_changed = True
            self._dirty.mark(name)
        self.table.unseen_mode, self.table.unseen_actions = pools.rest.mode, pools.rest.actions

    def tick(self, now: float, pods_known_until: float | None = None) -> None:
        """Brings the time: assumed placements expire, NRTs grow old. To be called every second or so.

        `pods_known_until`: up to when bindings would have been seen; now, where that is not said. While the watch of pods
        is broken no placement expires: an assumed pod may be bound by now.
        """
        self.advance(now)
        self.assumed.expire(now if pods_known_until is None else min(now, pods_known_until))
        self._failures.drop_empty()
        if self.nrt_stale_after:
            for name, state in self.nodes.items():
                if state.nrt is not None and (now - state.nrt_at > self.nrt_stale_after) != state.stale:
                    self._dirty.mark(name)

    def advance(self, now: float) -> None:
        """Brings the time alone."""
        self.now = now

    # --- rows --------------------------------------------------------------------------------------------

    def sync(self, now: float) -> None:
        """Brings everything up to date: the time, and the row of every dirty node."""
        self.advance(now)
        self.make_rows()

    def make_rows(self, limit: int = 0) -> int:
        """Makes the rows of dirty nodes, in at most `limit` steps (0: all). Returns how many are still to do.

        Once no node is dirty, the guest cells of VMs that booted are inferred from their nodes.
        """
        done = 0
        while self.has_work and (not limit or done < limit):
            if self._dirty:
                name = self._dirty.first()
                self._dirty.discard(name)
                if not self._refresh(name, _PODS_AT_ONCE if limit else 0):
                    self._dirty.mark(name)
            else:
                self._inference.step(whole=not limit)
            done += 1
        return len(self._dirty) + len(self._inference)

    def make_row(self, name: str) -> None:
        """Makes the row of one node, if it is dirty."""
        if self._dirty.discard(name):
            self._refresh(name, 0)

    # --- assumed placements ------------------------------------------------------------------------------

    def assume(
        self, pod: PodEntry, node: str, attempt: Attempt, verdict: str, *, nominated: bool, late: int = 0
    ) -> Refused | Code | None:
        """Assumes an unbound pod on the node that we ranked first, in place of its earlier placement.

        `late`: failures of earlier attempts that may still be reported.

        Returns the kubelet twin's refusal, or why the pod must wait for others on their way there; then nothing is
        assumed.
        """
        self.forget(pod.uid)
        state = self.node(node)
        if pod.uid in self.pods or pod.uid in self._gone or state is None:
            return None
        until = None if nominated else self.now + self.assumed.seconds
        return self.assumed.assume(pod, state, attempt, verdict, until=until, guest_in=self.vms.guest_in, late=late)

    def renew(self, uid: str) -> None:
        """The pod is still on its way: its placement, if it has one, waits as long as a new one."""
        self.assumed.renew(uid, self.now)

    def begin_attempt(self, uid: str, attempt: Attempt | None) -> int:
        """A call about a pod begins: ends its earlier assumed placement.

        `attempt`: what the scheduling attempt starts from, of the first call of one. Returns how many failures of earlier
        attempts may still be reported.
        """
        late = self.assumed.late_failures(uid, attempt)
        self.forget(uid)
        return late

    def forget(self, uid: str) -> None:
        """Ends the pod's assumed placement, if it has one."""
        self.assumed.forget(uid)

    def record_verdict(self, pod: PodEntry, verdict: str) -> None:
        """What we say of a pod on the node where somebody else has bound it (see PodBound)."""
        pod.our_verdict = verdict

    # --- inside: nodes and NRTs --------------------------------------------------------------------------

    def _set_statement(self, name: str, statement: NodeStatement | None) -> None:
        if statement is not None:
            if self._state(name).set_statement(statement):
                self._dirty.mark(name)
            return
        if name not in self.nodes:
            return
        self.nodes[name].set_statement(None)
        self._dirty.discard(name)
        self.table.drop(name)
        self.assumed.drop_node(name)
        self._drop_if_empty(name)

    def _set_nrt(self, name: str, seen: SeenNrt | None) -> None:
        state = self.nodes.get(name) if seen is None else self._state(name)
        if state is not None and state.set_nrt(seen, self.now, self.epoch):
            self._dirty.mark(name)
        if seen is None:
            self._drop_if_empty(name)

    def _state(self, name: str) -> NodeState:
        state = self.nodes.get(name)
        if state is None:
            state = self.nodes[name] = NodeState(name)
        return state

    def _drop_if_empty(self, name: str) -> None:
        """A node without a Node object, an NRT or a pod is dropped."""
        state = self.nodes.get(name)
        if state is not None and state.empty:
            del self.nodes[name]
            self._dirty.discard(name)

    def _refresh(self, name: str, limit: int) -> bool:
        """A step towards the row of a node. Returns whether it was the last one."""
        state = self.nodes.get(name)
        if state is None or not state.known:
            return True
        old_devices = state.facts.devices
        ready = state.prepare(self.pools, limit)
        if state.facts.devices != old_devices:
            self.zoned_devices |= frozenset(state.facts.devices)
        if ready:
            self.assumed.assume_nominated(state)
            state.pods_seen = self._pods_seen
            self.table.put(state.refresh(self.now, self.nrt_stale_after, self.vms.guest_in))
            self._inference.begin(name)
        return ready

    # --- inside: pods ------------------------------------------------------------------------------------

    def put_pod(self, record: Pod) -> Effects:
        """A pod was added or changed (see PodTable)."""
        uid = record.metadata.uid
        if is_over(record):
            refused = self._new_refusal(record)
            self._end_pods([uid])
            self.forget(uid)
            if refused is None:
                return NO_EFFECTS
            cause = cause_of(refused.reason, refused.message)
            if cause is not None:
                self._failures.kubelet_refused(refused.pod, cause, self.now)
            self._dirty.mark(refused.pod.node)
            return (refused,)
        if not record.spec.node_name:
            self.assumed.update(record, self.now)
            return NO_EFFECTS
        known = self.pods.get(uid)
        if known is not None:
            return self._progress(known, bool(record.status.start_time), record.status.phase == "Running")
        entry = entry_of(record)
        if entry is None:
            self.forget(uid)
            return NO_EFFECTS
        return self._bind(entry, listed=False)

    def _bind(self, entry: PodEntry, *, listed: bool) -> Effects:
        """`listed`: a whole list shows it, so it was bound at some time in the past."""
        effects: list[Effect] = []
        entry.placed_by_us = self.assumed.take_offer(entry.uid)
        assumed = self.assumed.bind(entry.uid, entry.node)
        if assumed is not None:
            entry.our_verdict = assumed.verdict
            entry.placed_by_us = assumed.decided
        elif entry.launcher and not listed:
            # The verdict on it is of the node as it was just before.
            self.make_row(entry.node)
            effects.append(PodBound(entry))
        entry.boot_seen = assumed is not None or not listed
        self.pods[entry.uid] = entry
        self.vms.hold(entry)
        state = self._state(entry.node)
        entry.node = state.name
        if entry.launcher and not entry.boots and self.vms.is_migration_target(entry, listed=listed):
            self._failures.target_bound(entry, state)
        state.hold(entry)
        self._dirty.mark(entry.node)
        if entry.admitted and not listed:
            effects.append(PodAdmitted(entry))
        return effects

    def _progress(self, entry: PodEntry, admitted: bool, running: bool) -> Effects:
        """A bound pod was admitted by its kubelet, or its containers started."""
        admitted = admitted and not entry.admitted
        started = running and not entry.running
        if not (admitted or started):
            return NO_EFFECTS
        entry.admitted = entry.admitted or admitted
        entry.running = entry.running or started
        self._state(entry.node).hold(entry)
        self._dirty.mark(entry.node)
        return (PodAdmitted(entry),) if admitted else NO_EFFECTS

    def _new_refusal(self, record: Pod) -> PodRefused | None:
        """The refusal of a pod by its kubelet, once; None for all other pods that are over."""
        reason = record.status.reason or ""
        entry = self.pods.get(record.metadata.uid)
        if entry is None or entry.uid in self._refused or not is_refusal(reason):
            return None
        self._refused.add(entry.uid)
        return PodRefused(entry, reason, record.status.message or "")

    def _end_pods(self, uids: Iterable[str]) -> None:
        """Pods that hold nothing any more; those known are all of one node."""
        ended = [entry for uid in uids if (entry := self.pods.pop(uid, None)) is not None]
        for entry in ended:
            self.vms.end(entry)
        state = self.nodes.get(ended[0].node) if ended else None
        if state is not None:
            state.end(ended, self.now)
            self._dirty.mark(state.name)
            self._drop_if_empty(state.name)

    # --- inside: a list of pods (relist.PodTable) ----------------------------------------------------------

    def take_node(self, node: str, pods: Mapping[str, PodEntry]) -> Effects:
        """See PodTable."""
        state = self.nodes.get(node)
        if state is not None and (gone := [uid for uid in state.bound() if uid not in pods]):
            self._end_pods(gone)
        effects: list[Effect] = []
        for uid, entry in pods.items():
            known = self.pods.get(uid)
            if known is not None and known.node != node:
                self._end_pods([uid])
                known = None
            if known is None:
                effects += self._bind(entry, listed=True)
            else:
                effects += self._progress(known, entry.admitted, entry.running)
        return effects

    def forget_refusals(self, existing: Container[str]) -> None:
        """See PodTable."""
        self._refused = {uid for uid in self._refused if uid in existing}

    # --- inside: VMs ---------------------------------------------------------------------------------------

    def _set_vm(self, uid: str, known: SeenVmi | None) -> None:
        self._dirty.changes += 1
        if self.vms.put(uid, known):
            for pod in self.vms.pods_of(uid):
                self._dirty.mark(pod.node)

    def _note(self, put: Callable[[Any, Any], None], key: Any, known: Any) -> None:
        self._dirty.changes += 1
        put(key, known)

    def _set_migration(self, key: tuple[str, str], record: Migration | None) -> None:
        self._note(self.vms.put_migration, key, record)
        failed_on = self._failures.migration_changed(record, self.vms.cells_of) if record is not None else ""
        if failed_on:
            self._dirty.mark(failed_on)
