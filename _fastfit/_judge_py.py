"""The verdict of one node for one pod, on counts: the kubelet's admission step by step, then KubeVirt's page rule.

Per container in kubelet order (per pod in Topology Manager's scope `pod`): each manager offers masks, Topology
Manager merges them and decides, then devices, CPUs and memory are taken in that order with the merged mask as
guidance; the next container meets what is left. Source: topologymanager/scope_*.go, policy_*.go.

This is the readable statement; `_fit.pyx` computes the same bit for bit, and `explain` reads the steps it leaves.
"""

from dataclasses import dataclass, field, replace

from _fastfit import _cpus_py as cpus_
from _fastfit import _devices_py as devices_
from _fastfit import _memory_py as memory_
from _fastfit._cells_py import cells_of, layout_of, locality, pages_code, split_of
from _fastfit._cpus_py import CpuBooks, Taken
from _fastfit._demand import Demand
from _fastfit._devices_py import DeviceBooks
from _fastfit._hints_py import Hints, Merged, bits, merge
from _fastfit._key_py import rank_key, widest
from _fastfit._memory_py import MemoryBooks
from _fastfit.codes import FIRST_REFUSAL, Code, Policy, Scope
from _fastfit.model import MAX_ZONES, ContainerAsk, Row
from _fastfit.values import Block, Cell, Placement

__all__ = ["Outcome", "Step", "judge", "node_code"]

Offers = dict[str, Hints | None]


@dataclass(slots=True)
class Step:
    """What happened to one container; in scope `pod` also one step of container None for the merge."""

    container: int | None
    request: ContainerAsk
    free_cpus: tuple[int, ...]
    free_memory: dict[str, tuple[int, ...]]
    offers: Offers = field(default_factory=dict)
    merged: Merged | None = None
    cpus: tuple[int, ...] = ()
    #: False where the option decides by CPU ids which zones give; `cpus` is then an estimate
    exact: bool = True
    memory_mask: int = 0
    code: Code = Code.Fits


@dataclass(slots=True)
class Outcome:
    """A verdict; beyond the code all fields hold only where the pod fits."""

    code: Code
    mask: int = 0
    cells: int = 0
    key: int = 0
    #: of a boot's guest cells, see split_of(); 0: none
    split: int = 0
    placement: Placement | None = None
    steps: list[Step] = field(default_factory=list)


@dataclass(slots=True)
class _Books:
    """Everything that the pod's containers take from, and what they took."""

    row: Row
    demand: Demand
    cpus: CpuBooks
    memory: MemoryBooks
    devices: dict[str, DeviceBooks]
    taken: dict[int, Taken] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    masks: dict[int, int] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    #: for the main container: what Topology Manager told the Device Manager, and the devices it could choose from
    main_mask: int | None = None
    main_devices: dict[str, list[int]] = field(default_factory=dict)


def node_code(row: Row, demand: Demand) -> Code:
    """The verdict that holds without looking at zones, or Fits."""
    if demand.code is not Code.Fits:
        return demand.code
    if row.node_code >= FIRST_REFUSAL:
        return row.node_code
    lacks_pages = any(name not in row.page_sizes for name in demand.page_names)
    if row.node_code is not Code.Fits:
        return Code.NoPagesOfSize if lacks_pages and row.page_sizes else row.node_code
    if demand.ask.dedicated and not row.cpu_static:
        return Code.CpuManagerNotStatic
    if lacks_pages:
        return Code.NoPagesOfSize
    if not row.zones:
        return Code.ZonesNotReported
    return Code.Fits if len(row.zones) <= MAX_ZONES else Code.TooManyZones


def judge(row: Row, demand: Demand) -> Outcome:
    """The verdict and, where the pod fits, where it lands and how well."""
    code = node_code(row, demand)
    if code is not Code.Fits:
        return Outcome(code)
    books = _Books(
        row,
        demand,
        cpus_.cpu_books(row),
        memory_.memory_books(row, (*demand.memory_names, demand.rank_name)),
        devices_.device_books(row, demand.device_names),
    )
    code = _admit(books)
    if code is not Code.Fits:
        return Outcome(code, steps=books.steps)
    return _land(books)


def _admit(books: _Books) -> Code:
    """All containers in order."""
    row, demand = books.row, books.demand
    decides = row.policy is not Policy.NONE
    decision: Merged | Code | None = None
    if decides and row.scope is Scope.POD:
        decision = _decide(books, None, demand.pod)
    for index, request in enumerate(demand.ask.containers):
        if decides and row.scope is Scope.CONTAINER:
            decision = _decide(books, index, request)
        if isinstance(decision, Code):
            return decision
        if not decides or row.scope is Scope.POD:
            books.steps.append(_step(books, index, request))
        code = _allocate(books, index, request, decision)
        books.steps[-1].code = code
        if code is not Code.Fits:
            return code
    return Code.Fits


