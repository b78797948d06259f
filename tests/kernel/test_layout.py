"""First boots that stay movable, and restarts: which node ranks first by the guest's cells alone.

Nodes of policy none with exactly the VM's CPUs free in the given zones, one thread per core, so the kernel's counts are
the cells; 8 vCPUs and the emulator's CPU.
"""

from dataclasses import replace

import pytest

from _fastfit.model import Ask, Row
from tests.kernel.backends import Backend
from tests.kernel.rows import GI, names, row, vm, zone
from tests.kernel.test_cells import host_n


def again(*vcpus: int) -> Ask:
    """The VM's first boot, or its restart after a run with these vCPUs per cell."""
    ask = vm(9, 16, cores=8)
    assert ask.cells is not None
    return replace(ask, cells=replace(ask.cells, boot=tuple((count, GI) for count in vcpus)))


def order(backend: Backend, ask: Ask, **hosts: Row) -> list[str]:
    """The nodes' names, best first."""
    table = backend.table(*(replace(host, name=name) for name, host in hosts.items()))
    fit = table.fit(table.prepare(ask), names(*hosts))
    return [entry.name for entry in fit.entries()]


def test_one_cell_then_even_cells(backend: Backend) -> None:
    """A boot prefers one cell, though that fills its zone less; then two equal cells to two others, near or far."""
    uneven = host_n(5, 4)
    even = replace(host_n(4, 5), distances=((10, 99), (99, 10)))
    assert order(backend, again(), uneven=uneven, even=even, one=host_n(32, 32)) == ["one", "even", "uneven"]


def test_fewer_cells_before_even_ones(backend: Backend) -> None:
    """Two uneven cells stand before four equal ones: every cell more forbids targets."""
    four = row([zone(at, 2 + (at == 3), 32, threads=1) for at in range(4)], host_n(0, 0).policy, threads_per_core=1)
    assert order(backend, again(), four=four, two=host_n(5, 4)) == ["two", "four"]


@pytest.mark.parametrize(
    ("before", "first"),
    [
        # an even layout is met again before all else, though one cell would do
        ((4, 4), "even"),
        ((8,), "one"),
        # an uneven one is not worth a cell more
        ((5, 3), "one"),
        # nor does one of another size count
        ((6, 6), "one"),
    ],
)
def test_a_restart_meets_its_layout_again(backend: Backend, before: tuple[int, ...], first: str) -> None:
    """The cells of the run before decide, if they were even."""
    hosts = {"even": host_n(4, 5), "uneven": host_n(5, 4), "one": host_n(32, 32)}
    assert order(backend, again(*before), **hosts)[0] == first


def test_a_restart_among_equal_numbers_of_cells(backend: Backend) -> None:
    """Where as many cells are needed anyway, the layout of the run before stands before an even one."""
    hosts = {"even": host_n(4, 5), "same": host_n(5, 4), "other": host_n(3, 6)}
    assert order(backend, again(5, 3), **hosts) == ["same", "even", "other"]


def test_guests_without_cells_rank_as_ever(backend: Backend) -> None:
    """A VM that does not see the host's NUMA has no layout: the nearer zones win, evenly split or not."""
    ask = replace(again(), cells=None)
    even = replace(host_n(4, 5), distances=((10, 32), (32, 10)))
    assert order(backend, ask, even=even, uneven=host_n(5, 4)) == ["uneven", "even"]
