"""Pods and rows that admit_single_zone() of the compiled kernel decides: all states of two zones, against the plain kernel."""

from itertools import product

import pytest

from _fastfit import Ask, CellsAsk, Code, Policy, Scope
from tests.kit.kernel.backends import PYTHON, Backend
from tests.kit.kernel.rows import GI, PAGES, answer, ask, row, zone

_POLICIES = (Policy.BEST_EFFORT, Policy.RESTRICTED, Policy.SINGLE_NUMA_NODE)
_TOTAL = 8


def _vm(cpus: int, vcpus: int, cores: int, threads: int, moving: int, boot: tuple[tuple[int, int], ...]) -> Ask:
    cells = CellsAsk(1, cores, threads, PAGES, GI, 2 * GI, moving=moving, boot=boot)
    assert vcpus == cores * threads
    return ask((1, 0, 1, 0), (2, cpus, 1, 2), dedicated=True, cells=cells)


_ASKS = {
    "no cells": ask((2, 5, 1, 0), dedicated=True),
    "as large as a zone": ask((2, _TOTAL, 1, 0), dedicated=True),
    "cells and a sidecar": _vm(5, 4, 4, 1, 0, ()),
    "cores of two threads": _vm(5, 4, 2, 2, 0, ()),
    "a restart": _vm(5, 4, 4, 1, 0, ((4, 0),)),
    "moves, from two cells": _vm(5, 4, 4, 1, 4, ((2, GI), (2, GI))),
    "two containers": ask((2, 5, 1, 0), (2, 1, 1, 0), dedicated=True),
    "an init container": ask((0, 5, 1, 0), dedicated=True),
}


@pytest.mark.parametrize("wanted", _ASKS.values(), ids=_ASKS.keys())
@pytest.mark.parametrize("policy", _POLICIES)
@pytest.mark.parametrize("scope", Scope)
def test_both_kernels_agree(kernel: Backend, wanted: Ask, policy: Policy, scope: Scope) -> None:
    """Two zones in every state that tells verdicts apart: free CPUs, whole cores, reserved CPUs and pages."""
    codes = set()
    for frees, reserved, pages in product(product((0, 3, 4, 5, 8), repeat=2), ((0, 0), (4, 4), (0, 4)), (1, 4)):
        if any(free + held > _TOTAL for free, held in zip(frees, reserved, strict=True)):
            continue
        zones = [
            zone(place, free, _TOTAL, cores=free // 3, physical=pages, cpu_reserved=held)
            for place, (free, held) in enumerate(zip(frees, reserved, strict=True))
        ]
        node = row(zones, policy, scope=scope)
        found = answer(kernel, node, wanted)
        assert found == answer(PYTHON, node, wanted), (frees, reserved, pages)
        codes.add(found.code)
    assert {Code.Fits, Code.NodeCpuShort} <= codes
