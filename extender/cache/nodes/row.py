"""A node's row: always made whole from its sources, facts, ledger and NRT. Nothing adds to a row.

What a zone has free is what the kubelet twin has free after playing the ledger, reconciled with the NRT's
`available`: downward while the NRT may lag, in both directions once it can be shown to include every pod.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from _fastfit.codes import Code, Policy, Scope
from _fastfit.model import Row, ZoneRow
from extender.cache.nodes.facts import NodeFacts
from extender.cache.nodes.hugepages import FreePages
from extender.cache.nodes.ledger import NodeLedger
from extender.cache.nodes.nrt import POLICIES
from extender.cache.nodes.placement import PodGuest
from extender.cache.nodes.zone_rows import zone_rows
from extender.cache.pods.pod import PodEntry

__all__ = ["Reconciliation", "make_row"]

#: zone id -> resource -> amount
Amounts = Mapping[int, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What the NRT changes in the free amounts of the twin: negative takes away. Empty when they agree."""

    by_zone: Amounts


def make_row(
    facts: NodeFacts,
    ledger: NodeLedger,
    reconciliation: Reconciliation,
    guest_in: Callable[[PodEntry], PodGuest],
) -> Row:
    """The row of a node with everything held and assumed on it."""
    code = facts.code
    if code is Code.Fits and ledger.problem:
        code = Code.KubeletCannotStart
    elif code is Code.Fits and ledger.unplaced():
        code = Code.ReportContradictsPods
    kubelet = ledger.kubelet
    if kubelet is None or facts.machine is None or facts.topology is None:
        return Row(
            name=facts.name,
            page_sizes=facts.page_sizes,
            cpu_static=facts.config.cpu_manager_policy == "static",
            cpu_policy_known=facts.cpu_policy_known,
            node_code=code if code is not Code.Fits else Code.ZonesNotReported,
            mode=facts.pool.mode,
            actions=facts.pool.actions,
        )
    counts = kubelet.counts()
    pages = ledger.pages_free(guest_in) if facts.pages_known else None
    options = facts.config.cpu_manager_policy_options
    static = facts.config.cpu_manager_policy == "static"
    zones = (_reconciled(zone, reconciliation, pages) for zone in zone_rows(counts))
    return Row(
        name=facts.name,
        zones=tuple(_without(zone, facts.left_out) for zone in zones) if facts.left_out else tuple(zones),
        distances=tuple(zone.distances for zone in facts.machine.zones),
        policy=POLICIES.get(facts.config.topology_manager_policy, Policy.NONE),
        scope=Scope.POD if facts.config.topology_manager_scope == "pod" else Scope.CONTAINER,
        prefer_closest=facts.config.topology_manager_policy_options.get("prefer-closest-numa-nodes") == "true",
        cpu_static=static,
        cpu_policy_known=facts.cpu_policy_known,
        memory_static=facts.config.memory_manager_policy == "Static",
        memory_open=facts.memory_open,
        full_pcpus_only=static and options.get("full-pcpus-only") == "true",
        align_by_socket=static and options.get("align-by-socket") == "true",
        spread=static and options.get("distribute-cpus-across-cores") == "true",
        distribute=static and options.get("distribute-cpus-across-numa") == "true",
        # In a zone that other units cut they decide the split as well, which counts per zone do not show either.
        uncore=static and (options.get("prefer-align-cpus-by-uncorecache") == "true" or counts.cut_zones),
        uneven=static and counts.uneven,
        devices_every_zone=counts.devices_every_zone,
        threads_per_core=counts.threads_per_core,
        physical_free=counts.physical_free,
        page_sizes=facts.page_sizes,
        pages_together=_together(pages, reconciliation, facts.left_out) if pages is not None else {},
        node_code=code,
        mode=facts.pool.mode,
        actions=facts.pool.actions,
    )


def _without(zone: ZoneRow, names: frozenset[str]) -> ZoneRow:
    """The zone without these memory resources: what is not listed is not known."""

    def rest(amounts: Mapping[str, int]) -> dict[str, int]:
        return {name: amount for name, amount in amounts.items() if name not in names}

    return replace(
        zone,
        memory_allocatable=rest(zone.memory_allocatable),
        memory_free=rest(zone.memory_free),
        pages_free=None if zone.pages_free is None else rest(zone.pages_free),
        pages_most=None if zone.pages_most is None else rest(zone.pages_most),
    )


def _reconciled(zone: ZoneRow, reconciliation: Reconciliation, pages: FreePages | None) -> ZoneRow:
    if pages is not None:
        certain, most = pages.certain.get(zone.id, {}), pages.most.get(zone.id, {})
        zone = replace(zone, pages_free=certain, pages_most=None if most == certain else most)
    change = reconciliation.by_zone.get(zone.id)
    if not change:
        return zone
    cpu = max(0, zone.cpu_free + change.get("cpu", 0))
    return replace(
        zone,
        cpu_free=cpu,
        cores_free=min(zone.cores_free, cpu),
        memory_free=_changed(zone.memory_free, change),
        pages_free=None if zone.pages_free is None else _changed(zone.pages_free, change),
        pages_most=None if zone.pages_most is None else _changed(zone.pages_most, change),
        device_free=_changed(zone.device_free, change),
    )


def _changed(free: Mapping[str, int], change: Mapping[str, int]) -> dict[str, int]:
    return {name: max(0, amount + change.get(name, 0)) for name, amount in free.items()}


def _together(pages: FreePages, reconciliation: Reconciliation, left_out: frozenset[str]) -> dict[str, int]:
    """Huge pages of the whole node that no pod holds, of the sizes that the report does not leave out."""
    changes = reconciliation.by_zone.values()
    return {
        name: max(0, amount + sum(change.get(name, 0) for change in changes))
        for name, amount in pages.together.items()
        if name not in left_out
    }
