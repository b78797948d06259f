"""Why the Topology Manager found no zones that all resources prefer, in words for an administrator."""

from collections.abc import Sequence
from dataclasses import dataclass

from extender.kubelet.cpuset import bits
from extender.kubelet.topology_manager import ResourceHints

__all__ = ["ZoneCpus", "amount_text", "no_common_zones"]

#: Sets of zones that are listed before the text says "and N more".
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class ZoneCpus:
    """CPUs of one zone: in all, outside the reservation, and free."""

    zone: int
    total: int
    allocatable: int
    free: int


def amount_text(resource: str, amount: int) -> str:
    """Return an amount with its resource: memory in Gi, all else as a number."""
    if resource == "memory" or resource.startswith("hugepages-"):
        return f"{amount / (1 << 30):g}Gi {resource}"
    return f"{amount} {resource}"


def no_common_zones(
    policy: str, answers: Sequence[ResourceHints], zone_ids: Sequence[int], cpus: Sequence[ZoneCpus], *, by_width: bool
) -> str:
    """Tell the rule that refused, what each resource could have used, and whether waiting can help.

    `by_width`: only sets of minimal width are ever preferred (all but align-by-socket).
    """
    asked = [answer for answer in answers if answer.hints is not None]
    need = "one and the same zone" if policy == "single-numa-node" else "one and the same set of zones"
    parts = [f"{policy} wants {need} to be the narrowest choice for every resource"]
    parts += [_resource(answer, zone_ids) for answer in asked]
    if any(answer.resource == "cpu" for answer in asked):
        parts += [f"zone {z.zone} has {z.total} CPUs, {z.allocatable} not reserved, {z.free} free" for z in cpus]
    if by_width and (never := _never(policy, asked, cpus)):
        parts.append(f"this pod never fits this node under {policy}: {never}")
    return "; ".join(parts)


def _resource(answer: ResourceHints, zone_ids: Sequence[int]) -> str:
    assert answer.hints is not None
    what = amount_text(answer.resource, answer.request) if answer.request else answer.resource
    if not answer.hints.masks:
        return f"{what} fits nowhere"
    width = f"needs {_zones(answer.width)} by capacity and " if answer.width else ""
    preferred = sorted(answer.hints.preferred, key=_order)
    if preferred:
        return f"{what} {width}prefers {_sets(preferred, zone_ids)}"
    return f"{what} {width}finds room only in the wider {_sets(sorted(answer.hints.masks, key=_order), zone_ids)}"


def _never(policy: str, asked: Sequence[ResourceHints], cpus: Sequence[ZoneCpus]) -> str:
    """Return why no amount of free room would do, or "". Widths follow from capacity alone, so they never change."""
    widths = {answer.resource: answer.width for answer in asked if answer.width}
    if policy == "single-numa-node" and any(width > 1 for width in widths.values()):
        wide = next(resource for resource, width in widths.items() if width > 1)
        return f"{wide} needs {_zones(widths[wide])}"
    if len(set(widths.values())) > 1:
        return "the widths differ (" + ", ".join(f"{resource} {width}" for resource, width in widths.items()) + ")"
    for answer in asked:
        if answer.resource == "cpu":
            best = sum(sorted((zone.allocatable for zone in cpus), reverse=True)[: answer.width])
            if best < answer.request:
                return (
                    f"{_zones(answer.width)} would do by all their CPUs, which sets the width, but reserved CPUs "
                    f"leave {best} of the {answer.request} wanted"
                )
    return ""


def _zones(count: int) -> str:
    return "1 zone" if count == 1 else f"{count} zones"


def _order(mask: int) -> tuple[int, int]:
    return mask.bit_count(), mask


def _sets(masks: Sequence[int], zone_ids: Sequence[int]) -> str:
    shown = " ".join("{" + ",".join(str(zone_ids[p]) for p in bits(mask)) + "}" for mask in masks[:_SHOWN])
    return shown if len(masks) <= _SHOWN else f"{shown} and {len(masks) - _SHOWN} more"
