"""Live-migration targets on counts: cells fixed at boot against the zones of the target.

Host N: 2 zones x 32 CPUs without SMT. The VM: 8 vCPUs and an emulator CPU, 16 pages of 1Gi, unless said otherwise.
"""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _fastfit import Ask, Cell, CellsAsk, Code, Policy, Row
from _fastfit._cells_py import locality
from _fastfit._key_py import LOCALITY_TOP
from tests.kit.kernel.backends import Backend
from tests.kit.kernel.rows import GI, PAGES, answer, names, place, row, vm, zone
from tests.unit.kernel.test_cells import host_n

#: (vCPUs, Gi) of each cell
Boot = list[tuple[int, int]]


def moving(boot: Boot, *, strict: bool = False, cpus: int = 9, pages: int = 16, now: int = 8, new: int = 8) -> Ask:
    """The target pod of a VM with these cells; `now` vCPUs run, the spec has `new`."""
    ask = vm(cpus, pages, cores=new)
    assert ask.cells is not None
    cells = tuple((vcpus, gib * GI) for vcpus, gib in boot)
    return replace(ask, cells=replace(ask.cells, moving=now, boot=cells, symmetric_only=strict))


def with_pages(host: Row, *pages: int | None) -> Row:
    """The host with other free pages per zone."""
    zones = [
        replace(own, pages_free=None if free is None else {PAGES: free * GI})
        for own, free in zip(host.zones, pages, strict=True)
    ]
    return replace(host, zones=tuple(zones))


@pytest.mark.parametrize(
    ("boot", "host", "code"),
    [
        ([(8, 16)], host_n(9, 0), Code.Fits),
        ([(8, 16)], host_n(8, 1), Code.Fits),
        ([(8, 16)], host_n(5, 4), Code.MoreZonesThanCells),
        ([(8, 16)], host_n(1, 8), Code.MoreZonesThanCells),
        ([(5, 8), (3, 8)], host_n(5, 4), Code.Fits),
        ([(5, 8), (3, 8)], host_n(3, 6), Code.Fits),
        ([(5, 8), (3, 8)], host_n(9, 0), Code.Fits),
        ([], host_n(5, 4), Code.Fits),
    ],
)
def test_no_more_zones_than_cells(backend: Backend, boot: Boot, host: Row, code: Code) -> None:
    """Zones with a vCPU count, the emulator's does not; cells that are not known refuse nothing."""
    assert Code(answer(backend, host, moving(boot)).code) is code


@pytest.mark.parametrize(
    ("boot", "host", "code"),
    [
        ([(5, 8), (3, 8)], host_n(5, 4), Code.Fits),
        ([(5, 8), (3, 8)], host_n(4, 5), Code.NotSymmetric),
        ([(5, 8), (3, 8)], host_n(9, 0), Code.NotSymmetric),
        ([(8, 16)], host_n(5, 4), Code.MoreZonesThanCells),
        ([], host_n(5, 4), Code.Fits),
    ],
)
def test_symmetric_only(backend: Backend, boot: Boot, host: Row, code: Code) -> None:
    """Strict: only the boot's vCPUs per cell in order pass; cells that are not known still refuse nothing."""
    assert Code(answer(backend, host, moving(boot, strict=True)).code) is code


@pytest.mark.parametrize(
    ("boot", "host", "pages", "code"),
    [
        # cell i wants its own bytes in the i-th zone with a vCPU
        ([(5, 8), (3, 7)], host_n(5, 4), (8, 7), Code.Fits),
        ([(5, 8), (3, 7)], host_n(5, 4), (7, 8), Code.ZonePagesShort),
        ([(5, 8), (3, 7)], host_n(5, 4), (8, None), Code.PagesNotReported),
        ([(5, 8), (3, 7)], host_n(5, 4), (7, None), Code.ZonePagesShort),
        # fewer zones than cells: they hold all of it
        ([(5, 8), (3, 7)], host_n(9, 0), (15, 0), Code.Fits),
        ([(5, 8), (3, 7)], host_n(9, 0), (14, 32), Code.ZonePagesShort),
        ([(5, 8), (3, 7)], host_n(9, 0), (None, 0), Code.PagesNotReported),
        # cells not known: only the sum is certain
        ([], host_n(5, 4), (14, 1), Code.Fits),
        ([], host_n(5, 4), (13, 1), Code.ZonePagesShort),
    ],
)
def test_pages(backend: Backend, boot: Boot, host: Row, pages: tuple[int | None, ...], code: Code) -> None:
    """Pages are wanted where the boot's cells are bound, and in all for what is not bound."""
    assert Code(answer(backend, with_pages(host, *pages), moving(boot, pages=15)).code) is code


