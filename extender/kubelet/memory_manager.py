"""Memory Manager: pinned memory and huge pages, and groups of zones.

Source: pkg/kubelet/cm/memorymanager/policy_static.go, Kubernetes 1.33 to 1.37; KEP-1769. A zone with a block of its own
cannot get a block that spans several zones, and the reverse. Zones of a block that spans them form a group until the
last of their blocks is gone. A request for which no zones are found is refused under every Topology Manager policy,
`none` included.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from extender.kubelet.cpuset import bits, from_ids
from extender.kubelet.model import CannotStart, KubeletConfig, Machine
from extender.kubelet.pod import ContainerDemand, Kind, PodDemand, peak_need
from extender.kubelet.refusal_text import amount_text
from extender.kubelet.results import Failure, unexpected
from extender.kubelet.topology_manager import Affinity, Hints, ResourceHints

__all__ = ["MEMORY_POLICIES", "MemoryBlock", "MemoryManager", "ZoneMemory", "page_bytes"]

MEMORY_POLICIES = ("None", "Static")
_SUFFIX = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40}


def page_bytes(size: str) -> int:
    """Return the bytes of a page size such as 2Mi, as written in a resource name; 0 if it is none."""
    number, suffix = size[:-2], size[-2:]
    if suffix not in _SUFFIX or not (number.isascii() and number.isdigit() and len(number) < 8):
        return 0
    return int(number) << _SUFFIX[suffix]


@dataclass(slots=True)
class MemoryBlock:
    """Bytes of one type on a set of zones (mask of positions)."""

    resource: str
    mask: int
    bytes: int


@dataclass(slots=True)
class ZoneMemory:
    """One zone: bytes by type, the number of its blocks, and its group (mask of positions)."""

    id: int
    allocatable: Mapping[str, int]
    free: dict[str, int]
    group: int
    blocks: int = 0

    def used(self, resource: str) -> int:
        """Return the bytes of `resource` that blocks hold."""
        return self.allocatable[resource] - self.free[resource]

    def clone(self) -> "ZoneMemory":
        """Return an independent copy."""
        return ZoneMemory(self.id, self.allocatable, dict(self.free), self.group, self.blocks)


@dataclass(slots=True)
class _Reusable:
    """Memory of a pod's finished init containers, by mask and type: later containers reuse it."""

    uid: str = ""
    bytes: dict[tuple[int, str], int] = field(default_factory=dict)

    def of(self, uid: str, mask: int, resource: str) -> int:
        return self.bytes.get((mask, resource), 0) if uid == self.uid else 0

    def add_to(self, sums: list[int], uid: str, resource: str) -> None:
        """Add what the pod may reuse to `sums`, which has one sum per mask."""
        for (mask, name), amount in self.bytes.items() if uid == self.uid else ():
            if name == resource:
                sums[mask] += amount


