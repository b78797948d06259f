"""Guest NUMA passthrough on counts: KubeVirt's worked layouts, and the pages each cell's zone must hold.

Host N: 2 zones x 32 CPUs without SMT. Host S: 2 zones x 16 cores with 2 threads. 1Gi pages, one emulator CPU.
"""

from dataclasses import replace

import pytest

from _fastfit import Ask, Cell, CellsAsk, Code, ContainerAsk, Policy, Row
from _fastfit._cells_py import cells_of, shares
from tests.kit.kernel.backends import Backend
from tests.kit.kernel.rows import GI, PAGES, answer, names, place, row, vm, zone


def host_n(first: int, second: int, **more: int) -> Row:
    """Free CPUs per zone are what the pod gets when it asks for all of them."""
    return row(
        [zone(0, first, 32, threads=1, physical=128), zone(1, second, 32, threads=1, physical=128)],
        Policy.NONE,
        threads_per_core=1,
        **more,
    )


def host_s(first: tuple[int, int], second: tuple[int, int]) -> Row:
    """(free CPUs, whole cores) per zone."""
    return row(
        [zone(0, first[0], 32, cores=first[1], physical=128), zone(1, second[0], 32, cores=second[1], physical=128)],
        Policy.NONE,
    )


@pytest.mark.parametrize(
    ("layout", "host", "cpus", "cores", "threads", "memory", "cells"),
    [
        ("A", host_n(9, 0), 9, 8, 1, 16, [(0, 8, 16)]),
        ("A'", host_n(0, 9), 9, 8, 1, 16, [(1, 8, 16)]),
        ("B", host_n(5, 4), 9, 8, 1, 16, [(0, 5, 8), (1, 3, 8)]),
        ("B2", host_n(8, 1), 9, 8, 1, 16, [(0, 8, 16)]),
        ("B3", host_n(1, 8), 9, 8, 1, 16, [(0, 1, 8), (1, 7, 8)]),
        ("C", host_n(5, 4), 9, 8, 1, 15, [(0, 5, 8), (1, 3, 7)]),
        ("D", host_s((9, 4), (0, 0)), 9, 8, 1, 16, [(0, 8, 16)]),
        ("E", host_s((9, 4), (0, 0)), 9, 4, 2, 16, [(0, 8, 16)]),
        ("F", host_s((6, 2), (3, 1)), 9, 4, 2, 16, [(0, 6, 8), (1, 2, 8)]),
        ("H", host_n(28, 21), 49, 48, 1, 192, [(0, 28, 96), (1, 20, 96)]),
        ("I", host_n(25, 24), 49, 48, 1, 192, [(0, 25, 96), (1, 23, 96)]),
        ("J", host_n(24, 25), 49, 48, 1, 192, [(0, 24, 96), (1, 24, 96)]),
    ],
)
def test_layouts(
    backend: Backend,
    layout: str,
    host: Row,
    cpus: int,
    cores: int,
    threads: int,
    memory: int,
    cells: list[tuple[int, int, int]],
) -> None:
    """Cells, vCPUs per cell and bytes per cell are those that KubeVirt's own code makes of the same CPUs."""
    placed = place(backend, host, vm(cpus, memory, cores=cores, threads=threads))
    assert placed is not None, layout
    assert [(cell.zone, cell.vcpus, cell.bytes // GI) for cell in placed.cells] == cells
    assert placed.mask == sum(1 << cell[0] for cell in cells)


@pytest.mark.parametrize(
    ("host", "wanted", "code"),
    [
        # layout K: two cells need two pages
        (host_n(5, 4), vm(9, 1, cores=8), Code.GuestMemoryPages),
        (host_n(9, 0), vm(9, 1, cores=8), Code.Fits),
        # zones with an odd number of CPUs and no spare CPU: a core of two threads would cross them
        (host_s((3, 1), (5, 2)), vm(8, 16, cores=4, threads=2), Code.CoreSplit),
        (host_s((3, 1), (6, 3)), vm(9, 16, cores=4, threads=2), Code.Fits),
        (host_n(3, 6), vm(9, 16, cores=4, threads=2), Code.Fits),
        (host_n(2, 1), vm(3, 16, cores=3, threads=2), Code.CoreSplit),
    ],
)
def test_refusals(backend: Backend, host: Row, wanted: Ask, code: Code) -> None:
    """KubeVirt's two refusals, at their borders."""
    assert Code(answer(backend, host, wanted).code) is code


def test_memory_must_be_whole_pages(backend: Backend) -> None:
    """A guest whose memory is no multiple of the page size is refused everywhere."""
    wrong = Ask(
        (ContainerAsk(2, 9, ((PAGES, 16 * GI), ("memory", GI))),),
        dedicated=True,
        cells=CellsAsk(0, 8, 1, PAGES, GI, 16 * GI + 1),
    )
    assert Code(answer(backend, host_n(9, 0), wrong).code) is Code.GuestMemoryPages


def test_whole_cores_come_first(backend: Backend) -> None:
    """With spare CPUs a zone that gave only split cores holds no vCPU while whole cores suffice elsewhere."""
    host = host_s((2, 0), (9, 4))
    wanted = vm(11, 16, cores=4, threads=2)
    placed = place(backend, host, wanted)
    assert placed is not None
    assert placed.cells == (Cell(1, 8, 16 * GI),)


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        (8, 8, Code.Fits),
        (7, 8, Code.ZonePagesShort),
        (16, 7, Code.ZonePagesShort),
        (None, 8, Code.PagesNotReported),
        (None, 7, Code.ZonePagesShort),
        (None, None, Code.PagesNotReported),
    ],
)
def test_each_zone_holds_its_share(backend: Backend, first: int | None, second: int | None, code: Code) -> None:
    """The even share is needed in every touched zone, however many vCPUs it has; a certain lack beats a doubt."""
    host = row(
        [zone(0, 8, 32, threads=1, physical=first), zone(1, 1, 32, threads=1, physical=second)],
        Policy.NONE,
        threads_per_core=1,
    )
    assert Code(answer(backend, host, vm(9, 16, cores=9)).code) is code


