"""The guest model at a first boot: the worked layouts by their letters, memory, errors, quirks."""

from typing import Any, NamedTuple

import pytest

from extender.kubelet.model import Core, Machine, Zone
from extender.kubevirt.guest.boot import boot
from extender.kubevirt.guest.domain import Cell, Domain, GuestError, GuestFault, unbound_bytes, zone_pages
from extender.kubevirt.guest.host_topology import host_topology, siblings_as_read
from extender.kubevirt.guest.size import GuestSize
from tests.kit.golden import cpus_of
from tests.kit.io_threads import IoThreadsPolicy, io_thread_count

GI = 1 << 30


def machine(*zones: list[tuple[int, ...]], ids: tuple[int, ...] | None = None) -> Machine:
    """A machine from the cores of each zone."""
    return Machine(
        sockets=len(zones),
        zones=tuple(
            Zone(id_, 256 * GI, {}, (), tuple(Core(id_, None, threads) for threads in cores))
            for id_, cores in zip(ids or range(len(zones)), zones, strict=True)
        ),
    )


#: 2 zones of 32 CPUs, no SMT
HOST_N = machine([(cpu,) for cpu in range(32)], [(cpu,) for cpu in range(32, 64)])
#: 2 zones of 16 cores with the siblings i, i+32
HOST_S = machine([(cpu, cpu + 32) for cpu in range(16)], [(cpu, cpu + 32) for cpu in range(16, 32)])


def size(sockets: int, cores: int = 1, threads: int = 1, *, gib: int = 16, **more: Any) -> GuestSize:
    """A passthrough VM on 1Gi pages with an isolated emulator, unless told otherwise."""
    fields: dict[str, Any] = {"page_bytes": GI, "isolate_emulator": True, "passthrough": True} | more
    return GuestSize(sockets=sockets, cores=cores, threads=threads, memory_bytes=gib * GI, **fields)


def boots(host: Machine, cpuset: str, guest: GuestSize) -> Domain:
    """The domain of a boot that must succeed."""
    domain = boot(host, cpus_of(cpuset), guest)
    assert isinstance(domain, Domain), domain
    return domain


def fails(host: Machine, cpuset: str, guest: GuestSize) -> GuestError:
    """The error of a boot that must fail."""
    error = boot(host, cpus_of(cpuset), guest)
    assert isinstance(error, GuestError), error
    return error


class Layout(NamedTuple):
    """A worked layout: what goes in and what KubeVirt makes of it. Cells: zone, vCPUs, GiB."""

    host: Machine
    cpuset: str
    guest: GuestSize
    pins: str
    emulator: int
    cells: list[tuple[int, str, int]]


LAYOUTS = {
    "A": Layout(HOST_N, "2-10", size(8), "2-9", 10, [(0, "0-7", 16)]),
    "A'": Layout(HOST_N, "32-40", size(8), "32-39", 40, [(1, "0-7", 16)]),
    "B": Layout(HOST_N, "2-6,32-35", size(8), "2-6,32-34", 35, [(0, "0-4", 8), (1, "5-7", 8)]),
    "B2": Layout(HOST_N, "2-9,32", size(8), "2-9", 32, [(0, "0-7", 16)]),
    "B3": Layout(HOST_N, "2,32-39", size(8), "2,32-38", 39, [(0, "0", 8), (1, "1-7", 8)]),
    "C": Layout(HOST_N, "2-6,32-35", size(8, gib=15), "2-6,32-34", 35, [(0, "0-4", 8), (1, "5-7", 7)]),
    "D": Layout(HOST_S, "2-6,34-37", size(8), "2,34,3,35,4,36,5,37", 6, [(0, "0-7", 16)]),
    "E": Layout(HOST_S, "2-6,34-37", size(4, threads=2), "2,34,3,35,4,36,5,37", 6, [(0, "0-7", 16)]),
    "F": Layout(
        HOST_S,
        "2,34,3,4,5,37,16,17,49",
        size(4, threads=2),
        "2,34,5,37,17,49,3,4",
        16,
        [(0, "0-3,6,7", 8), (1, "4,5", 8)],
    ),
    "H": Layout(HOST_N, "4-52", size(48, gib=192), "4-51", 52, [(0, "0-27", 96), (1, "28-47", 96)]),
    "I": Layout(HOST_N, "4-28,32-55", size(48, gib=192), "4-28,32-54", 55, [(0, "0-24", 96), (1, "25-47", 96)]),
    "J": Layout(HOST_N, "4-27,32-56", size(48, gib=192), "4-27,32-55", 56, [(0, "0-23", 96), (1, "24-47", 96)]),
}


