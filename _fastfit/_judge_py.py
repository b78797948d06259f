"""The verdict of one node for one pod, on counts: the kubelet's admission, then KubeVirt's page rule.

Per container in kubelet order (per pod in Topology Manager's scope `pod`): each manager offers masks, and Topology
Manager merges them and decides. Then devices, CPUs and memory are taken in that order, with the merged mask as
guidance. The next container gets what is left.
Source: Kubernetes 1.33 to 1.37, pkg/kubelet/cm/topologymanager/scope_container.go, scope_pod.go and policy_*.go;
KubeVirt v1.9.0 as in _cells_py.py and _devices_py.py.

This is the readable statement of the rules. _judge.pxd computes the same bit for bit.
"""

from dataclasses import dataclass, field, replace

from _fastfit import _cpus_py as cpus_
from _fastfit import _devices_py as devices_
from _fastfit import _memory_py as memory_
from _fastfit._cells_py import cells_of, layout_of, lists_pages, locality, pages_code, split_of
from _fastfit._cpus_py import CpuAccounting, Taken
from _fastfit._demand import Demand
from _fastfit._devices_py import DeviceAccounting
from _fastfit._hints_py import Hints, Merged, bits, merge
from _fastfit._key_py import rank_key, widest
from _fastfit._memory_py import MemoryAccounting
from _fastfit.codes import FIRST_REFUSAL, Code, ContainerKind, Policy, Scope
from _fastfit.model import MAX_SET_ZONES, MAX_ZONES, ContainerAsk, Row
from _fastfit.values import Block, Cell, Placement

__all__ = ["Outcome", "judge", "node_code"]

Offers = dict[str, Hints | None]

#: Refusals by where the CPUs lie, which Memory Manager could change.
_BY_ZONE = (
    Code.ZonePagesShort,
    Code.CoreSplit,
    Code.GuestMemoryPages,
    Code.MoreZonesThanCells,
    Code.NotSymmetric,
    Code.DeviceOutsideCells,
)


@dataclass(slots=True)
class Outcome:
    """A verdict. All fields but the code mean something only where the pod fits."""

    code: Code
    mask: int = 0
    cells: int = 0
    key: int = 0
    #: of a boot's guest cells, see split_of(); 0: none
    split: int = 0
    placement: Placement | None = None


@dataclass(slots=True)
class _Accounting:
    """What the row's zones still have while one pod is being admitted, and what its containers took."""

    row: Row
    demand: Demand
    cpus: CpuAccounting
    memory: MemoryAccounting
    devices: dict[str, DeviceAccounting]
    taken: dict[int, Taken] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    masks: dict[int, int] = field(default_factory=dict)
    #: for the main container: the mask that Device Manager was given, and the devices it could choose from
    main_mask: int | None = None
    main_devices: dict[str, list[int]] = field(default_factory=dict)
    #: zones that memory was pinned to may lack the huge pages, for other pods hold some of zones that are not known
    pages_doubtful: bool = False


def node_code(row: Row, demand: Demand) -> Code:
    """The verdict that does not depend on the zones, or Fits."""
    if demand.code is not Code.Fits:
        return demand.code
    if row.node_code >= FIRST_REFUSAL:
        return row.node_code
    lacks_pages = any(name not in row.page_sizes for name in demand.page_names)
    if row.node_code is not Code.Fits:
        return Code.NoPagesOfSize if lacks_pages and row.page_sizes else row.node_code
    if not row.cpu_policy_known and demand.wants_cpus:
        return Code.NoPagesOfSize if lacks_pages and row.page_sizes else Code.CpuManagerNotKnown
    if demand.ask.dedicated and not row.cpu_static:
        return Code.CpuManagerNotStatic
    if lacks_pages:
        return Code.NoPagesOfSize
    if not row.zones:
        return Code.ZonesNotReported
    in_sets = row.policy is not Policy.NONE or row.memory_static
    if len(row.zones) > (MAX_SET_ZONES if in_sets else MAX_ZONES):
        return Code.TooManyZones
    return _unlisted(row, demand) if row.memory_static else Code.Fits


def _unlisted(row: Row, demand: Demand) -> Code:
    """The code of a memory resource that is asked for and that no zone lists: it is not known, which is not zero."""
    listed = {name for zone in row.zones for name in (*zone.memory_allocatable, *zone.memory_free)}
    for name in demand.asked_memory:
        if name not in listed:
            return Code.PagesNotReported if name in demand.page_names else Code.MemoryNotReported
    return Code.Fits


