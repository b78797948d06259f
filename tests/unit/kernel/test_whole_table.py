"""Questions about one row or all rows of a table, beside a fit over names."""

from dataclasses import replace

import pytest

from _fastfit import Code
from tests.kit.kernel.backends import Backend
from tests.kit.kernel.rows import ask, names, row, zone

FOUR = ask((2, 4, 1, 0))
FULL = [zone(0, 1), zone(1, 1)]
TIGHT, LOOSE = [zone(0, 4), zone(1, 2)], [zone(0, 16), zone(1, 2)]


def test_the_verdict_on_one_node(backend: Backend) -> None:
    """It follows the row, is that of an unseen node where there is none, and leaves what fits know of names."""
    table = backend.table(row(TIGHT, name="a"), row(FULL, name="b"))
    query = table.prepare(FOUR)
    assert [table.code_on(query, name) for name in ("a", "b", "c")] == [Code.Fits, Code.NodeCpuShort, Code.NodeNotSeen]
    table.put(row(FULL, name="a"))
    assert table.code_on(query, "a") is Code.NodeCpuShort
    unreadable = table.prepare(replace(FOUR, ask_code=Code.DemandUnreadable))
    assert [table.code_on(unreadable, name) for name in ("a", "c")] == [Code.DemandUnreadable] * 2
    with pytest.raises(ValueError, match="another table"):
        backend.table().code_on(query, "a")


def test_counting_all_rows_in_steps(backend: Backend) -> None:
    """Steps over the table find as many fitting rows as one fit over all names, and end; fits are as before."""
    rows = [row(TIGHT if number % 3 else FULL, name=f"n{number:02}") for number in range(50)]
    table = backend.table(*rows)
    for number in range(0, 50, 7):
        table.drop(f"n{number:02}")
    query = table.prepare(FOUR)
    whole = table.fit(query, names(*table.names()))
    found, at, steps = 0, 0, 0
    while at or not steps:
        some, at = table.fitting(query, at, 8)
        assert some <= 8
        found, steps = found + some, steps + 1
    assert found == whole.fits
    assert steps >= 42 / 8
    table.put(row(FULL, name="n01"))
    assert table.fitting(query, 0, 1000) == (found - 1, 0)
    assert table.fit(query, names(*table.names())).fits == found - 1
    assert table.fitting(query, 1000, 5) == (0, 0)
    assert table.fitting(query, -3, 2**31 - 1) == (found - 1, 0)
    assert table.fitting(query, 2**31 - 1, 2**31 - 1) == (0, 0)
    with pytest.raises(ValueError, match="another table"):
        backend.table(*rows).fitting(query, 0, 1)
