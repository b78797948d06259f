"""Equal nodes: where one fits the pod's UID chooses, where none does kube-scheduler's own scores decide."""

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from _fastfit import Code, Mode, Policy, Row
from _fastfit._possible_py import UNTOLD
from tests.kit.kernel.backends import PYTHON, Backend
from tests.kit.kernel.rows import GI, PAGES, ask, names, row, vm, zone

FOUR = ask((2, 4, 1, 0))
NODES = [f"node-{number:02}" for number in range(20)]
#: The best three of NODES and ODD for the UID f7f0ac53-2468-579a-9da2-bcf93ed7dd72.
FIRST = ["node-15", "node-09", "node-07"]
#: A name that JSON escapes, one that has no row, and one longer than a slot holds.
ODD = ["a\u00e9", "stranger", "x" * 100]


def fleet(backend: Backend, **more: Any) -> Any:
    """Twenty equal nodes."""
    return backend.table(*(row([zone(0, 8), zone(1, 8)], name=name, **more) for name in NODES))


def scores(fit: Any, top: int = 100) -> dict[str, int]:
    """Score by node; nodes without one are left out."""
    return {each["Host"]: each["Score"] for each in json.loads(fit.score_reply(top))}


def test_the_uid_breaks_ties(backend: Backend) -> None:
    """One 10 and one only; pods spread over equal nodes; the same pod gets the same node in any order of names."""
    table = fleet(backend)
    query = table.prepare(FOUR)
    winners: Counter[str] = Counter()
    for number in range(200):
        fit = table.fit(query, names(*NODES), f"uid-{number}")
        [winner] = [name for name, score in scores(fit).items() if score == 10]
        assert fit.tied == 0
        assert fit.best() == (winner, Code.Fits)
        assert table.fit(query, names(*reversed(NODES)), f"uid-{number}").best() == (winner, Code.Fits)
        winners[winner] += 1
    assert len(winners) == len(NODES)
    assert max(winners.values()) < 30


def test_a_better_key_beats_the_uid(backend: Backend) -> None:
    """The hash orders equals alone."""
    table = fleet(backend)
    table.put(row([zone(0, 4), zone(1, 8)], name="tight"))
    query = table.prepare(FOUR)
    assert {table.fit(query, names(*NODES, "tight"), f"uid-{number}").best()[0] for number in range(50)} == {"tight"}


def test_without_a_uid_names_order(backend: Backend) -> None:
    """Where no pod asks."""
    table = fleet(backend)
    assert [entry.name for entry in table.fit(table.prepare(FOUR), names(*reversed(NODES))).entries()] == NODES


def test_hashes_are_stable_and_the_same_in_both_kernels(kernel: Backend) -> None:
    """Orders as numbers that must not change: replicas of two releases, one compiled and one plain, agree."""
    seen = []
    for backend in (kernel, PYTHON):
        table = backend.table(*(row([zone(0, 8)], name=name) for name in (*NODES, ODD[0], ODD[2])))
        query = table.prepare(FOUR)
        seen.append(
            [
                [entry.name for entry in table.fit(query, names(*NODES, *ODD), uid).entries()]
                for uid in ("", "u", "\u00e9", "f7f0ac53-2468-579a-9da2-bcf93ed7dd72", "x" * 64)
                for _ in range(2)
            ]
        )
    assert seen[0] == seen[1]
    assert seen[0][6][:3] == FIRST


def test_equal_unknown_nodes_get_no_score(backend: Backend) -> None:
    """All are equal: none is preferred, in filter all stay, and no shortlist cuts them."""
    table = fleet(backend, node_code=Code.PolicyNotKnown)
    fit = table.fit(table.prepare(FOUR), names(*NODES), "u")
    assert fit.tied == 20
    assert scores(fit) == {}
    assert {entry.score for entry in fit.entries()} == {0}
    assert fit.shortlist(3) is False
    assert json.loads(fit.filter_reply())["NodeNames"] == NODES


def test_equal_best_ones_get_the_same(backend: Backend) -> None:
    """Where counts tell worse ones, all equal best ones get 10 however many are scored."""
    table = fleet(backend, node_code=Code.PolicyNotKnown)
    table.put(row([zone(0, 2), zone(1, 2)], name="two", node_code=Code.PolicyNotKnown))
    fit = table.fit(table.prepare(FOUR), names("two", *NODES), "u")
    assert fit.tied == 20
    assert scores(fit, 2) == dict.fromkeys(NODES, 10)
    assert fit.entries()[-1].name == "two"
    assert fit.shortlist(3) is False