class MemoryManager:
    """The state of one Memory Manager. Raises CannotStart where the kubelet would not start."""

    def __init__(self, machine: Machine, config: KubeletConfig) -> None:
        if config.memory_manager_policy not in MEMORY_POLICIES:
            raise CannotStart(f"memoryManagerPolicy: {config.memory_manager_policy!r} is not None or Static")
        self.static = config.memory_manager_policy == "Static"
        self.zones = _zones(machine, config) if self.static else []
        self.held: dict[str, dict[str, list[MemoryBlock]]] = {}
        self._reusable = _Reusable()
        #: resource -> allocatable bytes of every mask; computed at first use, shared by all copies
        self._capacity: dict[str, list[int]] = {}

    def clone(self) -> "MemoryManager":
        """Return an independent copy."""
        copy = object.__new__(MemoryManager)
        copy.static = self.static
        copy.zones = [zone.clone() for zone in self.zones]
        copy.held = {
            uid: {name: [MemoryBlock(b.resource, b.mask, b.bytes) for b in blocks] for name, blocks in pod.items()}
            for uid, pod in self.held.items()
        }
        copy._reusable = _Reusable(self._reusable.uid, dict(self._reusable.bytes))
        copy._capacity = self._capacity
        return copy

    # --- hints ----------------------------------------------------------------------------------------------

    def hints(self, pod: PodDemand, container: ContainerDemand) -> list[ResourceHints]:
        """Return one hint list per memory type.

        The list is empty if the manager does not pin the pod's memory, *and if no zones can give it*. The Topology
        Manager takes both for a don't-care hint; in the second case allocation fails.
        """
        if not self._pins(pod) or container.fraction:
            return []
        need = dict(container.memory)
        blocks = self.held.get(pod.uid, {}).get(container.name)
        if blocks is not None:
            return self._regenerated(blocks, need)
        return self._answer(need, *self._feasible(need, pod.uid))

    def pod_hints(self, pod: PodDemand) -> list[ResourceHints]:
        """Return hints as hints() does, for the most that the pod's containers hold at one time."""
        if not self._pins(pod) or any(container.fraction for container in pod.containers):
            return []
        need = _pod_need(pod)
        held = self.held.get(pod.uid, {})
        for container in pod.containers:
            blocks = held.get(container.name)
            if blocks is not None:
                return self._regenerated(blocks, need)
        return self._answer(need, *self._feasible(need, pod.uid))

    def _pins(self, pod: PodDemand) -> bool:
        return self.static and pod.guaranteed and not pod.pod_level

    def _answer(self, need: Mapping[str, int], width: int, masks: list[int]) -> list[ResourceHints]:
        if not masks:
            return []
        hints = Hints(tuple(masks), frozenset(mask for mask in masks if mask.bit_count() == width))
        return [ResourceHints(resource, amount, width, hints) for resource, amount in need.items()]

    def _regenerated(self, blocks: list[MemoryBlock], need: Mapping[str, int]) -> list[ResourceHints]:
        """Return the zones that a container already holds; nothing (don't care) if it holds something else than it
        requests.
        """
        if len(blocks) != len(need) or any(need.get(block.resource) != block.bytes for block in blocks):
            return []
        return [
            ResourceHints(b.resource, b.bytes, b.mask.bit_count(), Hints((b.mask,), frozenset((b.mask,))))
            for b in blocks
        ]

    def _feasible(self, need: Mapping[str, int], uid: str) -> tuple[int, list[int]]:
        """Return the fewest zones whose capacity holds all of `need`, and the masks that can give it now.

        Capacity is without the reservation, used or not. All types are checked together. Masks are sorted by width,
        then by value; the kubelet prefers the first one.
        """
        masks = _narrow_first(len(self.zones))
        for resource, amount in need.items():
            capacity = self._capacity_of(resource)
            masks = [mask for mask in masks if capacity[mask] >= amount]
        width = masks[0].bit_count() if masks else len(self.zones)
        for resource, amount in need.items():
            free = _sums([zone.free.get(resource, 0) for zone in self.zones])
            self._reusable.add_to(free, uid, resource)
            masks = [mask for mask in masks if free[mask] >= amount]
        used = self._used()
        # Every other mask that touches a zone in use violates its group.
        groups = {zone.group for zone in self.zones if zone.blocks}
        return width, [mask for mask in masks if not mask & used or (mask in groups and not self._violates(mask, used))]

    def _capacity_of(self, resource: str) -> list[int]:
        known = self._capacity.get(resource)
        if known is None:
            known = _sums([zone.allocatable.get(resource, 0) for zone in self.zones])
            # Pods choose the names: only resources that the node has are cached.
            if known[-1]:
                self._capacity[resource] = known
        return known

    def _used(self) -> int:
        """Return the mask of the zones that hold blocks."""
        return from_ids(position for position, zone in enumerate(self.zones) if zone.blocks > 0)

    def _violates(self, mask: int, used: int) -> bool:
        """Return whether a block on `mask` would include a zone in use whose group is not exactly `mask`.

        A zone outside groups is a group of itself, so the same test serves one zone and several.
        """
        return any(self.zones[position].group != mask for position in bits(mask & used))

    # --- allocation -----------------------------------------------------------------------------------------

    def allocate(self, pod: PodDemand, container: ContainerDemand, affinity: Affinity) -> Failure | None:
        """Pin the memory of `container` to the zones of `affinity`, extended if they do not hold it. Returns the
        failure, if any.
        """
        if not self._pins(pod):
            return None
        blocks = self.held.get(pod.uid, {}).get(container.name)
        if blocks is None:
            if container.fraction:
                return _failure("failed to represent quantity as int64", container.fraction)
            need = dict(container.memory)
            mask = self._choose(pod.uid, need, affinity)
            if isinstance(mask, Failure):
                return mask
            blocks = []
            for resource, amount in need.items():
                blocks.append(MemoryBlock(resource, mask, amount))
                self._take(mask, resource, max(0, amount - self._reusable.of(pod.uid, mask, resource)))
            self.held.setdefault(pod.uid, {})[container.name] = blocks
            self._update_reusable(pod.uid, container.kind, blocks)
            self._shrink_init_blocks(pod, container, blocks)
        else:
            self._update_reusable(pod.uid, container.kind, blocks)
        return None

    def _choose(self, uid: str, need: Mapping[str, int], affinity: Affinity) -> int | Failure:
        mask, preferred = affinity.mask, affinity.preferred
        if mask is None:
            width, masks = self._feasible(need, uid)
            if not masks or not need:
                return _failure(
                    "failed to get the default NUMA affinity, no NUMA nodes with enough memory is available",
                    f"no set of zones can give {_text(need)}: {self._free_text(need)}",
                )
            mask = masks[0]
            if mask.bit_count() != width and preferred:
                return _failure("failed to find the default preferred hint", self._width_text(need, width, mask))
            preferred = mask.bit_count() == width
        if not self._has_free(mask, need):
            width, masks = self._feasible(need, uid)
            wider = [candidate for candidate in masks if candidate & mask == mask]
            if not wider:
                return _failure(
                    "failed to find NUMA nodes to extend the current topology hint",
                    f"the chosen zones cannot give {_text(need)} and no wider set can: {self._free_text(need)}",
                )
            mask = wider[0]
            if mask.bit_count() != width and preferred:
                return _failure("failed to find the extended preferred hint", self._width_text(need, width, mask))
        if mask & (mask - 1) and self._violates(mask, self._used()):
            return _failure(
                "preferred hint violates NUMA node allocation",
                f"{_text(need)} over {mask.bit_count()} zones may only use zones that hold nothing or form this very "
                f"group: {self._free_text(need)}",
            )
        return mask

    def _has_free(self, mask: int, need: Mapping[str, int]) -> bool:
        """Return whether the zones of `mask` have `need` free; memory that could be reused does not count here."""
        zones = [self.zones[position] for position in bits(mask)]
        return all(sum(zone.free.get(resource, 0) for zone in zones) >= amount for resource, amount in need.items())

    def _take(self, mask: int, resource: str, amount: int) -> None:
        """Account one more block on every zone of `mask`; its bytes are taken from the lowest zones first."""
        for position in bits(mask):
            zone = self.zones[position]
            zone.blocks += 1
            zone.group = mask
            given = min(amount, zone.free.get(resource, 0))
            if given:
                zone.free[resource] -= given
                amount -= given

    def _release(self, block: MemoryBlock) -> None:
        amount = block.bytes
        for position in bits(block.mask):
            zone = self.zones[position]
            zone.blocks -= 1
            if zone.blocks == 0:
                zone.group = 1 << position
            given = min(amount, zone.used(block.resource)) if block.resource in zone.free else 0
            if given:
                zone.free[block.resource] += given
                amount -= given

    # --- init containers ------------------------------------------------------------------------------------

    def _update_reusable(self, uid: str, kind: Kind, blocks: Iterable[MemoryBlock]) -> None:
        reusable = self._reusable
        if reusable.uid != uid:
            reusable = self._reusable = _Reusable(uid)
        for block in blocks:
            key = block.mask, block.resource
            there = reusable.bytes.get(key, 0)
            reusable.bytes[key] = max(there, block.bytes) if kind is Kind.INIT else max(0, there - block.bytes)

    def _shrink_init_blocks(self, pod: PodDemand, container: ContainerDemand, blocks: Iterable[MemoryBlock]) -> None:
        """Account reused memory once: blocks of earlier init containers shrink by what was reused."""
        held = self.held[pod.uid]
        for block in blocks:
            left = block.bytes
            for earlier in pod.containers:
                if earlier.name == container.name or earlier.kind is Kind.APP:
                    break
                if earlier.kind is Kind.SIDECAR:
                    continue
                for other in held.get(earlier.name, ()):
                    if (other.resource, other.mask) == (block.resource, block.mask):
                        reused = min(left, other.bytes)
                        other.bytes -= reused
                        left -= reused

    # --- life of the state ----------------------------------------------------------------------------------

    def sweep(self, active: Mapping[str, object]) -> None:
        """Free what pods held that are not active (the kubelet's removeStaleState)."""
        for uid in [uid for uid in self.held if uid not in active]:
            for name in list(self.held[uid]):
                self.drop(uid, name)

    def drop(self, uid: str, name: str) -> None:
        """Free the memory of one container."""
        pod = self.held.get(uid, {})
        for block in pod.pop(name, ()):
            self._release(block)
        if not pod:
            self.held.pop(uid, None)

    def load(self, held: Mapping[str, Mapping[str, Iterable[MemoryBlock]]]) -> None:
        """Start over from given blocks (by pod and container), accounted in the order given."""
        self.held = {}
        self._reusable = _Reusable()
        for position, zone in enumerate(self.zones):
            self.zones[position] = ZoneMemory(zone.id, zone.allocatable, dict(zone.allocatable), 1 << position)
        for uid, containers in held.items():
            for name, blocks in containers.items():
                kept = [MemoryBlock(block.resource, block.mask, block.bytes) for block in blocks]
                for block in kept:
                    self._take(block.mask, block.resource, block.bytes)
                self.held.setdefault(uid, {})[name] = kept

    def restart(self) -> None:
        """Keep the blocks of the state file, forget reuse. Raises CannotStart if blocks contradict each other.

        The start-up check (validateState, areMachineStatesEqual) accounts all blocks again, in the order of a Go map.
        This gives the group of the file only if all blocks of a zone have one mask. If they do not (kubernetes#113035),
        it depends on that order whether the kubelet starts. Once only the block of the group is left, the group in the
        file is wrong and stays so: the kubelet never starts.
        """
        self._reusable = _Reusable()
        masks: dict[int, int] = {}
        for pod in self.held.values():
            for block in (block for blocks in pod.values() for block in blocks):
                for position in bits(block.mask):
                    if masks.setdefault(position, block.mask) != block.mask:
                        raise CannotStart("memory_manager_state: a zone has blocks of its own and of a group")
        found = list(self.zones)
        self.load(self.held)
        recounted, self.zones = self.zones, found
        for zone, expected in zip(found, recounted, strict=True):
            same = (zone.blocks, zone.group) == (expected.blocks, expected.group)
            if not same or _free_in(found, zone.group) != _free_in(recounted, zone.group):
                raise CannotStart(f"memory_manager_state: zone {zone.id} is not as the blocks in the file make it")

    # --- texts ----------------------------------------------------------------------------------------------

    def _free_text(self, need: Mapping[str, int]) -> str:
        return "; ".join(
            f"zone {zone.id} has {_text({r: zone.free.get(r, 0) for r in need})} free and {zone.blocks} blocks"
            + (f" in a group of {zone.group.bit_count()} zones" if zone.group.bit_count() > 1 else "")
            for zone in self.zones
        )

    def _width_text(self, need: Mapping[str, int], width: int, mask: int) -> str:
        return (
            f"{_text(need)} would fit {width} zone(s) by capacity, only {mask.bit_count()} zones can give it now, "
            "and the Topology Manager asked for the preferred width"
        )


