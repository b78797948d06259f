"""The explanation tells the same verdict, with the numbers that made it."""

from hypothesis import HealthCheck, given, settings

from _fastfit import Ask, Code, Policy, Row, Scope
from _fastfit.explain import RULES, KeyParts, explain
from tests.kit.kernel.backends import PYTHON
from tests.kit.kernel.rows import GI, PAGES, answer, ask, row, vm, zone
from tests.kit.kernel.strategies import asks, rows


def test_missing_cpus_are_told_per_zone() -> None:
    """Free and missing CPUs of each zone, by its id, and the rule."""
    told = explain(row([zone(0, 6), zone(8, 4, socket=1)]), ask((2, 8, 1, 0)))
    assert told.code is Code.ZoneCpuShort
    assert [(need.zone, need.free, need.missing) for need in told.steps[0].zones] == [(0, 6, 2), (8, 4, 4)]
    assert "cpu zone 8: 4 free of 8, 4 missing" in told.steps[0].text
    assert told.rule == RULES[Code.ZoneCpuShort]
    assert told.key is None


def test_steps_of_a_pod_that_fits() -> None:
    """Each container: what was offered, what was decided, what was taken; then the cells and the key."""
    told = explain(row([zone(0, 14), zone(1, 16)], memory_static=True), vm(9, 16, cores=8))
    sidecar, compute = told.steps
    assert (sidecar.container, sidecar.mask, sidecar.memory_mask, sidecar.cpus) == (0, 1, 1, ())
    assert [offer.resource for offer in compute.offers] == ["cpu", PAGES, "memory"]
    assert compute.offers[0].preferred == (1, 2)
    assert compute.offers[0].masks == (1, 2, 3)
    assert (compute.mask, compute.preferred, compute.cpus, compute.memory_mask) == (1, True, (9, 0), 1)
    assert told.cells == ((0, 8, 16 * GI),)
    assert told.key == KeyParts(cells=1, distance=0, cpus_left=5, pages_left=16)


def test_scope_pod_has_a_step_of_its_own() -> None:
    """The merge is told once, for the whole pod."""
    told = explain(row([zone(0, 14), zone(1, 16)], scope=Scope.POD), ask((2, 8, 1, 0), (2, 8, 1, 0)))
    assert [(step.container, step.mask) for step in told.steps] == [(None, 2), (0, None), (1, None)]


def test_silence_of_the_memory_manager_is_told() -> None:
    """No zones can hold the memory: the manager says nothing, and the allocator refuses."""
    zones = [zone(0, 14, used_pages=30, blocks=1), zone(1, 16, used_pages=30, blocks=1)]
    told = explain(row(zones, memory_static=True), ask((2, 2, 2, 4)))
    assert told.code is Code.ZoneMemoryShort
    assert told.steps[0].silent == ("memory", PAGES)
    assert told.steps[0].mask == 1


def test_a_node_decided_before_its_zones() -> None:
    """No steps where no zone was looked at."""
    told = explain(row([zone(0, 14)], Policy.NONE, node_code=Code.NotSchedulable), ask((2, 2, 1, 0)))
    assert (told.code, told.steps) == (Code.NotSchedulable, ())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows(), asks())
def test_same_verdict(node: Row, wanted: Ask) -> None:
    """The explanation's verdict is the table's."""
    told = explain(node, wanted)
    assert told.code == answer(PYTHON, node, wanted).code
    assert all(step.text for step in told.steps)
