"""Huge pages with bounds: fits by what is free for certain, refused by what may be free at most, unknown between."""

from dataclasses import replace

import pytest

from _fastfit import Ask, Code, ContainerAsk, Policy, Row
from tests.kit.kernel.backends import Backend
from tests.kit.kernel.rows import GI, PAGES, answer, ask, row, vm, zone

#: Zones and together: (for certain, at most) by zone.
Bounds = tuple[tuple[int, int], ...]


def host(bounds: Bounds, together: int | None = None, *, static: bool = False, policy: Policy = Policy.NONE) -> Row:
    """Zones of 16 CPUs and 32 pages by accounting, all free."""
    zones = [
        replace(zone(position, 16, 16, threads=1, physical=certain), pages_most={PAGES: most * GI})
        for position, (certain, most) in enumerate(bounds)
    ]
    known = {} if together is None else {PAGES: together * GI}
    return row(zones, policy, threads_per_core=1, memory_static=static, pages_together=known)


def code(backend: Backend, node: Row, wanted: Ask) -> Code:
    return Code(answer(backend, node, wanted).code)


@pytest.mark.parametrize(
    ("first", "second", "right"),
    [
        ((8, 16), (8, 16), Code.Fits),
        ((7, 16), (8, 16), Code.PagesNotReported),
        ((8, 16), (0, 8), Code.PagesNotReported),
        ((0, 7), (8, 16), Code.ZonePagesShort),
        ((7, 8), (7, 7), Code.ZonePagesShort),
    ],
)
def test_cells(backend: Backend, first: tuple[int, int], second: tuple[int, int], right: Code) -> None:
    """16 vCPUs and 16 pages over two zones: 8 pages in each."""
    node = host((first, second))
    node = replace(node, zones=tuple(replace(own, cpu_free=8, cores_free=8) for own in node.zones))
    assert code(backend, node, vm(16, 16, cores=16, sidecar=False)) is right


@pytest.mark.parametrize(
    ("bounds", "right"),
    [
        (((15, 15), (0, 0)), Code.Fits),
        # both cells are bound to the zone with the vCPUs
        (((14, 15), (0, 0)), Code.PagesNotReported),
        (((7, 15), (8, 8)), Code.PagesNotReported),
        (((14, 14), (8, 8)), Code.ZonePagesShort),
    ],
)
def test_cells_that_move(backend: Backend, bounds: Bounds, right: Code) -> None:
    """A guest of two cells, 8 and 7 pages, in one zone: that zone holds all."""
    wanted = vm(8, 15, cores=8, sidecar=False)
    assert wanted.cells is not None
    cells = replace(wanted.cells, moving=8, boot=((5, 8 * GI), (3, 7 * GI)))
    assert code(backend, host(bounds), replace(wanted, cells=cells)) is right


@pytest.mark.parametrize(
    ("bounds", "right"),
    [
        (((16, 32), (0, 0)), Code.Fits),
        (((15, 32), (32, 32)), Code.PagesNotReported),
        (((0, 16), (32, 32)), Code.PagesNotReported),
        (((0, 15), (32, 32)), Code.ZoneMemoryShort),
    ],
)
def test_pinned_memory(backend: Backend, bounds: Bounds, right: Code) -> None:
    """Memory Manager Static gives 16 pages of zone 0, whatever pods hold there that it does not know of."""
    node = host(bounds, static=True, policy=Policy.SINGLE_NUMA_NODE)
    assert code(backend, node, ask((2, 4, 1, 16))) is right


def test_pinned_memory_of_several_containers_adds_up(backend: Backend) -> None:
    """Each has its pages in zone 0; together they have not. What an init container leaves is taken once."""
    node = host(((24, 32), (32, 32)), static=True, policy=Policy.SINGLE_NUMA_NODE)
    assert code(backend, node, ask((2, 4, 1, 12), (2, 4, 1, 12))) is Code.Fits
    assert code(backend, node, ask((2, 4, 1, 12), (2, 4, 1, 13))) is Code.PagesNotReported
    assert code(backend, node, ask((0, 0, 1, 16), (2, 4, 1, 16))) is Code.Fits


def test_pinned_memory_where_pages_are_not_known(backend: Backend) -> None:
    """Then the accounting alone decides, as for a size that no zone lists."""
    node = host(((0, 0), (0, 0)), static=True, policy=Policy.SINGLE_NUMA_NODE)
    wanted = ask((2, 4, 1, 16))
    assert code(backend, node, wanted) is Code.ZoneMemoryShort
    unknown = tuple(replace(own, pages_free=None, pages_most=None) for own in node.zones)
    assert code(backend, replace(node, zones=unknown), wanted) is Code.Fits
    unlisted = tuple(replace(own, pages_free={}, pages_most=None) for own in node.zones)
    assert code(backend, replace(node, zones=unlisted), wanted) is Code.Fits
    assert code(backend, replace(node, zones=unlisted, pages_together={PAGES: 99 * GI}), wanted) is Code.ZoneMemoryShort


@pytest.mark.parametrize(
    ("together", "right"), [(None, Code.Fits), (16, Code.Fits), (15, Code.ZoneMemoryShort), (0, Code.ZoneMemoryShort)]
)
def test_pages_of_any_zone(backend: Backend, together: int | None, right: Code) -> None:
    """Where nothing pins them, their sum decides."""
    node = host(((0, 16), (0, 16)), together)
    wanted = Ask((ContainerAsk(2, 0),), pages=((PAGES, 16 * GI),))
    assert code(backend, node, wanted) is right


def test_the_whole_node_is_short_for_cells(backend: Backend) -> None:
    """Each cell may have its pages, both together have not; what counts know otherwise is said first."""
    node = host(((0, 16), (0, 16)), 15)
    node = replace(node, zones=tuple(replace(own, cpu_free=8, cores_free=8) for own in node.zones))
    wanted = replace(vm(16, 16, cores=16, sidecar=False), pages=((PAGES, 16 * GI),))
    assert code(backend, node, wanted) is Code.ZonePagesShort
    assert code(backend, replace(node, pages_together={PAGES: 16 * GI}), wanted) is Code.PagesNotReported
    assert (
        code(backend, node, replace(wanted, containers=(replace(wanted.containers[0], cpus=99),))) is Code.NodeCpuShort
    )


def test_pages_of_a_size_that_the_node_lacks(backend: Backend) -> None:
    """Unpinned or not."""
    wanted = Ask((ContainerAsk(2, 0),), pages=(("hugepages-2Mi", GI),))
    assert code(backend, host(((16, 16),)), wanted) is Code.NoPagesOfSize


@pytest.mark.parametrize(
    ("pages", "right"),
    [
        (((PAGES, -1),), Code.DemandUnreadable),
        (((PAGES, 1 << 60),), Code.DemandUnreadable),
        (tuple((f"hugepages-{size}Gi", 1) for size in range(9)), Code.TooManyResources),
    ],
)
def test_amounts_out_of_range(backend: Backend, pages: tuple[tuple[str, int], ...], right: Code) -> None:
    """As for pinned memory."""
    assert code(backend, host(((16, 16),)), Ask((ContainerAsk(2, 0),), pages=pages)) is right
