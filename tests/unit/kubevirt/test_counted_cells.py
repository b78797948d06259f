"""Cells from counts against cells from CPU ids."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extender.kubelet.model import Core, Machine, Zone
from extender.kubevirt.counted_cells import cells_by_counts, counts_decide
from extender.kubevirt.guest.boot import boot
from extender.kubevirt.guest.domain import Domain, GuestError
from extender.kubevirt.guest.size import GuestSize


@pytest.mark.parametrize(
    ("cpus", "cores", "threads", "cells"),
    [
        ((9, 0), 8, 1, ((0, 8),)),
        ((8, 1), 8, 1, ((0, 8),)),
        ((1, 8), 8, 1, ((0, 1), (1, 7))),
        ((0, 5, 4), 8, 1, ((1, 5), (2, 3))),
        ((25, 24), 24, 2, ((0, 24), (1, 24))),
        ((3, 3), 3, 2, ()),
        ((3, 4), 3, 2, ((0, 2), (1, 4))),
        ((7,), 8, 1, ()),
    ],
)
def test_by_hand(cpus: tuple[int, ...], cores: int, threads: int, cells: tuple[tuple[int, int], ...]) -> None:
    """Zones fill in order; a zone that gives nothing is not listed; a misfit is empty."""
    assert cells_by_counts(cpus, cores, threads) == cells


def test_whole_cores_go_first() -> None:
    """Two split cores in zone 0 are used only after the whole ones of zone 1."""
    assert cells_by_counts((2, 4), 2, 2, whole_cores=(0, 2)) == ((1, 4),)
    assert cells_by_counts((2, 4), 2, 2) == ((0, 2), (1, 2))
    assert not counts_decide((2, 4), 2, 2)


@st.composite
def hosts(draw: st.DrawFn) -> tuple[Machine, frozenset[int]]:
    """A machine whose siblings are never adjacent, and a cpuset on it."""
    width = draw(st.sampled_from([1, 2, 4]))
    per_zone = draw(st.integers(2, 6))
    zones = draw(st.integers(1, 4))
    stride = per_zone * zones
    cores = [
        [tuple(z * per_zone + c + stride * t for t in range(width)) for c in range(per_zone)] for z in range(zones)
    ]
    cpus = draw(st.sets(st.integers(0, stride * width - 1), min_size=1))
    machine = Machine(
        zones, tuple(Zone(z, 0, {}, (), tuple(Core(z, None, c) for c in cs)) for z, cs in enumerate(cores))
    )
    return machine, frozenset(cpus)


@given(hosts(), st.integers(1, 12), st.sampled_from([1, 2]))
def test_equal_to_the_pinning(host: tuple[Machine, frozenset[int]], cores: int, threads: int) -> None:
    """With whole cores given, or where counts decide, counts and ids agree on every cell and on every misfit."""
    machine, cpus = host
    domain = boot(
        machine, cpus, GuestSize(sockets=cores, threads=threads, memory_bytes=64, page_bytes=1, passthrough=True)
    )
    exact: tuple[tuple[int, int], ...] = ()
    if isinstance(domain, Domain):
        exact = tuple(sorted(Counter(domain.pin_zones).items()))
        assert [len(cell.cpus) for cell in domain.cells] == [vcpus for _, vcpus in exact]
    else:
        assert isinstance(domain, GuestError)
    free = [[len(cpus.intersection(core.threads)) for core in zone.cores] for zone in machine.zones]
    counts = [sum(zone) for zone in free]
    whole = [sum(core // threads for core in zone) for zone in free]
    assert cells_by_counts(counts, cores, threads, whole) == exact
    if counts_decide(counts, cores, threads):
        assert cells_by_counts(counts, cores, threads) == exact
