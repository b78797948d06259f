"""zone_code() is the table's verdict where the zones decide it, and every such code has a rule for people."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from _fastfit import Ask, Code, Policy, Row, Scope
from _fastfit.counting import zone_code
from extender.reasons import REASONS
from tests.kit.kernel.backends import PYTHON
from tests.kit.kernel.rows import answer, ask, row, vm, zone
from tests.kit.kernel.strategies import asks, rows

#: What the plain kernel can find in a node's zones.
FOUND_IN_ZONES = frozenset(
    {
        Code.OptionsUndecided,
        Code.PagesNotReported,
        Code.InitContainerCpus,
        Code.MemoryManagerNotKnown,
        Code.DeviceZoneOpen,
        Code.NodeCpuShort,
        Code.ZoneCpuShort,
        Code.NeverFitsZone,
        Code.ZonesDisagree,
        Code.ZoneMemoryShort,
        Code.MemoryGroupConflict,
        Code.SmtAlignment,
        Code.DeviceZoneShort,
        Code.ZonePagesShort,
        Code.CoreSplit,
        Code.GuestMemoryPages,
        Code.MoreZonesThanCells,
        Code.NotSymmetric,
        Code.DeviceOutsideCells,
    }
)


def test_rules_and_codes() -> None:
    """The table of reasons has a rule for exactly the codes that counts give."""
    assert {code for code, reason in REASONS.items() if reason.rule} == FOUND_IN_ZONES


@pytest.mark.parametrize("scope", Scope)
def test_codes_of_the_zones(scope: Scope) -> None:
    """CPUs of the zones, silence of Memory Manager, and a pod that fits, in both scopes."""
    assert zone_code(row([zone(0, 6), zone(8, 4, socket=1)], scope=scope), ask((2, 8, 1, 0))) is Code.ZoneCpuShort
    used = [zone(number, 14, used_pages=30, blocks=1) for number in range(2)]
    assert zone_code(row(used, memory_static=True, scope=scope), ask((2, 2, 2, 4))) is Code.ZoneMemoryShort
    free = row([zone(0, 14), zone(1, 16)], memory_static=True, scope=scope)
    assert zone_code(free, vm(9, 16, cores=8)) is Code.Fits


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"node_code": Code.NotSchedulable}, ask((2, 2, 1, 0))),
        ({"node_code": Code.PolicyNotKnown}, ask((2, 2, 1, 0))),
        ({"cpu_static": False}, vm(9, 16, cores=8)),
        ({"page_sizes": frozenset()}, ask((2, 2, 1, 1))),
        ({"zones": (), "distances": ()}, ask((2, 2, 1, 0))),
        ({}, Ask((), ask_code=Code.DemandUnreadable)),
    ],
)
def test_codes_that_do_not_come_of_the_zones(change: dict, wanted: Ask) -> None:
    """None for verdicts on the whole node or on the pod."""
    assert zone_code(replace(row([zone(0, 14)], Policy.NONE), **change), wanted) is None


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows(), asks())
def test_same_verdict(node: Row, wanted: Ask) -> None:
    """The code is the table's; the codes are those that have a rule."""
    code = zone_code(node, wanted)
    if code is not None:
        assert code == answer(PYTHON, node, wanted).code
        assert code in FOUND_IN_ZONES | {Code.Fits}