def judge(row: Row, demand: Demand) -> Outcome:
    """The verdict and, where the pod fits, what it would get and how the node ranks."""
    if not row.memory_open:
        return _judge(row, demand)
    off = _judge(replace(row, memory_static=False), demand)
    if not demand.asked_memory or Code.Fits < off.code < FIRST_REFUSAL:
        return off
    if not row.memory_static:
        by_zone = row.policy is not Policy.NONE and off.code in _BY_ZONE
        return Outcome(Code.MemoryManagerNotKnown) if off.code is Code.Fits or by_zone else off
    on = _judge(row, demand)
    if Code.Fits < on.code < FIRST_REFUSAL or (on.code is Code.Fits) == (off.code is Code.Fits):
        return on
    return Outcome(Code.MemoryManagerNotKnown)


def _judge(row: Row, demand: Demand) -> Outcome:
    """The verdict where Memory Manager is known."""
    code = node_code(row, demand)
    if code is not Code.Fits:
        return Outcome(code)
    acct = _Accounting(
        row,
        demand,
        cpus_.cpu_accounting(row),
        memory_.memory_accounting(row, (*demand.memory_names, demand.rank_name)),
        devices_.device_accounting(row, demand.device_names),
    )
    code = _admit(acct)
    if code is not Code.Fits:
        return Outcome(code)
    outcome = _placed(acct)
    if outcome.code < FIRST_REFUSAL and _pages_short(acct):
        return Outcome(Code.ZoneMemoryShort if demand.ask.cells is None else Code.ZonePagesShort)
    if outcome.code is Code.Fits and acct.pages_doubtful:
        return Outcome(Code.PagesNotReported)
    return outcome


def _pages_short(acct: _Accounting) -> bool:
    """Whether all zones together have too few huge pages for the pod, wherever it takes them."""
    together = acct.row.pages_together
    return any(name in together and together[name] < amount for name, amount in acct.demand.ask.pages)


def _admit(acct: _Accounting) -> Code:
    """Admits all containers in order."""
    row, demand = acct.row, acct.demand
    decides = row.policy is not Policy.NONE
    decision: Merged | Code | None = None
    if decides and row.scope is Scope.POD:
        decision = _decide(acct, demand.pod)
    for index, request in enumerate(demand.ask.containers):
        if decides and row.scope is Scope.CONTAINER:
            decision = _decide(acct, request)
        if isinstance(decision, Code):
            return decision
        code = _allocate(acct, index, request, decision)
        if code is not Code.Fits:
            return code
    return Code.Fits


# --- Topology Manager ------------------------------------------------------------------------------


def _decide(acct: _Accounting, request: ContainerAsk) -> Merged | Code:
    """Collects the offers for one container or the pod, merges them and decides."""
    offers = _offers(acct, request)
    if isinstance(offers, Code):
        return offers
    merged = _merge(acct.row, offers)
    if acct.row.policy is Policy.BEST_EFFORT or merged.preferred:
        return merged
    return _refusal(acct, request, offers)


def _merge(row: Row, offers: Offers) -> Merged:
    distances = row.distances if row.prefer_closest and row.distances else None
    return merge(offers.values(), (1 << len(row.zones)) - 1, row.policy, distances)


def _offers(acct: _Accounting, request: ContainerAsk) -> Offers | Code:
    """One list per resource. Memory without any possible mask gives a don't-care hint; its allocation fails instead."""
    row = acct.row
    offers: Offers = {}
    for name, count in request.devices:
        if name in acct.devices and count:
            offers[name] = devices_.device_hints(acct.devices[name], count)
    if row.cpu_static and request.cpus:
        hints = cpus_.cpu_hints(row, acct.cpus, request.cpus)
        if isinstance(hints, Code):
            return hints
        offers["cpu"] = hints
    if row.memory_static and request.memory:
        hints = memory_.memory_hints(acct.memory, request.memory)
        for name, _ in request.memory:
            offers[name] = hints if hints.masks else None
    return offers


