"""Topology Manager: merges the hints of the resource managers into one set of zones, and decides.

Source: pkg/kubelet/cm/topologymanager (policy.go, policy_*.go, policy_options.go), Kubernetes 1.33 to 1.37; KEP-693,
KEP-3545. A set of zones is an integer mask of zone *positions* (bit 0 is the zone with the lowest id). The kubelet
enumerates the cross product of all hint lists (policy.go). The result does not depend on their order; it is computed
here in closed form, in one pass over 2^zones masks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import add, mul, sub

from extender.kubelet.model import CannotStart, KubeletConfig, Machine

__all__ = [
    "IMPOSSIBLE",
    "NO_AFFINITY",
    "TOPOLOGY_OPTIONS",
    "TOPOLOGY_POLICIES",
    "TOPOLOGY_SCOPES",
    "Affinity",
    "Hints",
    "ResourceHints",
    "TopologyManager",
    "merge",
    "parse_bool",
]

TOPOLOGY_POLICIES = ("none", "best-effort", "restricted", "single-numa-node")
TOPOLOGY_SCOPES = ("container", "pod")
_CLOSEST = "prefer-closest-numa-nodes"
_MAX_ZONES = "max-allowable-numa-nodes"
TOPOLOGY_OPTIONS = (_CLOSEST, _MAX_ZONES)
#: Zones above which the kubelet wants the option max-allowable-numa-nodes.
_DEFAULT_MAX_ZONES = 8
_BOOL = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


@dataclass(frozen=True, slots=True)
class Hints:
    """The hint list of one resource: every mask that can hold the request, and those marked preferred.

    No mask means that the request is impossible. A don't-care hint is None in place of a list.
    """

    masks: tuple[int, ...]
    preferred: frozenset[int]


IMPOSSIBLE = Hints((), frozenset())


@dataclass(frozen=True, slots=True)
class ResourceHints:
    """A manager's answer for one resource. `width`: the fewest zones whose capacity holds `request`."""

    resource: str
    request: int
    width: int
    hints: Hints | None


@dataclass(frozen=True, slots=True)
class Affinity:
    """The zones that the managers shall allocate from (None: no guidance), and whether every resource prefers them."""

    mask: int | None
    preferred: bool


#: What policy none passes to the managers.
NO_AFFINITY = Affinity(None, False)


def parse_bool(value: str, where: str) -> bool:
    """Read a boolean option as strconv.ParseBool reads it. Raises CannotStart."""
    if value not in _BOOL:
        raise CannotStart(f"{where}: {value!r} is not a boolean")
    return _BOOL[value]


def merge(
    lists: Sequence[Hints | None], machine: int, zones: int, cost: Callable[[int], int] | None = None
) -> Affinity:
    """Return the best common mask of `lists` (None: don't care), on a machine of `zones` zones with mask `machine`.

    Masks that are preferred in every list come first; else masks that are an intersection of one entry of each list.
    Ties: fewer zones, then smaller `cost` if given, then the smaller integer.
    """

    def order(mask: int) -> tuple[int, int, int]:
        return mask.bit_count(), cost(mask) if cost else 0, mask

    wanted = [hints for hints in lists if hints is not None]
    if not wanted:
        return Affinity(machine, True)
    common = frozenset.intersection(*(hints.preferred for hints in wanted)) - {0}
    if common:
        return Affinity(min(common, key=order), True)
    possible = [hints for hints in wanted if hints.masks]
    reachable = _intersections(possible, zones) if possible else []
    if not reachable:
        return Affinity(machine, False)
    # Among non-preferred masks the kubelet wants the largest of the resources' narrowest widths (policy.go).
    width = max(min(mask.bit_count() for mask in hints.masks) for hints in possible)

    def rank(mask: int) -> tuple[int, int, tuple[int, int, int]]:
        count = mask.bit_count()
        if count == width:
            return 0, 0, order(mask)
        return (1, -count, order(mask)) if count < width else (2, count, order(mask))

    return Affinity(min(reachable, key=rank), False)


def _intersections(lists: Sequence[Hints], zones: int) -> list[int]:
    """Return every non-empty intersection of one mask of each list.

    Moebius inversion on the subset lattice: for each set, the supersets of it are counted in every list and the counts
    multiplied; differences then give the number of choices whose intersection is exactly that set.
    """
    size = 1 << zones
    product = [1] * size
    for hints in lists:
        chosen = [0] * size
        for mask in hints.masks:
            chosen[mask] += 1
        product = list(map(mul, product, _along_zones(add, chosen, zones)))
    exact = _along_zones(sub, product, zones)
    return [mask for mask in range(1, size) if exact[mask]]