@cache
def _narrow_first(zones: int) -> list[int]:
    """Return every mask but the empty one, sorted by width, then by value."""
    return sorted(range(1, 1 << zones), key=lambda mask: (mask.bit_count(), mask))


def _sums(amounts: Iterable[int]) -> list[int]:
    """Return the sum of every subset, by mask."""
    sums = [0]
    for amount in amounts:
        sums += [total + amount for total in sums]
    return sums


def _free_in(zones: Sequence[ZoneMemory], group: int) -> dict[str, int]:
    """Return what the zones of a group have free together, by resource."""
    free: dict[str, int] = {}
    for position in bits(group):
        for resource, amount in zones[position].free.items():
            free[resource] = free.get(resource, 0) + amount
    return free


def _failure(message: str, rule: str) -> Failure:
    return unexpected(f"[memorymanager] {message}", f"Memory Manager Static: {rule}")


def _text(need: Mapping[str, int]) -> str:
    return " + ".join(amount_text(resource, amount) for resource, amount in need.items()) or "no memory"


def _pod_need(pod: PodDemand) -> dict[str, int]:
    """Return per type the most that is held at one time; only for types that some app container requests."""
    peak = peak_need(pod, lambda container: container.memory)
    asked = dict.fromkeys(name for c in pod.containers if c.kind is Kind.APP for name, _ in c.memory)
    return {name: peak[name] for name in asked}


def _zones(machine: Machine, config: KubeletConfig) -> list[ZoneMemory]:
    reserved: dict[tuple[int, str], int] = {}
    for entry in config.reserved_memory:
        for resource, amount in entry.limits.items():
            if (entry.zone, resource) in reserved:
                raise CannotStart(f"reservedMemory: zone {entry.zone} has two entries for {resource}")
            reserved[entry.zone, resource] = amount
    if not any(amount for (_, resource), amount in reserved.items() if resource == "memory"):
        raise CannotStart("memoryManagerPolicy Static needs reservedMemory of type memory on some zone")
    zones = []
    for position, zone in enumerate(machine.zones):
        pools = {f"hugepages-{size}": page_bytes(size) * count for size, count in zone.hugepages.items()}
        total = {**pools, "memory": zone.memory_bytes - sum(pools.values())}
        allocatable = {}
        for resource, amount in total.items():
            allocatable[resource] = amount - reserved.get((zone.id, resource), 0)
            if allocatable[resource] < 0:
                raise CannotStart(f"reservedMemory: zone {zone.id} has less {resource} than is reserved")
        zones.append(ZoneMemory(zone.id, allocatable, dict(allocatable), 1 << position))
    return zones