def in_order(text: str) -> tuple[int, ...]:
    """The numbers of a text such as "2,34,3-5", in the order written."""
    return tuple(cpu for part in text.split(",") for cpu in sorted(cpus_of(part)))


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_worked_layout(layout: Layout) -> None:
    """Pins, emulator, cells, memory and binding of each worked layout."""
    domain = boots(layout.host, layout.cpuset, layout.guest)
    assert domain.pins == in_order(layout.pins)
    assert domain.emulator == (layout.emulator,)
    assert domain.cells == tuple(Cell(id_, in_order(cpus), gib * GI) for id_, (_, cpus, gib) in enumerate(layout.cells))
    zones = tuple(zone for zone, _, _ in layout.cells)
    assert domain.memnodes == domain.nodeset == zones
    assert zone_pages(domain) == {zone: gib * GI for zone, _, gib in layout.cells}
    assert unbound_bytes(domain) == 0


def test_worked_layout_k() -> None:
    """K: less than a page per cell is an error, with KubeVirt's own arithmetic in the text."""
    assert fails(HOST_N, "2-6,32-35", size(8, gib=1)) == GuestError(
        GuestFault.LESS_THAN_A_PAGE_PER_CELL,
        "not enough memory requested to allocate at least one hugepage per numa node: {1073741824 b} < 2251799813685248",
    )


def test_memory_not_in_pages() -> None:
    """Memory that is no multiple of the page size is an error."""
    error = fails(HOST_N, "2-10", GuestSize(sockets=8, memory_bytes=3 * GI + 1, page_bytes=GI, passthrough=True))
    assert (
        error.text == "requested memory can't be divided through the numa page size: {3221225473 b} mod 1073741824 != 0"
    )


def test_passthrough_needs_huge_pages() -> None:
    """Passthrough without huge pages is an error, named before any about their size."""
    assert fails(HOST_N, "2-10", size(8, gib=0, page_bytes=None)).fault is GuestFault.NO_HUGE_PAGES