def test_settled(backend: Backend) -> None:
    """Who knows more may choose the first; excluding it opens the question again."""
    table = fleet(backend, node_code=Code.PolicyNotKnown)
    fit = table.fit(table.prepare(FOUR), names(*NODES), "u")
    best = fit.best()
    fit.choose()
    assert fit.tied == 0
    assert scores(fit) == {best[0]: 10}
    fit.exclude(best[0], Code.ZonesDisagree)
    assert fit.tied == 19
    assert scores(fit) == {}


def test_refused_nodes_that_stay_are_equal_too(backend: Backend) -> None:
    """Mode score keeps them: none of them gets a 10 for its name, and unknown ones come before them."""
    table = backend.table(*(row([zone(0, 1)], name=name, mode=Mode.SCORE) for name in ("a", "b")))
    fit = table.fit(table.prepare(FOUR), names("a", "b"), "u")
    assert (fit.tied, scores(fit)) == (2, {})
    fit = table.fit(table.prepare(FOUR), names("a", "b", "stranger", "other"), "u")
    assert (fit.tied, scores(fit)) == (2, {"stranger": 10, "other": 10})


def test_nodes_that_were_not_checked_are_equal_to_all_unknown_ones(backend: Backend) -> None:
    """After doubt() no unknown node is better than another."""
    table = backend.table(
        row([zone(0, 8)], name="fits"),
        row([zone(0, 8)], name="known", node_code=Code.PolicyNotKnown),
        row([], name="no"),
    )
    fit = table.fit(table.prepare(FOUR), names("fits", "known", "no", "stranger"), "u")
    fit.doubt(Code.NotChecked)
    assert (fit.tied, scores(fit)) == (4, {})


def key(backend: Backend, node: Row, wanted: Any) -> int:
    """The key of one node."""
    table = backend.table(node)
    [entry] = table.fit(table.prepare(wanted), names(node)).entries()
    assert Code.Fits < entry.code < 32
    return int(entry.key)


def open_row(*free: int, physical: list[float | None] | None = None, **more: Any) -> Row:
    """An unknown node with these free CPUs, and GiB of pages, by zone."""
    pages = physical or [32] * len(free)
    zones = [zone(place, cpus, physical=own) for place, (cpus, own) in enumerate(zip(free, pages, strict=True))]
    return row(zones, **{"node_code": Code.ReportStale, **more})


def test_fewest_zones_that_are_possible(backend: Backend) -> None:
    """One zone with CPUs and pages, then two, ...; then nodes of which nothing is told; last those without room."""
    wanted = vm(9, 16, cores=8)
    keys = [
        key(backend, node, wanted)
        for node in (
            open_row(9, 0),
            open_row(5, 4),
            open_row(3, 3, 3),
            row([], node_code=Code.ReportStale),
            open_row(4, 4),
        )
    ]
    assert keys == sorted(keys, reverse=True)
    assert len(set(keys)) == 5
    assert keys[3] == UNTOLD
    assert keys[4] == 0


@pytest.mark.parametrize(
    ("node", "like"),
    [
        # more free CPUs are no better: they would call for one node
        (open_row(16, 16), open_row(9, 0)),
        # pages of another zone than the CPUs'
        (open_row(9, 0, physical=[0, 32]), open_row(5, 4)),
        (open_row(9, 9, physical=[8, 8]), open_row(5, 4)),
        (open_row(9, 9, physical=[8, 7]), open_row(4, 4)),
        # pages of a zone that are not known are not counted
        (open_row(9, 9, physical=[8, None]), open_row(9, 0)),
        (open_row(9, 0, policy=Policy.NONE, memory_static=True), open_row(9, 0)),
    ],
)
def test_what_is_counted(backend: Backend, node: Row, like: Row) -> None:
    """CPUs and the most pages that may be free, nothing else."""
    wanted = vm(9, 16, cores=8)
    assert key(backend, node, wanted) == key(backend, like, wanted)


def test_the_most_that_may_be_free(backend: Backend) -> None:
    """Pages that are doubtful are possible."""
    wanted = vm(9, 16, cores=8)
    doubtful = replace(zone(0, 9, physical=0), pages_most={PAGES: 16 * GI})
    assert key(backend, row([doubtful]), wanted) == key(backend, open_row(9), wanted)
