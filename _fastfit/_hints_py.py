"""Topology Manager on counts: hint lists, and their merge under each policy.

A mask has one bit per zone position. A hint list is what one provider offers for one resource. None is a don't-care
hint; an empty list says that no set of zones has enough. The kubelet merges by walking the cross product of all lists;
here the merge is a closed form with the same result.
Source: Kubernetes 1.33 to 1.37, pkg/kubelet/cm/topologymanager/policy.go, policy_best_effort.go, policy_restricted.go,
policy_single_numa_node.go and numa_info.go.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from _fastfit.codes import Policy

__all__ = ["Hints", "Merged", "bits", "merge", "submasks", "subset_sums"]


@dataclass(frozen=True, slots=True)
class Hints:
    """Masks that can hold the request now, and those of them that the provider prefers."""

    masks: tuple[int, ...]
    preferred: frozenset[int]


@dataclass(frozen=True, slots=True)
class Merged:
    """The mask that every provider is given as guidance, and whether every one of them prefers it."""

    mask: int
    preferred: bool


def bits(mask: int) -> list[int]:
    """Positions of the set bits, ascending."""
    return [position for position in range(mask.bit_length()) if mask >> position & 1]


def submasks(mask: int) -> Iterator[int]:
    """Every non-empty subset of a mask, ascending."""
    subset = -mask & mask
    while subset:
        yield subset
        subset = (subset - mask) & mask


def subset_sums(amounts: Sequence[int]) -> list[int]:
    """sums[mask] = the sum of the amounts at the bits of the mask."""
    sums = [0]
    for amount in amounts:
        sums += [below + amount for below in sums]
    return sums


def _single_zones(hints: Hints | None) -> Hints | None:
    """What policy single-numa-node leaves of a list: preferred hints on one zone."""
    if hints is None:
        return None
    kept = tuple(mask for mask in hints.masks if mask in hints.preferred and mask.bit_count() == 1)
    return Hints(kept, frozenset(kept))


def _intersections(lists: Sequence[Hints], everything: int) -> list[int]:
    """Every non-zero mask that is the AND of one mask from each list.

    It counts instead of walking the product: the number of ways to reach a superset of m is the product of the lists'
    numbers of supersets of m. Inclusion-exclusion then leaves the number of ways to reach m itself.
    """
    width = everything.bit_length()
    reached = [0] * (everything + 1)
    reached[everything] = 1
    for hints in lists:
        offered = [0] * (everything + 1)
        for mask in hints.masks:
            offered[mask] = 1
        for position in range(width):
            bit = 1 << position
            for mask in range(everything + 1):
                if not mask & bit:
                    offered[mask] += offered[mask | bit]
                    reached[mask] += reached[mask | bit]
        reached = [ways * more for ways, more in zip(reached, offered, strict=True)]
        for position in range(width):
            bit = 1 << position
            for mask in range(everything + 1):
                if not mask & bit:
                    reached[mask] -= reached[mask | bit]
        reached = [min(ways, 1) for ways in reached]
    return [mask for mask in range(1, everything + 1) if reached[mask]]


def _fitter(distances: Sequence[Sequence[int]] | None) -> Callable[[int], tuple[int, int, int]]:
    """The tie rule: fewer zones; with prefer-closest-numa-nodes the smaller mean distance; the smaller mask."""

    def order(mask: int) -> tuple[int, int, int]:
        apart = 0
        if distances is not None:
            zones = bits(mask)
            apart = sum(distances[one][other] for one in zones for other in zones)
        return mask.bit_count(), apart, mask

    return order


def merge(
    offers: Iterable[Hints | None],
    everything: int,
    policy: Policy,
    distances: Sequence[Sequence[int]] | None,
) -> Merged:
    """Merges the lists of all providers. `distances` only with prefer-closest-numa-nodes.

    Preferred: a mask that every list prefers. Otherwise the AND of one mask per list whose width comes closest to
    the widest of the lists' narrowest masks, from below rather than from above. Otherwise all zones.
    """
    lists = [hints for hints in offers if hints is not None]
    if policy is Policy.SINGLE_NUMA_NODE:
        lists = [kept for hints in lists if (kept := _single_zones(hints)) is not None]
        distances = None
        if not all(hints.masks for hints in lists):
            return Merged(everything, False)
    fitter = _fitter(distances)
    if not lists:
        return Merged(everything, True)
    common = frozenset.intersection(*(hints.preferred for hints in lists))
    if common:
        return Merged(min(common, key=fitter), True)
    offering = [hints for hints in lists if hints.masks]
    target = max((min(mask.bit_count() for mask in hints.masks) for hints in offering), default=0)

    def distance_from_target(mask: int) -> tuple[int, int]:
        width = mask.bit_count()
        return (0, 0) if width == target else (1, -width) if width < target else (2, width)

    reached = _intersections(offering, everything)
    if not reached:
        return Merged(everything, False)
    return Merged(min(reached, key=lambda mask: (distance_from_target(mask), fitter(mask))), False)
