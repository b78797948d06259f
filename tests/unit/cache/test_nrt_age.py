"""How old a report is."""

from math import inf
from typing import Any

import msgspec
import pytest

from extender.api.objects import ManagedFields
from extender.cache.nodes.nrt import read_nrt
from extender.cache.nodes.nrt_age import SeenNrt, changed_at, written_at
from tests.kit.objects import nrt

DAY = 86400.0
#: 2026-01-01T00:00:00Z
NEW_YEAR = 1767225600.0


def seen(version: str = "1", written: float | None = None, *, listed: bool = False, cpus: int = 14) -> SeenNrt:
    """A report as a list or an event shows it."""
    return SeenNrt(read_nrt(nrt("n", [{"cpu": cpus}])), version, written, listed)


def fields(*entries: dict[str, Any]) -> list[ManagedFields]:
    """managedFields as the API server writes them."""
    return msgspec.convert(list(entries), list[ManagedFields])


@pytest.mark.parametrize(
    ("entries", "moment"),
    [
        ([], None),
        ([{}], None),
        ([{"time": None}], None),
        ([{"time": "yesterday"}], None),
        ([{"time": "2026-01-01T00:00:00"}], None),
        ([{"time": "2026-01-01T00:00:00Z"}], NEW_YEAR),
        ([{"time": "2026-01-01T00:00:00Z"}, {"time": "2026-01-02T00:00:00Z"}], NEW_YEAR + DAY),
        (
            [
                {"time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:zones": {}}},
                {"time": "2026-01-02T00:00:00Z", "fieldsV1": {"f:metadata": {}}},
            ],
            NEW_YEAR,
        ),
    ],
)
def test_who_wrote_the_zones_tells_the_time(entries: list[dict[str, Any]], moment: float | None) -> None:
    """A label that somebody adds later makes no report young; a time that cannot be read is none."""
    assert written_at(fields(*entries)) == moment


@pytest.mark.parametrize(
    ("now_seen", "epoch", "moment"),
    [
        (seen(listed=True, written=NEW_YEAR), NEW_YEAR, 0.0),
        (seen(listed=True, written=NEW_YEAR + 90), NEW_YEAR, 90.0),
        (seen(listed=True, written=NEW_YEAR + DAY), NEW_YEAR, 100.0),
        (seen(listed=True, written=NEW_YEAR), None, -inf),
        (seen(listed=True), NEW_YEAR, 100.0),
        (seen(written=NEW_YEAR), NEW_YEAR, 100.0),
    ],
    ids=["old", "young", "clock behind", "no clock", "no time", "event"],
)
def test_a_report_that_was_not_known(now_seen: SeenNrt, epoch: float | None, moment: float) -> None:
    """Listed at 100 s: as old as its writing; by an event it was just written."""
    assert changed_at(now_seen, None, 0.0, 100.0, epoch) == moment


@pytest.mark.parametrize("listed", [False, True])
def test_a_report_that_was_known(listed: bool) -> None:
    """The same object is as old as before; another one was written since."""
    assert changed_at(seen("1", listed=listed), seen("1"), 7.0, 100.0, NEW_YEAR) == 7.0
    assert changed_at(seen("2", listed=listed), seen("1"), 7.0, 100.0, NEW_YEAR) == 100.0
