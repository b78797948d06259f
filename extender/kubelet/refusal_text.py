"""Texts for administrators: why the Topology Manager found no zones that all resources prefer.

Two cases are distinguished: the zones' capacity never suffices, or zones are in use now. The capacity never suffices if
the empty node refuses the same request too, since a node in use has less free than an empty one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from extender.kubelet.cpuset import bits
from extender.kubelet.pod import is_memory
from extender.kubelet.results import Admitted, Refused
from extender.kubelet.topology_manager import ResourceHints

__all__ = [
    "RefusingNode",
    "ZoneCpus",
    "amount_text",
    "no_common_zones",
    "outlook",
    "rule_beside",
    "sets_text",
    "why_width",
]

#: Sets of zones in a text before it says "and N more".
_SHOWN = 6
_NEVER = "this pod never fits this node, not even empty"
_NOT_EVEN = "not even on the empty node"
_NOT_NOW = "; not now:"
_NOWHERE = "fits nowhere"
_NOWHERE_NOW = f"{_NOWHERE} now"


@dataclass(frozen=True, slots=True)
class ZoneCpus:
    """CPUs of one zone: all, those not reserved, and those free."""

    zone: int
    total: int
    allocatable: int
    free: int


@dataclass(frozen=True, slots=True)
class RefusingNode:
    """The node that refused.

    `capacity`: resource -> zone position -> the amount that minimal width is computed from. `by_width`: only sets of
    minimal width can be preferred, as always without align-by-socket.
    """

    policy: str
    zone_ids: Sequence[int]
    cpus: Sequence[ZoneCpus]
    capacity: Callable[[str], Mapping[int, int]]
    by_width: bool


def amount_text(resource: str, amount: int) -> str:
    """Return an amount with its resource: CPUs as a count, memory in Gi or Mi, others as a number."""
    if resource == "cpu":
        return "1 CPU" if amount == 1 else f"{amount} CPUs"
    if is_memory(resource):
        size, unit = (1 << 30, "Gi") if amount >= 1 << 30 or amount == 0 else (1 << 20, "Mi")
        return f"{amount / size:g}{unit} {resource}"
    return f"{amount} {resource}"


def sets_text(masks: Sequence[int], zone_ids: Sequence[int]) -> str:
    """Return sets of zones by their ids, narrow sets first: "{0} {1} {0,1}"; of many sets the first ones."""
    ordered = sorted(masks, key=lambda mask: (mask.bit_count(), mask))
    shown = " ".join("{" + ",".join(str(zone_ids[p]) for p in bits(mask)) + "}" for mask in ordered[:_SHOWN])
    return shown if len(masks) <= _SHOWN else f"{shown} and {len(masks) - _SHOWN} more"


def why_width(answer: ResourceHints, capacity: Mapping[int, int]) -> str:
    """Return why `answer.width` is the least number of zones whose capacity holds the request."""
    sizes = sorted(capacity.values(), reverse=True)
    basis = "after reservation" if is_memory(answer.resource) else "in all"
    if sum(sizes) < answer.request:
        return f"all zones together have {amount_text(answer.resource, sum(sizes))} {basis}"
    if sum(sizes[: answer.width - 1]) >= answer.request:
        return f"no {_zones(answer.width - 1)} can hold every memory type at once"
    if answer.width == 1:
        return f"a zone has up to {amount_text(answer.resource, sizes[0])} {basis}"
    verb = "has" if answer.width == 2 else "have"
    most = amount_text(answer.resource, sum(sizes[: answer.width - 1]))
    return f"{_zones(answer.width - 1)} {verb} at most {most} {basis}"


def no_common_zones(
    node: RefusingNode, now: Sequence[ResourceHints], empty: Sequence[ResourceHints], would_take: int | None
) -> str:
    """Return the rule that refused, what each resource could have used, and whether waiting can help.

    `empty`: hints of the same request on the empty node. `would_take`: the zones that the empty node would have chosen;
    None if it refuses too.
    """
    asked = [answer for answer in now if answer.hints is not None]
    need = "one and the same zone" if node.policy == "single-numa-node" else "one and the same set of zones"
    parts = [f"{node.policy} wants {need} to be the narrowest choice for every resource"]
    parts += [_resource(answer, node.zone_ids, now=would_take is not None) for answer in asked]
    if any(answer.resource == "cpu" for answer in asked):
        parts += [f"zone {z.zone} has {z.total} CPUs, {z.allocatable} not reserved, {z.free} free" for z in node.cpus]
    if would_take is None:
        parts.append(f"under {node.policy} {_NEVER}: {_never(node, empty)}")
    else:
        zones = sets_text([would_take], node.zone_ids)
        parts.append(f"not now: on the empty node every resource would prefer {zones}")
    return "; ".join(parts)


def outlook(empty: Admitted | Refused, rule: str) -> str:
    """Return whether waiting can help a pod that was refused by `rule`, from the empty node's answer."""
    if isinstance(empty, Admitted):
        places = {name: place.hint for name, place in empty.containers.items() if place.cpus or place.memory}
        zones = ", ".join(f"{name} on zones {','.join(map(str, hint))}" for name, hint in places.items() if hint)
        return "not now: the empty node would take the pod" + (f" ({zones})" if zones else "")
    if empty.rule == rule or (_NEVER in empty.rule and _NEVER in rule):
        return f"{_NOT_EVEN}, and by the same rule"
    return f"{_NOT_EVEN}: {empty.reason}: {empty.rule}"


def rule_beside(rule: str, words: str) -> str:
    """The rule of a refusal as it is told beside its outlook: what the empty node would prefer is no help where it refuses
    the pod later on.
    """
    if not words.startswith(_NOT_EVEN):
        return rule
    return rule.partition(_NOT_NOW)[0].replace(_NOWHERE_NOW, _NOWHERE)


def _resource(answer: ResourceHints, zone_ids: Sequence[int], *, now: bool = True) -> str:
    """`now`: the empty node would take the request."""
    assert answer.hints is not None
    what = amount_text(answer.resource, answer.request) if answer.request else answer.resource
    if not answer.hints.masks:
        return f"{what} {_NOWHERE_NOW if now else _NOWHERE}"
    width = f"minimal width {_zones(answer.width)}, " if answer.width else ""
    if answer.hints.preferred:
        return f"{what}: {width}prefers {sets_text(tuple(answer.hints.preferred), zone_ids)}"
    return f"{what}: {width}room only in the wider {sets_text(answer.hints.masks, zone_ids)}"


def _never(node: RefusingNode, empty: Sequence[ResourceHints]) -> str:
    """Return why capacity never suffices. Widths are computed from capacity, so they never change."""
    asked = [answer for answer in empty if answer.hints is not None and answer.width]
    widths = [
        f"minimal width for {amount_text(answer.resource, answer.request)} is {answer.width}, "
        f"because {why_width(answer, node.capacity(answer.resource))}"
        for answer in asked
    ]
    for answer, width in zip(asked, widths, strict=True):
        if node.policy == "single-numa-node" and answer.width > 1:
            return width
        if answer.resource == "cpu" and answer.hints is not None and not answer.hints.preferred:
            best = sum(sorted((zone.allocatable for zone in node.cpus), reverse=True)[: answer.width])
            return f"{width}, but at most {best} can be given, the others are reserved"
    if node.by_width and len({answer.width for answer in asked}) > 1:
        return "; ".join(widths)
    return "empty zones leave no choice in common: " + "; ".join(
        _resource(answer, node.zone_ids, now=False) for answer in empty if answer.hints is not None
    )


def _zones(count: int) -> str:
    return "1 zone" if count == 1 else f"{count} zones"
