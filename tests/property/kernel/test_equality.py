"""The compiled and the plain kernel give the same answers, bit for bit."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from _fastfit import Ask, Code, Row, ScanError
from tests.kit.kernel.backends import PYTHON, Backend
from tests.kit.kernel.rows import names
from tests.kit.kernel.strategies import asks, rows, wild_rows

PATIENT = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)


def everything(backend: Backend, nodes: list[Row], ask: Ask, wanted: bytes, uid: str = "") -> dict[str, Any]:
    """All that a fit can tell."""
    table = backend.table(*nodes)
    fit = table.fit(table.prepare(ask), wanted, uid)
    return {
        "tied": fit.tied,
        "entries": fit.entries(),
        "placements": [fit.placement(node.name) for node in nodes],
        "counts": fit.counts(),
        "verdicts": (fit.total, fit.fits, fit.unknown, fit.refused, fit.survivors),
        "best": fit.best(),
        "error": fit.error_name,
        "filter": [fit.filter_reply(), fit.filter_reply(always_failed=True)],
        "scores": [fit.score_reply(), fit.score_reply(2), fit.score_reply(0)],
        "generation": table.generation,
        "settled": (fit.choose(), fit.tied, fit.score_reply()),
        "shortlist": (fit.shortlist(1), fit.filter_reply(), fit.survivors, fit.best(), fit.entries()),
    }


@PATIENT
@given(st.data())
def test_same_answers(kernel: Backend, data: st.DataObject) -> None:
    """Any mix of nodes, policies, scopes and options, any ask, any order of names, unknown ones among them."""
    nodes = [data.draw(rows(name=f"n{number}", most=8 if number == 0 else 4)) for number in range(4)]
    ask = data.draw(asks())
    wanted = names(*data.draw(st.permutations([*nodes, "stranger"])))
    uid = data.draw(st.text(max_size=40))
    assert everything(kernel, nodes, ask, wanted, uid) == everything(PYTHON, nodes, ask, wanted, uid)


@PATIENT
@given(wild_rows(), asks())
def test_same_answers_to_nonsense(kernel: Backend, row: Row, ask: Ask) -> None:
    """Rows that no node can be: no crash, and still the same answer."""
    assert everything(kernel, [row], ask, names(row)) == everything(PYTHON, [row], ask, names(row))


@PATIENT
@given(st.data())
def test_same_after_changes(kernel: Backend, data: st.DataObject) -> None:
    """Rows come, change and go between fits of kept queries; no stale answer, no lost name."""
    tables = [kernel.table(), PYTHON.table()]
    wanted = [data.draw(asks()) for _ in range(2)]
    for _ in range(data.draw(st.integers(1, 12))):
        name = data.draw(st.sampled_from(["a", "b", "c", "d"]))
        if data.draw(st.booleans()):
            row = data.draw(rows(name=name, most=3))
            for table in tables:
                table.put(row)
        else:
            assert len({table.drop(name) for table in tables}) == 1
        listed = names(*data.draw(st.permutations(["a", "b", "c", "d"])))
        ask = data.draw(st.sampled_from(wanted))
        fits = [table.fit(table.prepare(ask), listed) for table in tables]
        assert fits[0].entries() == fits[1].entries()
        assert fits[0].filter_reply() == fits[1].filter_reply()
        assert tables[0].names() == tables[1].names()
        assert len(tables[0]) == len(tables[1])


@PATIENT
@given(st.data())
def test_same_when_excluded(kernel: Backend, data: st.DataObject) -> None:
    """A node that was excluded counts, ranks and shows the same in both; so do those that became doubtful after it."""
    nodes = [data.draw(rows(name=f"n{number}", most=2)) for number in range(4)]
    ask, code = data.draw(asks()), data.draw(st.sampled_from([Code.ZonesDisagree, Code.ReportStale, Code.Fits]))
    doubt = data.draw(st.booleans())
    seen = []
    for backend in (kernel, PYTHON):
        table = backend.table(*nodes)
        fit = table.fit(table.prepare(ask), names(*nodes))
        fit.exclude(nodes[data.draw(st.just(1))].name, code)
        if doubt:
            fit.doubt(Code.NotChecked)
        seen.append((fit.entries(), fit.best(), fit.counts(), fit.filter_reply(), fit.score_reply(), fit.error_name))
    assert seen[0] == seen[1]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=60), st.text(alphabet='[]",\\u0031 na\x00é{}:', max_size=40).map(str.encode)))
def test_same_about_name_lists(kernel: Backend, text: bytes) -> None:
    """Any bytes as the list of names: the same names, or the same error."""
    seen = []
    for backend in (kernel, PYTHON):
        table = backend.table()
        try:
            fit = table.fit(table.prepare(Ask(())), text)
            seen.append([entry.name for entry in fit.entries()])
        except ScanError as error:
            seen.append(str(error))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("zones", [9, 12])
def test_same_on_wide_machines(kernel: Backend, zones: int) -> None:
    """More than 8 zones, as max-allowable-numa-nodes permits, under the policy that needs masks that are not preferred."""
    from _fastfit import Policy
    from tests.kit.kernel.rows import ask, row, zone

    node = row(
        [zone(place, 1 + place % 3, 4, socket=place // 4, memory=4, pages=2) for place in range(zones)],
        Policy.BEST_EFFORT,
        memory_static=True,
    )
    for wanted in (ask((2, 3, 1, 0)), ask((2, 9, 1, 5)), ask((2, 0, 40, 0)), ask((1, 0, 1, 0), (2, 7, 6, 3))):
        assert everything(kernel, [node], wanted, names(node)) == everything(PYTHON, [node], wanted, names(node))
