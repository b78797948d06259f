"""First boots that stay movable, and restarts: which node ranks first by the guest's cells alone.

Nodes of policy none with exactly the VM's CPUs free in the given zones, one thread per core, so the kernel's counts are
the cells; 8 vCPUs and the emulator's CPU.
"""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from _fastfit import Code, Mode
from _fastfit._key_py import LAYOUT_UNEVEN, layout_part
from _fastfit.model import Ask, Row
from tests.kit.kernel.backends import PYTHON, Backend
from tests.kit.kernel.rows import GI, names, row, vm, zone
from tests.unit.kernel.test_cells import host_n


def again(*vcpus: int) -> Ask:
    """The VM's first boot, or its restart with a last layout of these vCPUs per cell."""
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
    """Two uneven cells rank before four equal ones: every cell more forbids targets."""
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
    """The last layout decides, if it was even."""
    hosts = {"even": host_n(4, 5), "uneven": host_n(5, 4), "one": host_n(32, 32)}
    assert order(backend, again(*before), **hosts)[0] == first


def test_a_restart_among_equal_numbers_of_cells(backend: Backend) -> None:
    """Where as many cells are needed anyway, the last layout ranks before an even one."""
    hosts = {"even": host_n(4, 5), "same": host_n(5, 4), "other": host_n(3, 6)}
    assert order(backend, again(5, 3), **hosts) == ["same", "even", "other"]


def test_guests_without_cells_rank_as_ever(backend: Backend) -> None:
    """A VM that does not see the host's NUMA has no layout: the nearer zones win, evenly split or not."""
    ask = replace(again(), cells=None)
    even = replace(host_n(4, 5), distances=((10, 32), (32, 10)))
    assert order(backend, ask, even=even, uneven=host_n(5, 4)) == ["uneven", "even"]


NEAR = ((10, 11), (11, 10))


def test_a_layout_that_others_give_as_well(backend: Backend) -> None:
    """Among uneven cells, a layout that another node gives ranks before one that none does, near and full or not."""
    single = replace(host_n(6, 3), distances=NEAR)
    hosts = {"single": single, "one": host_n(5, 4), "other": host_n(5, 4)}
    assert order(backend, again(), **hosts) == ["one", "other", "single"]
    assert order(backend, again(), single=single, one=host_n(5, 4)) == ["single", "one"]


def test_the_same_vcpus_in_another_order_are_another_layout(backend: Backend) -> None:
    """Cell 0 with three of eight vCPUs cannot move to where zone 0 gives five."""
    hosts = {"mirrored": replace(host_n(3, 6), distances=NEAR), "one": host_n(5, 4), "other": host_n(5, 4)}
    assert order(backend, again(), **hosts)[-1] == "mirrored"


def test_evenness_and_fewer_cells_before_shared_layouts(backend: Backend) -> None:
    """One cell, then even ones, though no other node gives either and some give the uneven layout."""
    hosts = {"one": host_n(32, 32), "even": host_n(4, 5), "some": host_n(5, 4), "more": host_n(5, 4)}
    assert order(backend, again(), **hosts) == ["one", "even", "more", "some"]


def test_how_many_give_the_layout(backend: Backend) -> None:
    """Every node that fits says how many others give its layout; modes do not matter, refused nodes do not count."""
    hosts = [
        replace(host_n(5, 4), name="a"),
        replace(host_n(5, 4), name="b", mode=Mode.OBSERVE),
        replace(host_n(5, 4), name="c", node_code=Code.NotSchedulable),
        replace(host_n(6, 3), name="d"),
        replace(host_n(4, 5), name="e"),
        replace(host_n(4, 5), name="f"),
        replace(host_n(32, 2), name="g"),
    ]
    table = backend.table(*hosts)
    fit = table.fit(table.prepare(again()), names(*hosts))
    assert {entry.name: entry.alike for entry in fit.entries()} == {
        **dict.fromkeys("abef", 1),
        **dict.fromkeys("cdg", 0),
    }
    plain = table.fit(table.prepare(replace(again(), cells=None)), names(*hosts))
    assert not any(entry.alike for entry in plain.entries())


def test_an_excluded_node_shares_no_layout(backend: Backend) -> None:
    """Once one of two equal nodes is excluded, the other ranks behind a layout that two give."""
    hosts = {"a": replace(host_n(6, 3), distances=NEAR), "b": host_n(6, 3), "c": host_n(5, 4), "d": host_n(5, 4)}
    table = backend.table(*(replace(host, name=name) for name, host in hosts.items()))
    fit = table.fit(table.prepare(again()), names(*hosts))
    assert [entry.name for entry in fit.entries()] == ["a", "b", "c", "d"]
    fit.exclude("b", Code.ZonesDisagree)
    assert [entry.name for entry in fit.entries()][:3] == ["c", "d", "a"]
    assert fit.best() == ("c", Code.Fits)
    again_asked = table.fit(table.prepare(again()), names(*hosts))
    assert again_asked.best() == ("a", Code.Fits)


def test_hundreds_of_layouts(kernel: Backend) -> None:
    """Each layout is told from all others, however many there are: unshared ones have the lower keys."""
    splits = [(first, second, 41 - first - second) for first in range(1, 20) for second in range(1, 20)]
    splits += splits[::3]
    hosts = [
        row(
            [zone(at, free, 64, threads=1) for at, free in enumerate(split)],
            host_n(0, 0).policy,
            name=f"n{number:03}",
            threads_per_core=1,
        )
        for number, split in enumerate(splits)
    ]
    seen = []
    for backend in (kernel, PYTHON):
        table = backend.table(*hosts)
        fit = table.fit(table.prepare(vm(41, 16, cores=40)), names(*hosts))
        seen.append(fit.entries())
    assert seen[0] == seen[1]
    uneven = [entry for entry in seen[0] if layout_part(entry.key) <= LAYOUT_UNEVEN]
    assert all((layout_part(entry.key) == LAYOUT_UNEVEN) is (entry.alike > 0) for entry in uneven)
    assert len({entry.alike for entry in uneven}) > 1
    assert len(uneven) > 400


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_same_layouts_in_both_kernels(kernel: Backend, data: st.DataObject) -> None:
    """Boots and restarts over nodes with like and unlike splits, one of them excluded: equal keys and numbers."""
    splits = st.lists(st.sampled_from([0, 1, 2, 2, 3, 4]), min_size=3, max_size=3)
    drawn = data.draw(st.lists(splits, min_size=1, max_size=7))
    hosts = [
        row([zone(at, free, 32, threads=1) for at, free in enumerate(free)], host_n(0, 0).policy, threads_per_core=1)
        for free in drawn
    ]
    hosts = [replace(host, name=f"n{number}") for number, host in enumerate(hosts)]
    vcpus = data.draw(st.integers(2, 6))
    ask = vm(vcpus, 16, cores=vcpus)
    assert ask.cells is not None
    before = data.draw(st.sampled_from([(), (2, vcpus - 2), (vcpus,)]))
    ask = replace(ask, cells=replace(ask.cells, boot=tuple((max(1, count), GI) for count in before)))
    excluded = data.draw(st.sampled_from(hosts)).name
    seen = []
    for backend in (kernel, PYTHON):
        table = backend.table(*hosts)
        fits = [table.fit(table.prepare(ask), names(*hosts)) for _ in range(2)]
        fits[1].exclude(excluded, Code.ZonesDisagree)
        seen.append([(fit.entries(), fit.best(), fit.score_reply()) for fit in fits])
    assert seen[0] == seen[1]
