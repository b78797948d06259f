"""Why the Topology Manager found no zones that all resources prefer, in words for an administrator."""

from collections.abc import Sequence

from extender.kubelet.cpuset import bits
from extender.kubelet.topology_manager import ResourceHints

__all__ = ["no_common_zones"]

#: Sets of zones that are listed before the text says "and N more".
_SHOWN = 6


def no_common_zones(policy: str, answers: Sequence[ResourceHints], zone_ids: Sequence[int]) -> str:
    """The rule that refused, with what each resource could have used."""
    need = "one and the same zone" if policy == "single-numa-node" else "one and the same set of zones"
    parts = [_resource(answer, zone_ids) for answer in answers if answer.hints is not None]
    return f"{policy} wants {need} to be the narrowest possible choice for every resource; " + "; ".join(parts)


def _resource(answer: ResourceHints, zone_ids: Sequence[int]) -> str:
    assert answer.hints is not None
    what = f"{answer.resource} {answer.request}" if answer.request else answer.resource
    if not answer.hints.masks:
        return f"{what} fits nowhere on the node"
    width = f"needs {answer.width} zone(s) by capacity and " if answer.width else ""
    preferred = sorted(answer.hints.preferred, key=lambda mask: (mask.bit_count(), mask))
    if preferred:
        return f"{what} {width}prefers {_sets(preferred, zone_ids)}"
    return f"{what} {width}finds room only in {_sets(sorted(answer.hints.masks, key=_order), zone_ids)}, wider than that"


def _order(mask: int) -> tuple[int, int]:
    return mask.bit_count(), mask


def _sets(masks: Sequence[int], zone_ids: Sequence[int]) -> str:
    shown = " ".join("{" + ",".join(str(zone_ids[p]) for p in bits(mask)) + "}" for mask in masks[:_SHOWN])
    return shown if len(masks) <= _SHOWN else f"{shown} and {len(masks) - _SHOWN} more"
