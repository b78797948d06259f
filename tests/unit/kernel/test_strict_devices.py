"""KubeVirt's strict PCI placement on counts: every device of the guest in a zone with a vCPU, or the VM does not start.

Host N: 2 zones x 32 CPUs without SMT. The VM: 8 vCPUs and an emulator CPU, 16 pages of 1Gi, some GPUs.
"""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _fastfit import Ask, Code, Policy, Row
from _fastfit._devices_py import cells_code
from tests.kit.kernel.backends import Backend
from tests.kit.kernel.rows import GPU, answer, names, vm
from tests.unit.kernel.test_cells import host_n


def with_gpus(count: int = 1, *, strict: bool = True, cpus: int = 9) -> Ask:
    """The VM with so many GPUs."""
    ask = vm(cpus, 16, cores=8)
    assert ask.cells is not None
    compute = ask.containers[ask.cells.container]
    parts = [*ask.containers[:-1], replace(compute, devices=((GPU, count),))]
    return replace(ask, containers=tuple(parts), cells=replace(ask.cells, strict=(GPU,) if strict else ()))


def host(cpus: tuple[int, int], gpus: tuple[int, int], policy: Policy = Policy.NONE, total: int = 4) -> Row:
    """Free CPUs and free GPUs per zone."""
    row = replace(host_n(*cpus), policy=policy)
    zones = [
        replace(zone, device_total={GPU: total}, device_free={GPU: free})
        for zone, free in zip(row.zones, gpus, strict=True)
    ]
    return replace(row, zones=tuple(zones))


@pytest.mark.parametrize(
    ("cpus", "gpus", "count", "policy", "code"),
    [
        # No hint: the kubelet takes any device.
        ((9, 0), (2, 0), 1, Policy.NONE, Code.Fits),
        ((9, 0), (0, 2), 1, Policy.NONE, Code.DeviceOutsideCells),
        ((9, 0), (1, 1), 1, Policy.NONE, Code.DeviceZoneOpen),
        ((9, 0), (1, 1), 2, Policy.NONE, Code.DeviceOutsideCells),
        ((5, 4), (1, 1), 2, Policy.NONE, Code.Fits),
        # The emulator's CPU makes no cell: its zone's device is outside.
        ((8, 1), (0, 1), 1, Policy.NONE, Code.DeviceOutsideCells),
        # A hint of one zone: devices come from there while there are enough.
        ((9, 9), (0, 2), 1, Policy.RESTRICTED, Code.Fits),
        ((9, 9), (2, 2), 1, Policy.SINGLE_NUMA_NODE, Code.Fits),
        ((9, 9), (2, 2), 1, Policy.BEST_EFFORT, Code.Fits),
        ((9, 0), (0, 1), 1, Policy.RESTRICTED, Code.ZonesDisagree),
        # best-effort goes on with both zones where the CPUs' and the device's differ.
        ((9, 0), (0, 1), 1, Policy.BEST_EFFORT, Code.DeviceOutsideCells),
    ],
)
def test_devices_in_zones_with_vcpus(
    backend: Backend, cpus: tuple[int, int], gpus: tuple[int, int], count: int, policy: Policy, code: Code
) -> None:
    """Refused where a device must lie outside, unknown where one may, as the kubelet chooses among the hinted zones."""
    row = host(cpus, gpus, policy)
    assert Code(answer(backend, row, with_gpus(count)).code) is code
    relaxed = Code(answer(backend, row, with_gpus(count, strict=False)).code)
    assert relaxed is (code if code == Code.ZonesDisagree else Code.Fits)


def test_a_device_of_no_known_zone(backend: Backend) -> None:
    """A node that reports no zone for the device is undecided; one that lacks pages is refused all the same."""
    assert Code(answer(backend, host_n(9, 0), with_gpus()).code) is Code.DeviceZoneOpen
    short = host_n(9, 0)
    short = replace(short, zones=tuple(replace(zone, pages_free={}) for zone in short.zones))
    assert Code(answer(backend, short, with_gpus()).code) is Code.ZonePagesShort
    unknown = replace(short, zones=tuple(replace(zone, pages_free=None) for zone in short.zones))
    assert Code(answer(backend, unknown, with_gpus()).code) is Code.PagesNotReported
    far = tuple(
        replace(zone, device_total={GPU: 1}, device_free={GPU: position}) for position, zone in enumerate(unknown.zones)
    )
    assert Code(answer(backend, replace(unknown, zones=far), with_gpus()).code) is Code.DeviceOutsideCells


def test_a_near_device_ranks_first(backend: Backend) -> None:
    """Without the strict rule a node whose device is in the VM's zone comes before one whose device is far."""
    near, far = replace(host((9, 0), (1, 0)), name="near"), replace(host((9, 0), (0, 1)), name="far")
    table = backend.table(far, near)
    fit = table.fit(table.prepare(with_gpus(strict=False)), names(far, near))
    best = fit.best()
    assert best is not None
    assert best[0] == "near"
    scores = {entry.name: entry.key for entry in fit.entries()}
    assert scores["near"] > scores["far"]


@given(
    free=st.lists(st.integers(0, 3), min_size=1, max_size=4),
    count=st.integers(1, 4),
    mask=st.one_of(st.none(), st.integers(1, 15)),
    cells=st.integers(0, 15),
)
@settings(max_examples=300)
def test_against_every_choice(free: list[int], count: int, mask: int | None, cells: int) -> None:
    """The code is what all choices that the kubelet may make have in common."""
    if sum(free) < count:
        return
    within = [zone if mask is None or mask >> zone & 1 else None for zone in range(len(free))]
    outcomes = set()
    for taken in _choices(free, count):
        aligned = sum(taken[zone] for zone in range(len(free)) if within[zone] is not None)
        possible = sum(free[zone] for zone in range(len(free)) if within[zone] is not None)
        if aligned == min(count, possible):
            outcomes.add(all(cells >> zone & 1 for zone in range(len(free)) if taken[zone]))
    expected = {
        frozenset({True}): Code.Fits,
        frozenset({False}): Code.DeviceOutsideCells,
        frozenset({True, False}): Code.DeviceZoneOpen,
    }[frozenset(outcomes)]
    assert cells_code(free, count, mask, cells) is expected


def _choices(free: list[int], count: int) -> list[list[int]]:
    """Every way to take `count` devices."""
    if not free:
        return [[]] if count == 0 else []
    return [[taken, *rest] for taken in range(min(free[0], count) + 1) for rest in _choices(free[1:], count - taken)]