def test_untouched_zones_do_not_matter(backend: Backend) -> None:
    """Only zones with vCPUs are asked for pages: the emulator's zone is not."""
    host = row(
        [zone(0, 8, 32, threads=1, physical=16), zone(1, 1, 32, threads=1, physical=None)],
        Policy.NONE,
        threads_per_core=1,
    )
    assert Code(answer(backend, host, vm(9, 16, cores=8)).code) is Code.Fits


def test_pages_of_a_size_the_zone_does_not_list(backend: Backend) -> None:
    """A zone whose pages are known but that lists none of this size has none."""
    host = row([zone(0, 16, 32)], Policy.NONE)
    host = replace(host, zones=(replace(host.zones[0], pages_free={}),))
    assert Code(answer(backend, host, vm(9, 16, cores=8)).code) is Code.ZonePagesShort


@pytest.mark.parametrize(
    ("pages", "cells", "wanted"), [(16, 2, [8, 8]), (15, 2, [8, 7]), (10, 4, [3, 3, 2, 2]), (3, 3, [1, 1, 1])]
)
def test_shares(pages: int, cells: int, wanted: list[int]) -> None:
    """Every cell gets the same number of pages, the first ones one more."""
    ask = CellsAsk(0, 1, 1, PAGES, GI, pages * GI)
    assert [share // GI for share in shares(ask, cells)] == wanted
    assert sum(shares(ask, cells)) == pages * GI


def test_no_split_known_no_cells(backend: Backend) -> None:
    """Where an option hides which zones give the CPUs, cells are not decided."""
    host = host_n(32, 32, uncore=True)
    assert Code(answer(backend, host, vm(9, 16, cores=8)).code) is Code.OptionsUndecided
    assert Code(answer(backend, replace(host, policy=Policy.SINGLE_NUMA_NODE), vm(9, 16, cores=8)).code) is Code.Fits


def test_guests_with_more_threads_than_known(backend: Backend) -> None:
    """A guest core of two threads on a host of four counts the zone's CPUs in pairs."""
    host = row([zone(0, 8, 32, threads=4), zone(1, 2, 32, threads=4)], Policy.NONE, threads_per_core=4)
    made = cells_of(host, CellsAsk(0, 5, 2, PAGES, GI, 4 * GI), [8, 2], [2, 0])
    assert made == (Cell(0, 8, 2 * GI), Cell(1, 2, 2 * GI))
    assert Code(answer(backend, host, vm(10, 4, cores=5, threads=2)).code) is Code.Fits


def test_table_of_many(backend: Backend) -> None:
    """Nodes that would need two cells rank behind nodes that need one."""
    table = backend.table(replace(host_n(5, 4), name="two"), replace(host_n(32, 32), name="one"))
    fit = table.fit(table.prepare(vm(9, 16, cores=8)), names("two", "one"))
    assert [(entry.name, entry.cells) for entry in fit.entries()] == [("one", 1), ("two", 2)]
