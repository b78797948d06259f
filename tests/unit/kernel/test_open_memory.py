"""Rows of nodes whose Memory Manager is not known, memory that no zone lists, and more CPUs than a machine has."""

from dataclasses import replace

import pytest

from _fastfit import Ask, Code, ContainerAsk, Policy, Row
from _fastfit.model import MAX_SET_ZONES, MAX_ZONES
from tests.kit.kernel.backends import PYTHON, Backend
from tests.kit.kernel.rows import GI, PAGES, answer, ask, names, row, vm, zone


def _code(kernel: Backend, node: Row, wanted: Ask) -> Code:
    return Code(answer(kernel, node, wanted).code)


@pytest.mark.parametrize(
    ("amount", "off", "on", "both"),
    [
        (8, Code.Fits, Code.Fits, Code.Fits),
        (40, Code.Fits, Code.ZoneMemoryShort, Code.MemoryManagerNotKnown),
    ],
)
def test_the_verdict_must_hold_both_ways(kernel: Backend, amount: int, off: Code, on: Code, both: Code) -> None:
    """40 GiB in zones of 32 under policy none."""
    node = row([zone(0, 14, memory=32), zone(1, 16, memory=16)], Policy.NONE)
    wanted = ask((2, 4, amount, 0))
    if amount == 40:
        node = replace(node, zones=(replace(node.zones[0], blocks=1), node.zones[1]))
    assert _code(kernel, node, wanted) is off
    assert _code(kernel, replace(node, memory_static=True), wanted) is on
    assert _code(kernel, replace(node, memory_static=True, memory_open=True), wanted) is both


def test_what_is_refused_both_ways_is_refused(kernel: Backend) -> None:
    """Too few CPUs are too few."""
    node = row([zone(0, 4), zone(1, 4)], memory_static=True, memory_open=True)
    assert _code(kernel, node, ask((2, 9, 1, 0))) is Code.NodeCpuShort
    assert _code(kernel, replace(node, memory_static=False), ask((2, 9, 1, 0))) is Code.NodeCpuShort


def test_without_memory_per_zone_only_pods_without_memory_fit(kernel: Backend) -> None:
    """Nothing is known of the other reading."""
    node = row([zone(0, 14), zone(1, 16)], memory_open=True)
    assert _code(kernel, node, ask((2, 4, 1, 0))) is Code.MemoryManagerNotKnown
    assert _code(kernel, node, ask((2, 4, 0, 0))) is Code.Fits


def test_pages_that_no_zone_lists_are_not_known(kernel: Backend) -> None:
    """An open row does not take them for none."""
    zones = [replace(zone(place, 14), pages_free={}) for place in range(2)]
    assert _code(kernel, row(zones, memory_open=True), vm(9, 16, cores=8)) is Code.PagesNotReported


@pytest.mark.parametrize(("left_out", "code"), [("memory", Code.MemoryNotReported), (PAGES, Code.PagesNotReported)])
def test_memory_that_no_zone_lists_is_not_zero(kernel: Backend, left_out: str, code: Code) -> None:
    """Memory Manager is Static; a pod that asks for none of it is judged."""

    def rest(amounts: object) -> dict[str, int]:
        assert isinstance(amounts, dict)
        return {name: amount for name, amount in amounts.items() if name != left_out}

    zones = [zone(place, 14) for place in range(2)]
    zones = [
        replace(own, memory_allocatable=rest(own.memory_allocatable), memory_free=rest(own.memory_free))
        for own in zones
    ]
    node = row(zones, memory_static=True)
    other = "memory" if left_out == PAGES else PAGES
    assert _code(kernel, node, ask((2, 4, 1, 1))) is code
    assert _code(kernel, node, Ask((ContainerAsk(2, 4, ((other, GI),)),))) is Code.Fits
    assert _code(kernel, node, Ask((ContainerAsk(2, 4, ((other, GI), (left_out, 0))),))) is Code.Fits


def test_a_request_of_zero_needs_no_page_size(kernel: Backend) -> None:
    """The node has no 2Mi pages."""
    node = row([zone(0, 14), zone(1, 16)])
    assert _code(kernel, node, Ask((ContainerAsk(2, 4, (("hugepages-2Mi", 0),)),))) is Code.Fits
    assert _code(kernel, node, Ask((ContainerAsk(2, 4, (("hugepages-2Mi", 1),)),))) is Code.NoPagesOfSize


@pytest.mark.parametrize("policy", [Policy.NONE, Policy.BEST_EFFORT])
def test_more_than_an_uneven_machine_has(kernel: Backend, policy: Policy) -> None:
    """Reserved CPUs may be handed out there, CPUs that do not exist may not."""
    node = row([zone(0, 8, total=10, cpu_reserved=2), zone(1, 8, total=8)], policy, uneven=True)
    assert _code(kernel, node, ask((2, 17, 0, 0))) is Code.OptionsUndecided
    assert _code(kernel, node, ask((2, 18, 0, 0))) is Code.OptionsUndecided
    assert _code(kernel, node, ask((2, 19, 0, 0))) is Code.NodeCpuShort


@pytest.mark.parametrize("zones", [MAX_SET_ZONES, MAX_SET_ZONES + 1, MAX_ZONES, MAX_ZONES + 1])
def test_policy_none_tries_no_sets_of_zones(kernel: Backend, zones: int) -> None:
    """So it is judged up to the width of a mask."""
    node = row([zone(place, 8, total=8) for place in range(zones)], Policy.NONE)
    assert _code(kernel, node, ask((2, 20, 0, 0))) is (Code.Fits if zones <= MAX_ZONES else Code.TooManyZones)
    many = Code.Fits if zones <= MAX_SET_ZONES else Code.TooManyZones
    assert _code(kernel, replace(node, memory_static=True), ask((2, 4, 0, 0))) is many


def test_zones_beyond_the_sixteenth_keep_their_places(kernel: Backend) -> None:
    """CPUs over several of many zones come from the fullest ones first, whatever their numbers."""
    zones = [replace(zone(place, 2 + place % 3, total=16), socket=place % 20) for place in range(MAX_ZONES)]
    node, wanted = row(zones, Policy.NONE, threads_per_core=1), ask((2, 20, 0, 0))
    answers = []
    for backend in (kernel, PYTHON):
        table = backend.table(node)
        fit = table.fit(table.prepare(wanted), names(node))
        answers.append((fit.entries(), fit.placement(node.name)))
    assert answers[0] == answers[1]
    given = answers[0][1].cpus
    assert sum(given) == 20
    assert any(given[MAX_SET_ZONES:])