def _along_zones(change: Callable[[int, int], int], values: list[int], zones: int) -> list[int]:
    """Return `values` (one per mask) after values[m] = change(values[m], values[m with z]), zone by zone z.

    Each round processes the lowest bit of the index and moves it to the top. After `zones` rounds all bits are in
    place.
    """
    for _ in range(zones):
        without, having = values[::2], values[1::2]
        values = [*map(change, without, having), *having]
    return values


class TopologyManager:
    """Policy and scope of one kubelet. Raises CannotStart where the kubelet would not start."""

    def __init__(self, machine: Machine, config: KubeletConfig) -> None:
        self.policy = config.topology_manager_policy
        self.pod_scope = config.topology_manager_scope == "pod"
        self.zones = len(machine.zones)
        self.machine = (1 << self.zones) - 1
        self._cost: Callable[[int], int] | None = None
        if self.policy not in TOPOLOGY_POLICIES:
            raise CannotStart(f"topologyManagerPolicy: {self.policy!r} is not one of {', '.join(TOPOLOGY_POLICIES)}")
        if self.policy == "none":
            return
        if config.topology_manager_scope not in TOPOLOGY_SCOPES:
            raise CannotStart(f"topologyManagerScope: {config.topology_manager_scope!r} is not container or pod")
        closest, limit = _options(config)
        if self.zones > limit:
            raise CannotStart(
                f"topologyManagerPolicy {self.policy} is unsupported on a machine of {self.zones} zones "
                f"(more than {limit}); raise the policy option {_MAX_ZONES}"
            )
        if closest:
            self._check_distances(machine)
            if self.policy != "single-numa-node":
                self._cost = _distance_sum(machine)

    def decide(self, lists: Sequence[Hints | None]) -> tuple[Affinity, bool]:
        """Return the affinity that follows from `lists`, and whether the policy admits it. Not for policy none."""
        if self.policy != "single-numa-node":
            best = merge(lists, self.machine, self.zones, self._cost)
            return best, best.preferred or self.policy == "best-effort"
        # policy_single_numa_node.go keeps only preferred single zones. If that empties a list, nothing can be merged.
        narrow = [hints and _single_zones(hints) for hints in lists]
        if any(hints is not None and not hints.masks for hints in narrow):
            best = Affinity(self.machine, False)
        else:
            best = merge(narrow, self.machine, self.zones)
        return Affinity(None if best.mask == self.machine else best.mask, best.preferred), best.preferred

    def _check_distances(self, machine: Machine) -> None:
        for zone in machine.zones:
            if not zone.distances:
                raise CannotStart(f"{_CLOSEST} needs distances, and zone {zone.id} has none")
        last = machine.zones[-1].id
        if last >= self.zones and self.policy != "single-numa-node":
            raise CannotStart(
                f"{_CLOSEST} with sparse zone ids (the last of {self.zones} zones is {last}): "
                "the kubelet looks distances up by position and panics"
            )


def _single_zones(hints: Hints) -> Hints:
    single = tuple(mask for mask in hints.preferred if mask.bit_count() == 1)
    return Hints(single, frozenset(single))


def _options(config: KubeletConfig) -> tuple[bool, int]:
    closest, limit = False, _DEFAULT_MAX_ZONES
    for name, value in config.topology_manager_policy_options.items():
        where = f"topologyManagerPolicyOptions.{name}"
        if name == _CLOSEST:
            closest = parse_bool(value, where)
        elif name == _MAX_ZONES:
            if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value) >= _DEFAULT_MAX_ZONES):
                raise CannotStart(f"{where}: {value!r} is not a number of at least {_DEFAULT_MAX_ZONES}")
            limit = int(value)
        else:
            raise CannotStart(f"{where} is not an option of the Topology Manager")
    return closest, limit


def _distance_sum(machine: Machine) -> Callable[[int], int]:
    """Return the sum of distances over all ordered pairs; it orders sets of one width as the kubelet's mean does."""
    rows = [zone.distances for zone in machine.zones]

    def cost(mask: int) -> int:
        members = [position for position in range(len(rows)) if mask >> position & 1]
        return sum(rows[i][j] for i in members for j in members)

    return cost