def _empty_offers(acct: _Accounting, request: ContainerAsk) -> Offers:
    """The lists on this node without any pod."""
    row = acct.row
    offers: Offers = {}
    for name, count in request.devices:
        if name in acct.devices and count:
            offers[name] = devices_.empty_device_hints(acct.devices[name], count)
    if row.cpu_static and request.cpus:
        offers["cpu"] = cpus_.empty_cpu_hints(row, request.cpus)
    if row.memory_static and request.memory:
        hints = memory_.empty_memory_hints(acct.memory, request.memory)
        for name, _ in request.memory:
            offers[name] = hints if hints.masks else None
    return offers


def _refusal(acct: _Accounting, request: ContainerAsk, offers: Offers) -> Code:
    """Why Topology Manager refused, the most lasting reason first."""
    row = acct.row
    cpu = offers.get("cpu")
    if cpu is not None and request.cpus > sum(zone.cpu_total - zone.cpu_reserved for zone in row.zones):
        return Code.NodeCpuShort
    if not _merge(row, _empty_offers(acct, request)).preferred:
        return Code.NeverFitsZone
    if cpu is not None and not cpu.preferred:
        return Code.ZoneCpuShort if cpu.masks else Code.NodeCpuShort
    if any(hints is not None and not hints.preferred for name, hints in offers.items() if name in dict(request.memory)):
        return Code.MemoryGroupConflict
    if any(hints is not None and not hints.preferred for name, hints in offers.items() if name in acct.devices):
        return Code.DeviceZoneShort
    return Code.ZonesDisagree


# --- allocation ------------------------------------------------------------------------------------


def _allocate(acct: _Accounting, index: int, request: ContainerAsk, decision: Merged | None) -> Code:
    """Takes devices, CPUs and memory.

    Policy single-numa-node gives the managers no mask where the merged one is all zones (policy_single_numa_node.go).
    """
    row = acct.row
    mask = decision.mask if decision is not None else None
    preferred = decision is not None and decision.preferred
    if row.policy is Policy.SINGLE_NUMA_NODE and mask == (1 << len(row.zones)) - 1:
        mask = None
    regular_init = request.kind == ContainerKind.INIT
    if index == acct.demand.main:
        acct.main_mask = mask
        acct.main_devices = {
            name: [has + left for has, left in zip(own.free, own.reuse, strict=True)]
            for name, own in acct.devices.items()
        }
    for name, count in request.devices:
        own = acct.devices.get(name)
        if own is not None and not devices_.allocate(own, count, mask, regular_init):
            return Code.DeviceZoneShort
    if row.cpu_static and request.cpus:
        taken = cpus_.allocate(row, acct.cpus, request.cpus, mask)
        if isinstance(taken, Code):
            return taken
        cpus_.pass_on(acct.cpus, taken, regular_init)
        acct.taken[index] = taken
        if index == acct.demand.main and acct.demand.ask.cells is not None and not acct.cpus.split_known:
            return Code.OptionsUndecided
    if row.memory_static and request.memory:
        pinned = memory_.allocate(acct.memory, request.memory, mask, preferred, regular_init)
        if isinstance(pinned, Code):
            return pinned
        acct.masks[index] = pinned
        if index != acct.demand.main or acct.demand.ask.cells is None:
            code = _pinned_pages(acct, request, pinned)
            if code is not Code.Fits:
                return code
        for name, amount in request.memory:
            _reuse_blocks(acct, name, pinned, amount)
            acct.blocks.append(Block(index, name, pinned, amount))
    return Code.Fits


def _pinned_pages(acct: _Accounting, request: ContainerAsk, mask: int) -> Code:
    """Whether the zones that memory is pinned to have the pages that the pod's blocks there are accounted for.

    Memory Manager knows of no pages that pods hold unpinned. The pages of guest cells have a rule of their own.
    """
    zones = [acct.row.zones[zone] for zone in bits(mask)]
    if any(zone.pages_free is None for zone in zones):
        return Code.Fits
    for name, _ in request.memory:
        if not lists_pages(acct.row, name):
            continue
        taken = sum(
            zone.memory_free.get(name, 0) - acct.memory.free[name][position]
            for position, zone in zip(bits(mask), zones, strict=True)
        )
        certain = [(zone.pages_free or {}).get(name, 0) for zone in zones]
        most = [
            free if zone.pages_most is None else zone.pages_most.get(name, 0)
            for free, zone in zip(certain, zones, strict=True)
        ]
        if taken > sum(most):
            return Code.ZoneMemoryShort
        acct.pages_doubtful = acct.pages_doubtful or taken > sum(certain)
    return Code.Fits