def _step(books: _Books, index: int | None, request: ContainerAsk) -> Step:
    return Step(
        index,
        request,
        tuple(books.cpus.pool),
        {name: tuple(books.memory.free[name]) for name, _ in request.memory},
    )


# --- Topology Manager ------------------------------------------------------------------------------


def _decide(books: _Books, index: int | None, request: ContainerAsk) -> Merged | Code:
    """Collects the offers for one container or the pod, merges them and decides."""
    row = books.row
    step = _step(books, index, request)
    books.steps.append(step)
    offers = _offers(books, request)
    if isinstance(offers, Code):
        step.code = offers
        return offers
    step.offers = offers
    step.merged = _merge(row, offers)
    if row.policy is Policy.BEST_EFFORT or step.merged.preferred:
        return step.merged
    step.code = _refusal(books, request, offers)
    return step.code


def _merge(row: Row, offers: Offers) -> Merged:
    distances = row.distances if row.prefer_closest and row.distances else None
    return merge(offers.values(), (1 << len(row.zones)) - 1, row.policy, distances)


def _offers(books: _Books, request: ContainerAsk) -> Offers | Code:
    """One list per resource. Memory without any possible mask says nothing: the allocator will fail instead."""
    row = books.row
    offers: Offers = {}
    for name, count in request.devices:
        if name in books.devices and count:
            offers[name] = devices_.device_hints(books.devices[name], count)
    if row.cpu_static and request.cpus:
        hints = cpus_.cpu_hints(row, books.cpus, request.cpus)
        if isinstance(hints, Code):
            return hints
        offers["cpu"] = hints
    if row.memory_static and request.memory:
        hints = memory_.memory_hints(books.memory, request.memory)
        for name, _ in request.memory:
            offers[name] = hints if hints.masks else None
    return offers


def _empty_offers(books: _Books, request: ContainerAsk) -> Offers:
    """The lists on this node without any pod."""
    row = books.row
    offers: Offers = {}
    for name, count in request.devices:
        if name in books.devices and count:
            offers[name] = devices_.empty_device_hints(books.devices[name], count)
    if row.cpu_static and request.cpus:
        offers["cpu"] = cpus_.empty_cpu_hints(row, request.cpus)
    if row.memory_static and request.memory:
        hints = memory_.empty_memory_hints(books.memory, request.memory)
        for name, _ in request.memory:
            offers[name] = hints if hints.masks else None
    return offers


def _refusal(books: _Books, request: ContainerAsk, offers: Offers) -> Code:
    """Why Topology Manager refused, the most lasting reason first."""
    row = books.row
    cpu = offers.get("cpu")
    if cpu is not None and request.cpus > sum(zone.cpu_total - zone.cpu_reserved for zone in row.zones):
        return Code.NodeCpuShort
    if not _merge(row, _empty_offers(books, request)).preferred:
        return Code.NeverFitsZone
    if cpu is not None and not cpu.preferred:
        return Code.ZoneCpuShort if cpu.masks else Code.NodeCpuShort
    if any(hints is not None and not hints.preferred for name, hints in offers.items() if name in dict(request.memory)):
        return Code.MemoryGroupConflict
    if any(hints is not None and not hints.preferred for name, hints in offers.items() if name in books.devices):
        return Code.DeviceZoneShort
    return Code.ZonesDisagree


# --- allocation ------------------------------------------------------------------------------------


def _allocate(books: _Books, index: int, request: ContainerAsk, decision: Merged | None) -> Code:
    """Devices, CPUs, memory. Policy single-numa-node hands over no mask where nobody cared which zone."""
    row, step = books.row, books.steps[-1]
    mask = decision.mask if decision is not None else None
    preferred = decision is not None and decision.preferred
    if row.policy is Policy.SINGLE_NUMA_NODE and mask == (1 << len(row.zones)) - 1:
        mask = None
    regular_init = request.kind == 0
    if index == books.demand.main:
        books.main_mask = mask
        books.main_devices = {
            name: [has + left for has, left in zip(own.free, own.reuse, strict=True)]
            for name, own in books.devices.items()
        }
    for name, count in request.devices:
        own = books.devices.get(name)
        if own is not None and not devices_.allocate(own, count, mask, regular_init):
            return Code.DeviceZoneShort
    if row.cpu_static and request.cpus:
        taken = cpus_.allocate(row, books.cpus, request.cpus, mask)
        if isinstance(taken, Code):
            return taken
        cpus_.settle(books.cpus, taken, regular_init)
        books.taken[index] = taken
        step.cpus = tuple(taken.cpus)
        step.exact = books.cpus.split_known
        if index == books.demand.main and books.demand.ask.cells is not None and not books.cpus.split_known:
            return Code.OptionsUndecided
    if row.memory_static and request.memory:
        pinned = memory_.allocate(books.memory, request.memory, mask, preferred, regular_init)
        if isinstance(pinned, Code):
            return pinned
        step.memory_mask = pinned
        books.masks[index] = pinned
        for name, amount in request.memory:
            _reuse_blocks(books, name, pinned, amount)
            books.blocks.append(Block(index, name, pinned, amount))
    return Code.Fits


