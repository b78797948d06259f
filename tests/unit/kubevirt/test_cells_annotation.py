"""The annotation with a VM's guest cells: what is written comes back, and nothing else is believed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extender.kubevirt.guest.size import GuestSize
from extender.kubevirt.migration.cells_annotation import cells_in, cells_text

GI = 2**30
SIZE = GuestSize(sockets=8, memory_bytes=16 * GI, page_bytes=GI, passthrough=True)


def text(cells: Any, **more: Any) -> str:
    """A value of version 1."""
    return json.dumps({"v": 1, "cells": cells, **more})


def test_text() -> None:
    """Compact, with its version."""
    assert cells_text(((8, 16 * GI),)) == '{"v":1,"cells":[[8,17179869184]]}'


@given(st.lists(st.integers(1, 64), min_size=1, max_size=16), st.integers(16, 512))
def test_what_a_boot_gives_comes_back(vcpus: list[int], pages: int) -> None:
    """Any split of vCPUs over up to 16 cells, memory split as KubeVirt does."""
    share, left = divmod(pages, len(vcpus))
    cells = tuple((count, (share + (number < left)) * GI) for number, count in enumerate(vcpus))
    size = GuestSize(sockets=sum(vcpus), memory_bytes=pages * GI, page_bytes=GI, passthrough=True)
    assert cells_in(cells_text(cells), size) == (cells, "")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "null",
        "[]",
        "{",
        "\ud800",
        "[" * 600,
        text([[8, 16 * GI]]) + " " * 1024,
        json.dumps({"cells": [[8, 16 * GI]]}),
        json.dumps({"v": 2, "cells": [[8, 16 * GI]]}),
        json.dumps({"v": "1", "cells": [[8, 16 * GI]]}),
        text([[8, 16 * GI]], more=1),
        text([]),
        text([[8]]),
        text([[8, 16 * GI, 1]]),
        text([["8", 16 * GI]]),
        text([[True, 16 * GI]]),
        text([[8.5, 16 * GI]]),
        text([[0, 8 * GI], [8, 8 * GI]]),
        text([[-1, 8 * GI], [9, 8 * GI]]),
        text([[2**60, 16 * GI]]),
        text([[1, GI]] * 17),
        text([[7, 16 * GI]]),
        text([[9, 16 * GI]]),
        text([[4, 16 * GI], [4, 16 * GI]]),
        text([[8, 15 * GI]]),
        text([[4, 10 * GI], [4, 6 * GI]]),
        text([[4, 8 * GI + 1], [4, 8 * GI - 1]]),
    ],
)
def test_what_is_not_believed(value: str) -> None:
    """Another form, another version, too long, sums that are not the guest's, memory that KubeVirt does not split so."""
    cells, problem = cells_in(value, SIZE)
    assert cells == ()
    assert problem


def test_no_value_is_no_problem() -> None:
    """Most VMs have none."""
    assert cells_in(None, SIZE) == ((), "")


def test_a_guest_without_cells_states_none() -> None:
    """Without passthrough, and without huge pages, nothing can be meant."""
    for size in (
        GuestSize(sockets=8, memory_bytes=16 * GI, page_bytes=GI),
        GuestSize(sockets=8, memory_bytes=16 * GI, passthrough=True),
    ):
        cells, problem = cells_in(text([[8, 16 * GI]]), size)
        assert cells == ()
        assert problem


@pytest.mark.parametrize(("vcpus", "believed"), [(8, True), (6, True), (7, False), (12, True), (14, False)])
def test_hotplug_adds_vcpus_after_the_boot(vcpus: int, *, believed: bool) -> None:
    """Where sockets could be added, a record of fewer whole sockets is plausible; of more, never."""
    size = GuestSize(sockets=6, cores=2, max_sockets=16, memory_bytes=16 * GI, page_bytes=GI, passthrough=True)
    assert bool(cells_in(text([[vcpus, 16 * GI]]), size)[0]) is believed