def _reuse_blocks(acct: _Accounting, name: str, mask: int, amount: int) -> None:
    """Shrinks the blocks of earlier regular init containers by what a block on the same mask reuses of them."""
    for position, block in enumerate(acct.blocks):
        kind = acct.demand.ask.containers[block.container].kind
        if (block.resource, block.mask) == (name, mask) and kind == ContainerKind.INIT:
            cut = min(block.bytes, amount)
            acct.blocks[position] = replace(block, bytes=block.bytes - cut)
            amount -= cut


# --- what the pod gets -----------------------------------------------------------------------------


def _placed(acct: _Accounting) -> Outcome:
    """KubeVirt's page rule, the touched zones and the key."""
    row, demand = acct.row, acct.demand
    zones = len(row.zones)
    main = acct.taken.get(demand.main, Taken([0] * zones, [0] * zones))
    cells: tuple[Cell, ...] = ()
    near = layout = split = 0
    if demand.ask.cells is not None:
        made = cells_of(row, demand.ask.cells, main.cpus, main.cores)
        if isinstance(made, Code):
            return Outcome(made)
        cells = made
        mask = sum(1 << cell.zone for cell in cells)
        strict = _strict_code(acct, mask)
        code = strict if strict is Code.DeviceOutsideCells else pages_code(row, demand.ask.cells, cells)
        if code is Code.Fits:
            code = strict
        if code is not Code.Fits:
            return Outcome(code)
        near, layout = locality(demand.ask.cells, cells), layout_of(demand.ask.cells, cells)
        split = split_of(cells) if layout else 0
    else:
        mask = sum(1 << zone for zone, cpus in enumerate(main.cpus) if cpus) or acct.masks.get(demand.main, 0)
    # What the pod keeps: also CPUs that init containers took and no later container reused.
    held = [
        zone.cpu_free - pool + stuck
        for zone, pool, stuck in zip(row.zones, acct.cpus.pool, acct.cpus.reuse_low, strict=True)
    ]
    count = max(mask.bit_count(), 1)
    cpus_left = sum(row.zones[zone].cpu_free - held[zone] for zone in bits(mask))
    far = widest(row.distances, mask | _device_zones(acct))
    key = rank_key(count, far, max(cpus_left, 0), _pages_left(acct, mask), near, layout)
    placement = Placement(
        mask,
        tuple(held),
        acct.cpus.split_known,
        tuple(acct.blocks),
        cells,
        tuple(
            (name, tuple(zone.device_free.get(name, 0) - left for zone, left in zip(row.zones, own.free, strict=True)))
            for name, own in sorted(acct.devices.items())
        ),
    )
    return Outcome(Code.Fits, mask, count, key, split, placement)


def _strict_code(acct: _Accounting, cells: int) -> Code:
    """KubeVirt's strict PCI placement; of several devices DeviceOutsideCells wins over DeviceZoneOpen over Fits."""
    ask = acct.demand.ask
    assert ask.cells is not None
    asked = dict(ask.containers[ask.cells.container].devices)
    codes = [
        devices_.cells_code(acct.main_devices[name], asked[name], acct.main_mask, cells)
        if name in acct.main_devices
        else Code.DeviceZoneOpen
        for name in ask.cells.strict
    ]
    return max(codes, default=Code.Fits)


def _device_zones(acct: _Accounting) -> int:
    """Mask of the zones that gave a device."""
    mask = 0
    for name, own in acct.devices.items():
        for zone, left in enumerate(own.free):
            if acct.row.zones[zone].device_free.get(name, 0) > left:
                mask |= 1 << zone
    return mask


def _pages_left(acct: _Accounting, mask: int) -> int:
    """What is left of the ranked resource in the touched zones, in its unit."""
    row, demand = acct.row, acct.demand
    if row.memory_static:
        left = sum(acct.memory.free[demand.rank_name][zone] for zone in bits(mask))
    else:
        free = [row.zones[zone].pages_free for zone in bits(mask)]
        left = sum(pages.get(demand.rank_name, 0) for pages in free if pages is not None)
        left -= demand.ask.cells.memory_bytes if demand.ask.cells is not None else 0
    return max(left, 0) // demand.rank_unit