def test_cells_of_a_target(backend: Backend) -> None:
    """A placement shows the target's vCPUs per zone, and the bytes that the boot bound to each."""
    placed = place(backend, host_n(3, 6), moving([(5, 9), (3, 7)]))
    assert placed is not None
    assert placed.cells == (Cell(0, 3, 9 * GI), Cell(1, 5, 7 * GI))


def test_ranking(backend: Backend) -> None:
    """Symmetric first, then by the share of vCPUs that stay at their memory, though it be in fewer cells or zones."""
    hosts = {"same": (5, 4), "whole": (9, 0), "near": (4, 5), "far": (1, 8)}
    table = backend.table(*(replace(host_n(*free), name=name) for name, free in hosts.items()))
    fit = table.fit(table.prepare(moving([(5, 8), (3, 8)])), names(*hosts))
    assert [entry.name for entry in fit.entries()] == ["same", "whole", "near", "far"]


def test_unknown_cells_rank_by_zones(backend: Backend) -> None:
    """Where the cells are not known, fewer zones rank first: they are the likelier to be allowed."""
    table = backend.table(replace(host_n(5, 4), name="two"), replace(host_n(32, 32), name="one"))
    fit = table.fit(table.prepare(moving([])), names("two", "one"))
    assert [entry.name for entry in fit.entries()] == ["one", "two"]


@pytest.mark.parametrize(
    ("cpus", "free", "now", "new", "code"),
    [
        # 8 -> 12 on 8 + 5 CPUs: what runs moves into one zone, though the new size needs two
        (13, (8, 5), 8, 12, Code.Fits),
        (13, (7, 6), 8, 12, Code.MoreZonesThanCells),
        # the new size must fit all the same
        (11, (11, 0), 8, 12, Code.CoreSplit),
    ],
)
def test_hotplug(backend: Backend, cpus: int, free: tuple[int, int], now: int, new: int, code: Code) -> None:
    """What is enabled before the hotplug is pinned in the move; all of the new size must find its place."""
    host = with_pages(host_n(*free), 16, 16)
    assert Code(answer(backend, host, moving([(8, 16)], cpus=cpus, now=now, new=new)).code) is code


@pytest.mark.parametrize(
    ("boot", "vcpus", "wanted"),
    [
        ([24, 24], [24, 24], LOCALITY_TOP),
        ([8], [8], LOCALITY_TOP),
        ([5, 3], [8], 254),
        ([5, 3], [3, 5], 254 * 6 // 8),
        # two of three cells have a zone, the third is spread over both
        ([4, 4, 4], [6, 6], 254 * (4 + 2 + 2) // 12),
        # 16 more were plugged: they belong to cell 0
        ([24, 24], [32, 32], 254 * (24 + 16) // 64),
        ([8], [12], LOCALITY_TOP),
    ],
)
def test_locality(boot: list[int], vcpus: list[int], wanted: int) -> None:
    """Shares by hand."""
    ask = CellsAsk(0, sum(vcpus), 1, PAGES, GI, GI, sum(vcpus), tuple((count, GI) for count in boot))
    assert locality(ask, [Cell(zone, count, 0) for zone, count in enumerate(vcpus)]) == wanted


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_locality_is_full_only_when_symmetric(boot: list[int], vcpus: list[int]) -> None:
    """The top is reached exactly by equal vCPUs per cell, and one zone keeps everything local."""
    ask = CellsAsk(0, sum(vcpus), 1, PAGES, GI, GI, sum(vcpus), tuple((count, GI) for count in boot))
    near = locality(ask, [Cell(zone, count, 0) for zone, count in enumerate(vcpus)])
    if sum(boot) == sum(vcpus):
        assert (near == LOCALITY_TOP) == (boot == vcpus)
    assert 0 <= near <= LOCALITY_TOP
    if len(vcpus) == 1:
        assert near >= LOCALITY_TOP - 1


@pytest.mark.parametrize("cells", [{"moving": 9}, {"moving": -1}, {"boot": ((0, GI),)}])
def test_nonsense(backend: Backend, cells: dict[str, int]) -> None:
    """More cores in the move than the VM has, or a cell without a vCPU: not readable."""
    ask = vm(9, 16, cores=8)
    assert ask.cells is not None
    wrong = replace(ask, cells=replace(ask.cells, **cells))
    assert Code(answer(backend, host_n(9, 0), wrong).code) is Code.DemandUnreadable


def test_the_option_that_hides_the_split(backend: Backend) -> None:
    """Where counts do not say which zones give the CPUs, nothing is refused for its cells."""
    host = row([zone(0, 32, 32, threads=1), zone(1, 32, 32, threads=1)], Policy.NONE, threads_per_core=1, uncore=True)
    assert Code(answer(backend, host, moving([(8, 16)])).code) is Code.OptionsUndecided