def test_remaining_pages_go_to_the_first_cells() -> None:
    """11 pages over three cells are 4, 4 and 3, whatever the vCPUs of each."""
    host = machine([(0,), (1,)], [(2,), (3,)], [(4,), (5,)])
    domain = boots(host, "0,2-5", size(5, gib=11, isolate_emulator=False))
    assert [(len(cell.cpus), cell.memory_bytes // GI) for cell in domain.cells] == [(1, 4), (2, 4), (2, 3)]


def test_guest_cells_are_renumbered() -> None:
    """Sparse zone ids and a zone without CPUs: guest cells count from 0, memnodes keep the host's ids."""
    host = machine([(0,), (1,)], [], [(8,), (9,)], ids=(0, 3, 8))
    domain = boots(host, "0-1,8-9", size(4, isolate_emulator=False))
    assert [cell.id for cell in domain.cells] == [0, 1]
    assert domain.memnodes == (0, 8)
    assert domain.pin_zones == (0, 0, 8, 8)


def test_strict_refuses_a_core_across_zones() -> None:
    """Two odd zones and no CPU to spare: strict fails where relaxed takes one thread of each zone."""
    strict = size(3, threads=2, isolate_emulator=False)
    assert fails(HOST_S, "2-4,16,34-35", strict) == GuestError(
        GuestFault.CORE_WOULD_CROSS_ZONES,
        "could not fit 1 core(s) without crossing numa cell boundaries for individual cores",
    )
    relaxed = size(3, threads=2, isolate_emulator=False, passthrough=False)
    assert boots(HOST_S, "2-4,16,34-35", relaxed).pins == (2, 34, 3, 35, 4, 16)


def test_one_thread_short() -> None:
    """One CPU too few: an error when strict, an unpinned last vCPU when relaxed."""
    strict = size(3, threads=2, isolate_emulator=False)
    assert fails(HOST_S, "2-4,34-35", strict).text == "not enough exclusive threads provided, could not fit 1 core(s)"
    relaxed = boots(HOST_S, "2-4,34-35", size(3, threads=2, isolate_emulator=False, passthrough=False))
    assert (relaxed.pins, relaxed.vcpus) == ((2, 34, 3, 35, 4), 6)


def test_wide_host_core_serves_two_guest_cores() -> None:
    """On SMT4 a core gives two guest cores; with three threads free it gives one and a fragment."""
    host = machine([(0, 8, 16, 24), (1, 9, 17, 25)])
    domain = boots(host, "0,1,8,9,16,17,24", size(3, threads=2))
    assert domain.pins == (0, 8, 16, 24, 1, 9)
    assert domain.emulator == (17,)


def test_emulator_rather_breaks_no_core() -> None:
    """A single thread is taken from the cell's fragments before a whole core is broken up."""
    assert boots(HOST_S, "2-4,34-35", size(1, threads=2)).emulator == (4,)


def test_a_page_per_cell_is_enough() -> None:
    """Memory of exactly one page a cell is accepted."""
    assert zone_pages(boots(HOST_N, "2-6,32-35", size(8, gib=2))) == {0: GI, 1: GI}


def test_dedicated_without_passthrough() -> None:
    """Without passthrough nothing is bound to a zone, and all of the guest is one cell."""
    domain = boots(HOST_N, "2-6,32-35", size(8, passthrough=False))
    assert domain.cells == (Cell(0, tuple(range(8)), 16 * GI),)
    assert domain.nodeset == domain.memnodes == ()
    assert (zone_pages(domain), unbound_bytes(domain)) == ({}, 16 * GI)
    assert boots(HOST_N, "2-10", size(8, passthrough=False, page_bytes=None)).cells == ()


def test_hotplug_room_takes_no_cpu() -> None:
    """maxSockets makes room in the domain, and neither pins nor cells."""
    domain = boots(HOST_N, "2-6,32-35", size(8, max_sockets=32))
    assert (len(domain.pins), domain.max_vcpus) == (8, 32)
    assert [cell.cpus for cell in domain.cells] == [(0, 1, 2, 3, 4), (5, 6, 7)]


@pytest.mark.parametrize(
    ("threads", "read"),
    [((0, 32), (0, 32)), ((0, 1), ()), ((0, 2, 3), (0,)), ((0, 28, 56, 84), (0, 28, 56, 84)), ((5,), (5,))],
)
def test_sibling_text(threads: tuple[int, ...], read: tuple[int, ...]) -> None:
    """Of a sibling set only the numbers outside ranges are read."""
    assert siblings_as_read(threads) == read


def test_adjacent_siblings_are_not_a_core() -> None:
    """With siblings 4-5, 6-7, ... every CPU is a fragment: vCPU pairs are consecutive free ids."""
    host = machine([(cpu, cpu + 1) for cpu in range(0, 16, 2)])
    domain = boots(host, "4-10,13", size(3, threads=2))
    assert domain.pins == (4, 5, 6, 7, 8, 9)
    assert domain.emulator == (10,)


def test_core_with_an_offline_thread_is_pinned_again() -> None:
    """Siblings "0,2-3" (1 is offline) are read as CPU 0 for all three: it is pinned three times, 2 and 3 never."""
    domain = boots(machine([(0, 2, 3), (4,)]), "0,2-4", size(4, isolate_emulator=False))
    assert domain.pins == (0, 0, 0, 4)


@pytest.mark.parametrize(
    ("vcpus", "pool", "cpuset", "io_threads", "emulator"),
    [
        (8, 0, "2-11", (), (10, 11)),
        (8, 1, "2-12", ((10,),), (11,)),
        (7, 1, "2-11", ((9,),), (10, 11)),
        (8, 2, "2-13", ((10,), (11,)), (12, 13)),
    ],
)
def test_even_parity(
    vcpus: int, pool: int, cpuset: str, io_threads: tuple[tuple[int, ...], ...], emulator: tuple[int, ...]
) -> None:
    """The emulator gets a second CPU where vCPUs and pool are even together; the pool is served first."""
    domain = boots(HOST_N, cpuset, size(vcpus, gib=14, even_parity=True, supplemental_pool=pool))
    assert (domain.io_threads, domain.emulator) == (io_threads, emulator)


@pytest.mark.parametrize(
    ("guest", "cpuset", "fault", "text"),
    [
        (size(9), "2-9", GuestFault.TOO_FEW_CPUS, "not enough exclusive threads provided, could not fit 1 core(s)"),
        (
            size(8),
            "2-9",
            GuestFault.NO_CPU_FOR_EMULATOR,
            "no CPU allocated for the emulation thread: no remaining unassigned threads",
        ),
        (
            size(8, supplemental_pool=2),
            "2-10",
            GuestFault.NO_CPU_FOR_IO_THREAD,
            "no CPU allocated for the iothread: no remaining unassigned threads",
        ),
        (  # The pod of 7 vCPUs and a pool of 1 gets 9 CPUs, the launcher needs 10: such a VM never starts.
            size(7, gib=14, even_parity=True, supplemental_pool=1),
            "2-10",
            GuestFault.NO_SECOND_CPU_FOR_EMULATOR,
            "no second CPU allocated for the emulation thread: no remaining unassigned threads",
        ),
        (size(8, io_threads=0), "2-10", GuestFault.NO_IO_THREADS, "domain is missing IOThreads"),
        (  # Errors of pinning come before those of memory.
            size(8, gib=0),
            "2-9",
            GuestFault.NO_CPU_FOR_EMULATOR,
            "no CPU allocated for the emulation thread: no remaining unassigned threads",
        ),
    ],
)
def test_pinning_errors(guest: GuestSize, cpuset: str, fault: GuestFault, text: str) -> None:
    """Each error of pinning with its text."""
    assert fails(HOST_N, cpuset, guest) == GuestError(fault, text)


@pytest.mark.parametrize(
    ("io_threads", "isolate", "pinned"),
    [
        (1, True, ((10,),)),
        (1, False, ((2, 3, 4, 5, 6, 7, 8, 9),)),
        (3, False, ((2, 3, 4), (5, 6, 7), (8, 9))),
        (8, False, ((3,), (4,), (5,), (6,), (7,), (8,), (9,), (2,))),
    ],
)
def test_io_threads_without_cpus_of_their_own(
    io_threads: int, isolate: bool, pinned: tuple[tuple[int, ...], ...]
) -> None:
    """They share the emulator's CPU, or else are spread over the vCPUs' CPUs."""
    cpuset = "2-10" if isolate else "2-9"
    assert boots(HOST_N, cpuset, size(8, isolate_emulator=isolate, io_threads=io_threads)).io_threads == pinned


@pytest.mark.parametrize(
    ("policy", "plain", "dedicated", "isolate", "requested", "count"),
    [
        (None, 3, 0, False, None, None),
        (None, 3, 1, False, None, 2),
        (IoThreadsPolicy.SHARED, 3, 0, False, None, 1),
        (IoThreadsPolicy.SHARED, 3, 2, False, None, 3),
        (IoThreadsPolicy.AUTO, 4, 0, False, None, 2),
        (IoThreadsPolicy.AUTO, 4, 0, True, None, 1),
        (IoThreadsPolicy.AUTO, 4, 1, False, 2, 4),
        (IoThreadsPolicy.AUTO, 4, 1, False, 8, 5),
        (IoThreadsPolicy.AUTO, 0, 0, False, None, 0),
    ],
)
def test_io_thread_count(
    policy: IoThreadsPolicy | None, plain: int, dedicated: int, isolate: bool, requested: int | None, count: int | None
) -> None:
    """Threads by policy and disks, as iothreads.go counts them."""
    counted = io_thread_count(
        policy, plain_disks=plain, dedicated_disks=dedicated, isolate_emulator=isolate, requested_cpus=requested
    )
    assert counted == count


def test_topology_can_be_kept() -> None:
    """A host's topology, read once, gives the same domain as its machine."""
    guest = size(4, threads=2)
    cpus = cpus_of("2-6,34-37")
    assert boot(host_topology(HOST_S), cpus, guest) == boot(HOST_S, cpus, guest)