def _reuse_blocks(books: _Books, name: str, mask: int, amount: int) -> None:
    """Shrinks the blocks of earlier regular init containers by what a block on the same mask reuses of them."""
    for position, block in enumerate(books.blocks):
        if (block.resource, block.mask) == (name, mask) and books.demand.ask.containers[block.container].kind == 0:
            cut = min(block.bytes, amount)
            books.blocks[position] = replace(block, bytes=block.bytes - cut)
            amount -= cut


# --- where the pod lands ---------------------------------------------------------------------------


def _land(books: _Books) -> Outcome:
    """KubeVirt's page rule, the touched zones and the key."""
    row, demand = books.row, books.demand
    zones = len(row.zones)
    main = books.taken.get(demand.main, Taken([0] * zones, [0] * zones))
    cells: tuple[Cell, ...] = ()
    near = layout = split = 0
    if demand.ask.cells is not None:
        made = cells_of(row, demand.ask.cells, main.cpus, main.cores)
        if isinstance(made, Code):
            return Outcome(made, steps=books.steps)
        cells = made
        mask = sum(1 << cell.zone for cell in cells)
        strict = _strict_code(books, mask)
        code = strict if strict is Code.DeviceOutsideCells else pages_code(row, demand.ask.cells, cells)
        if code is Code.Fits:
            code = strict
        if code is not Code.Fits:
            return Outcome(code, steps=books.steps)
        near, layout = locality(demand.ask.cells, cells), layout_of(demand.ask.cells, cells)
        split = split_of(cells) if layout else 0
    else:
        mask = sum(1 << zone for zone, cpus in enumerate(main.cpus) if cpus) or books.masks.get(demand.main, 0)
    # What the pod holds for its life: also what init containers took and nobody of the pod took over.
    held = [
        zone.cpu_free - pool + stuck
        for zone, pool, stuck in zip(row.zones, books.cpus.pool, books.cpus.reuse_low, strict=True)
    ]
    count = max(mask.bit_count(), 1)
    cpus_left = sum(row.zones[zone].cpu_free - held[zone] for zone in bits(mask))
    far = widest(row.distances, mask | _device_zones(books))
    key = rank_key(count, far, max(cpus_left, 0), _pages_left(books, mask), near, layout)
    placement = Placement(
        mask,
        tuple(held),
        books.cpus.split_known,
        tuple(books.blocks),
        cells,
        tuple(
            (name, tuple(zone.device_free.get(name, 0) - left for zone, left in zip(row.zones, own.free, strict=True)))
            for name, own in sorted(books.devices.items())
        ),
    )
    return Outcome(Code.Fits, mask, count, key, split, placement, books.steps)


def _strict_code(books: _Books, cells: int) -> Code:
    """KubeVirt's strict PCI placement: DeviceOutsideCells before DeviceZoneOpen before Fits."""
    ask = books.demand.ask
    assert ask.cells is not None
    asked = dict(ask.containers[ask.cells.container].devices)
    codes = [
        devices_.cells_code(books.main_devices[name], asked[name], books.main_mask, cells)
        if name in books.main_devices
        else Code.DeviceZoneOpen
        for name in ask.cells.strict
    ]
    return max(codes, default=Code.Fits)


def _device_zones(books: _Books) -> int:
    """Mask of the zones that gave a device."""
    mask = 0
    for name, own in books.devices.items():
        for zone, left in enumerate(own.free):
            if books.row.zones[zone].device_free.get(name, 0) > left:
                mask |= 1 << zone
    return mask


def _pages_left(books: _Books, mask: int) -> int:
    """What is left of the ranked resource in the touched zones, in its unit."""
    row, demand = books.row, books.demand
    if row.memory_static:
        left = sum(books.memory.free[demand.rank_name][zone] for zone in bits(mask))
    else:
        free = [row.zones[zone].pages_free for zone in bits(mask)]
        left = sum(pages.get(demand.rank_name, 0) for pages in free if pages is not None)
        left -= demand.ask.cells.memory_bytes if demand.ask.cells is not None else 0
    return max(left, 0) // demand.rank_unit
