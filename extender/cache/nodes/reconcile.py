"""Reconciles the kubelet twin's free amounts with the node's NRT.

The report alone never frees what a live pod holds: exporters lag up to a minute, and NFD leaves out every pod with a
fractional container, that is every dedicated VM (nfd#1978). So it corrects downward only, credited with what pods
that ended lately may still hold in it; and it moves free amounts between zones only once its sums can be shown to
include exactly the pods that we know.
"""

from collections.abc import Mapping, Sequence
from enum import Enum

from _fastfit.model import ZoneRow
from extender.cache.nodes.fingerprint import fingerprint
from extender.cache.nodes.nrt import Nrt
from extender.cache.nodes.row import Reconciliation
from extender.cache.pods.pod import PodEntry

__all__ = ["NONE", "Proof", "proof_of", "reconcile", "shows_all_ended"]

#: Nothing to change.
NONE = Reconciliation({})

#: zone id -> resource -> amount
Amounts = Mapping[int, Mapping[str, int]]


class Proof(Enum):
    """Whether the report can be shown to include exactly the pods that we know."""

    #: the published fingerprint is that of our pods
    SHOWN = "shown"
    #: it can be, if the sums of a resource agree
    BY_SUMS = "by sums"
    #: it lags, or covers other pods
    NOT = "not"


#: The only method whose pods we know all of: others also cover pods that hold nothing, which we do not keep.
_EXCLUSIVE = "with-exclusive-resources"


def proof_of(nrt: Nrt, pods: Sequence[PodEntry], *, quiet: bool) -> Proof:
    """`quiet`: the kubelet has admitted every held pod, and none ended that the report may still show."""
    if not quiet:
        return Proof.NOT
    if nrt.fingerprint:
        exclusive = [pod for pod in pods if any(c.exclusive_cpus or c.devices for c in pod.demand.containers)]
        for covered in (pods, exclusive):
            if nrt.fingerprint == fingerprint((pod.namespace, pod.name) for pod in covered):
                return Proof.SHOWN
        if nrt.fingerprint_method == _EXCLUSIVE:
            return Proof.NOT
    return Proof.BY_SUMS


def free_amounts(zone: ZoneRow) -> dict[str, int]:
    """What the kubelet twin has free in a zone, under the report's resource names."""
    return {"cpu": zone.cpu_free, **zone.memory_free, **zone.device_free}


def reconcile(held: tuple[ZoneRow, ...], nrt: Nrt, ended: Amounts, proof: Proof) -> Reconciliation:
    """Changes per zone and resource. `held` is the twin with held pods alone; `ended` what ended pods gave back since
    the report was taken.
    """
    free_by_zone = {zone.id: free_amounts(zone) for zone in held}
    grouped = {zone.id for zone in held if zone.group & (zone.group - 1)}
    changes: dict[int, dict[str, int]] = {}
    for resource in sorted({name for zone in nrt.zones for name in zone.available}):
        pairs = [
            (zone.id, zone.available[resource], free_by_zone[zone.id][resource])
            for zone in nrt.zones
            if resource in zone.available and resource in free_by_zone.get(zone.id, {})
        ]
        # Inside a group of zones only the sum means anything, and exporters split it in their own ways.
        if not pairs or (resource != "cpu" and any(zone_id in grouped for zone_id, _, _ in pairs)):
            continue
        sums_agree = sum(seen for _, seen, _ in pairs) == sum(free for _, _, free in pairs)
        proved = proof is Proof.SHOWN or (proof is Proof.BY_SUMS and sums_agree)
        for zone_id, seen, free in pairs:
            credit = ended.get(zone_id, {}).get(resource, 0)
            change = seen - free if proved else min(0, seen + credit - free)
            if change:
                changes.setdefault(zone_id, {})[resource] = change
    return Reconciliation(changes) if changes else NONE


def shows_all_ended(held: tuple[ZoneRow, ...], nrt: Nrt) -> bool:
    """Whether the report has at least as much free in all as the twin: ended pods are no longer in it."""
    free_amounts_of = [free_amounts(zone) for zone in held]
    for resource in {name for zone in nrt.zones for name in zone.available}:
        if all(resource not in free for free in free_amounts_of):
            continue
        seen = sum(zone.available.get(resource, 0) for zone in nrt.zones)
        if seen < sum(free.get(resource, 0) for free in free_amounts_of):
            return False
    return True
