"""One node in the cache: what was stated of it, what is known of it, what its ledger holds, and its row."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from _fastfit.codes import Code
from _fastfit.model import Row
from extender.cache.nodes.facts import NodeFacts, NodeStatement, facts_of, with_code
from extender.cache.nodes.ledger import NodeLedger
from extender.cache.nodes.nrt import Nrt
from extender.cache.nodes.nrt_age import SeenNrt, changed_at
from extender.cache.nodes.placement import PodGuest
from extender.cache.nodes.pools import Pool, Pools
from extender.cache.nodes.reconcile import NONE, free_amounts, proof_of, reconcile, shows_all_ended
from extender.cache.nodes.refusals import RefusalHistory
from extender.cache.nodes.row import Reconciliation, make_row
from extender.cache.pods.pod import PodEntry, splits_cores
from extender.kubelet.cpu_topology import shared_topology
from extender.kubelet.cpuset import bits
from extender.kubelet.pod import PodDemand
from extender.kubelet.versions import STAND_INS, stand_in_for

__all__ = ["NodeState", "stand_in_nodes"]

#: Seconds after which an ended pod is no longer credited to a lagging report (exporters publish every 60 s).
_CREDIT_SECONDS = 90.0

#: Makes a default pool for nodes that are not known yet.
_NO_POOL = Pool()


class NodeState:
    """A node known from its Node object, its report or its pods, whichever came first."""

    __slots__ = (
        "_ended",
        "_incarnation",
        "_pending",
        "facts",
        "facts_changed",
        "ledger",
        "name",
        "nrt",
        "nrt_at",
        "pods_seen",
        "refusals",
        "row",
        "seen_nrt",
        "stale",
        "statement",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.statement: NodeStatement | None = None
        self.nrt: Nrt | None = None
        #: the same with what tells its age
        self.seen_nrt: SeenNrt | None = None
        #: when the report last changed, on the caller's clock
        self.nrt_at = 0.0
        #: pods are served at all: what they hold is known
        self.pods_seen = True
        self.stale = False
        self.facts = facts_of(_unseen(name), None, _NO_POOL)
        self.ledger = NodeLedger(self.facts)
        self.row: Row | None = None
        self.refusals = RefusalHistory()
        #: of the Node object that was seen last
        self._incarnation: tuple[str, ...] | None = None
        #: what pods that ended lately may still hold in the report: (when, zone id -> resource -> amount)
        self._ended: list[tuple[float, dict[int, dict[str, int]]]] = []
        #: facts have to be read again before the next row
        self.facts_changed = False
        #: bound pods that the ledger has not played yet, in the order of their binding
        self._pending: dict[str, PodEntry] = {}

    @property
    def known(self) -> bool:
        """Whether the Node object has been seen: only then the node has a row."""
        return self.statement is not None

    def set_statement(self, statement: NodeStatement | None) -> bool:
        """Takes the Node's narrow form. Returns whether anything of weight changed."""
        if statement == self.statement:
            return False
        if statement is not None:
            if self._incarnation not in (None, statement.incarnation):
                self.refusals.restarted()
            elif self.statement is not None and statement.allocatable != self.statement.allocatable:
                self.refusals.node_changed()
            self._incarnation = statement.incarnation
        self.statement = statement
        self.facts_changed = True
        return True

    def set_nrt(self, seen: SeenNrt | None, now: float, epoch: float | None) -> bool:
        """Takes the node's report; `epoch`: see changed_at. Returns whether anything of weight changed."""
        old = self.nrt
        if seen is not None and seen is not self.seen_nrt:
            self.nrt_at = changed_at(seen, self.seen_nrt, self.nrt_at, now, epoch)
        self.seen_nrt = seen
        nrt = seen.nrt if seen is not None else None
        if nrt is not None and old is not None and nrt == old:
            return False
        self.refusals.node_changed()
        self.nrt = nrt
        if nrt is None or old is None or nrt.ground != old.ground:
            self.facts_changed = True
        return True

    def hold(self, pod: PodEntry) -> None:
        """A pod is bound here, or a bound one was admitted. Played at the next refresh, or before the next pod is assumed."""
        self._pending[pod.uid] = pod
        if pod.admitted:
            self.refusals.admitted(pod.demand)
        if pod.admitted and not self.refusals.admits_split_cores and splits_cores(pod.demand, self.threads_per_core):
            self.refusals.admits_split_cores = True

    def play_pending(self, limit: int = 0) -> bool:
        """Plays the bound pods that wait, at most `limit` of them (0: all). Returns whether none is left."""
        for uid in list(islice(self._pending, limit or None)):
            self.ledger.hold(self._pending.pop(uid))
        return not self._pending

    def bound(self) -> Iterator[str]:
        """UIDs of the pods bound here."""
        yield from self._pending
        for pod in self.ledger.held_pods():
            if pod.uid not in self._pending:
                yield pod.uid

    def awaits_equal(self, demand: PodDemand) -> bool:
        """Whether another pod of equal demand is on its way here, bound or not, and not yet admitted."""
        return any(
            pod.uid != demand.uid and not pod.admitted and pod.demand.shape == demand.shape
            for pod in (*self._pending.values(), *self.ledger.pods())
        )

    @property
    def threads_per_core(self) -> int:
        """Hardware threads of the node's cores; 1 where no machine is known."""
        zones = self.facts.machine.zones if self.facts.machine is not None else ()
        return max((len(core.threads) for zone in zones for core in zone.cores[:1]), default=1)

    @property
    def empty(self) -> bool:
        """Whether nothing speaks of this node any more."""
        return not self.known and self.nrt is None and not self._pending and not any(self.ledger.pods())

    def end(self, pods: Sequence[PodEntry], now: float) -> None:
        """Pods ended: the ledger drops them, the report is credited with them for a while."""
        self.play_pending()
        if any(pod.admitted for pod in pods):
            self.refusals.node_changed()
        before = self._free_by_zone()
        held = [pod for pod in pods if self.ledger.end(pod.uid)]
        if not held or self.nrt is None:
            return
        after = self._free_by_zone()
        freed = {
            zone: {name: amount - before.get(zone, {}).get(name, 0) for name, amount in amounts.items()}
            for zone, amounts in after.items()
        }
        self._ended.append(
            (now, {zone: {n: a for n, a in amounts.items() if a > 0} for zone, amounts in freed.items()})
        )

    def zones_of(self, uid: str) -> tuple[int, ...]:
        """Ids of the zones whose CPUs the twin gave the pod, or its memory where it has no CPUs of its own."""
        placed = self.ledger.placed(uid)
        machine = self.facts.machine
        if placed is None or machine is None:
            return ()
        cpus = placed.cpus
        if not cpus:
            return placed.memory_zones
        return tuple(machine.zones[position].id for position in bits(shared_topology(machine).zones_of(cpus)))

    def prepare(self, pools: Pools, limit: int) -> bool:
        """A step towards a row: facts that changed, and `limit` waiting pods (0: all). Returns whether it was the last.

        An admission takes about 0.1 ms, and a node may have a hundred pods at the first list.
        """
        if self.facts_changed:
            self.facts_changed = False
            self.reread(pools)
        return self.play_pending(limit)

    def refresh(self, now: float, stale_after: float, guest_in: Callable[[PodEntry], PodGuest]) -> Row:
        """The row, made whole from its sources once everything is prepared."""
        self.stale = bool(stale_after) and self.nrt is not None and now - self.nrt_at > stale_after
        facts = self.facts
        if self.stale and facts.code is Code.Fits:
            facts = with_code(facts, Code.ReportStale, f"the report has not changed for {stale_after:.0f} s")
        if not self.pods_seen and facts.code is Code.Fits and self.nrt is not None and self.nrt.misses_available:
            facts = with_code(facts, Code.CpusNotReported, "the report has no available amounts, and no pods are seen")
        change = self._reconciliation(self.nrt, now) if self.nrt is not None else NONE
        self.row = make_row(facts, self.ledger, change, guest_in)
        return self.row

    def _reconciliation(self, nrt: Nrt, now: float) -> Reconciliation:
        held = self.ledger.held_zones()
        if self._ended:
            fresh = [(when, freed) for when, freed in self._ended if now - when < _CREDIT_SECONDS]
            self._ended = [] if not nrt.problem and shows_all_ended(held, nrt) else fresh
        if not held:
            return NONE
        pods = self.ledger.held_pods()
        # A report of which a part cannot be read shows no sums.
        quiet = not nrt.problem and not self._ended and all(pod.admitted for pod in pods)
        return reconcile(held, nrt, self._credits(), proof_of(nrt, pods, quiet=quiet))

    def reread(self, pools: Pools) -> None:
        """Reads the facts from all sources; what is held is played again on them."""
        statement = self.statement or _unseen(self.name)
        facts: NodeFacts = facts_of(statement, self.nrt, pools.of(statement.labels), self.refusals.options)
        machine_changed = facts.machine != self.facts.machine
        same_ground = not machine_changed and facts.config == self.facts.config and facts.devices == self.facts.devices
        same_ground = same_ground and facts.version == self.facts.version
        self.facts = facts
        if same_ground:
            self.ledger.facts = facts
        else:
            self.ledger.reconfigure(facts)

    def _free_by_zone(self) -> dict[int, dict[str, int]]:
        return {zone.id: free_amounts(zone) for zone in self.ledger.held_zones()}

    def _credits(self) -> dict[int, dict[str, int]]:
        total: dict[int, dict[str, int]] = {}
        for _, freed in self._ended:
            for zone, amounts in freed.items():
                for name, amount in amounts.items():
                    zone_total = total.setdefault(zone, {})
                    zone_total[name] = zone_total.get(name, 0) + amount
        return total


def stand_in_nodes(nodes: Iterable[NodeState]) -> dict[str, int]:
    """Nodes that are judged by the rules of another kubelet minor, by why."""
    statements = (node.statement for node in nodes)
    found = Counter(stand_in_for(each.kubelet_version) for each in statements if each is not None)
    return {why: found[why] for why in STAND_INS}


def _unseen(name: str) -> NodeStatement:
    return NodeStatement(name, {}, "", "", frozenset(), "", 0, 0, ("", "", ""))
