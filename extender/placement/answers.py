"""What we answer to people about one pod: for every node the verdict, the zones and the arithmetic behind it."""

from dataclasses import dataclass, field

__all__ = ["EvacuableAnswer", "Fact", "MigrationAnswer", "NodeAnswer", "PodAnswer", "ZoneAnswer"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact about a node's kubelet or machine and where it came from (annotation, pool, label, report, default)."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class ZoneAnswer:
    """One zone of a node for one pod. Memory in bytes; keys as resource names (memory, hugepages-1Gi)."""

    id: int
    cpus_total: int
    cpus_free: int
    cpus_given: int = 0
    memory_free: dict[str, int] = field(default_factory=dict)
    memory_given: dict[str, int] = field(default_factory=dict)
    devices_free: dict[str, int] = field(default_factory=dict)
    #: what this zone lacks to hold the whole pod alone, in words ("3 CPUs", "4 x 1Gi pages"); empty: nothing
    missing: str = ""


@dataclass(frozen=True, slots=True)
class MigrationAnswer:
    """One node as the target of a live migration. `outcome` is one of placement.outcomes.Outcome."""

    outcome: str
    #: the arithmetic behind it
    text: str
    #: vCPUs per guest cell, as they run; empty: the cells are not known
    cells_then: tuple[int, ...] = ()
    #: zone ids with a vCPU here, and the vCPUs of each
    zones_now: tuple[int, ...] = ()
    cells_now: tuple[int, ...] = ()
    #: share of vCPUs that would run at their cell's memory, 0 to 1
    local: float | None = None


@dataclass(frozen=True, slots=True)
class EvacuableAnswer:
    """How many nodes could take a running VM by live migration, see placement.evacuable."""

    #: nodes that fit under the VM's policy
    possible: int
    #: those of them that give every guest cell its vCPUs of the boot; None: it has no cells, or they are not known
    symmetric: int | None
    #: seconds since it was counted
    age_seconds: float
    #: why it cannot migrate live at all, and both are 0; empty: nothing is known against it
    immovable: str = ""


@dataclass(frozen=True, slots=True)
class NodeAnswer:
    """One node. `verdict` is fits, unknown or refused; `code` a stable CamelCase name; `score` 0..10 as sent."""

    node: str
    verdict: str
    code: str
    #: one short sentence that names the rule and the knob
    text: str
    score: int
    mode: str
    pool: str
    #: predicted zones of the compute container's CPUs, by zone id, and guest cells that this gives
    zones: tuple[int, ...] = ()
    cells: int = 0
    per_zone: tuple[ZoneAnswer, ...] = ()
    facts: tuple[Fact, ...] = ()
    #: the kubelet's steps, one line each, with the numbers
    steps: tuple[str, ...] = ()
    #: what an administrator or VM owner can do about it; empty: nothing is to be done
    advice: str = ""
    #: of a refusal: what the nearest zones lack, in words; empty: nothing that is counted
    nearest: str = ""
    #: whether the node holds the VM at the largest size that hotplug may reach; empty: it has that size, or not known
    headroom: str = ""
    #: where the kubelet's own minor is not modelled: by whose rules it is judged; else empty
    stand_in: str = ""
    #: of a live-migration target: what would become of the migration here
    migration: MigrationAnswer | None = None


@dataclass(frozen=True, slots=True)
class PodAnswer:
    """One pod. `nodes` has fitting nodes first (best first), then unknown, then refused ones, the nearest first."""

    namespace: str
    name: str
    #: what the pod is: "virtual machine, first boot", "live-migration target", "not a virtual machine", ...
    kind: str
    #: what it asks for, in words, one line each
    demand: tuple[str, ...]
    #: what limits this answer ("the VMI is not known: judged by the kubelet's rules alone")
    notes: tuple[str, ...]
    nodes: tuple[NodeAnswer, ...]
    generation: int
    #: of a running VM whose targets are asked for: how many there are now; None: not counted yet
    evacuable: EvacuableAnswer | None = None
    #: what decides as well and is not judged here
    not_judged: str = ""
