"""The table, a fit over its rows, and the replies."""

import json
import random
from dataclasses import replace

import pytest

from _fastfit import Ask, Code, Mode, OnUnknown, Policy, Row, ScanError
from _fastfit.codes import pack_actions
from tests.kit.kernel.backends import Backend
from tests.kit.kernel.rows import ask, names, row, vm, zone

FOUR = ask((2, 4, 1, 0))
FULL = [zone(0, 1), zone(1, 1)]
TIGHT, LOOSE = [zone(0, 4), zone(1, 2)], [zone(0, 16), zone(1, 2)]


def test_table_holds_rows_by_name(backend: Backend) -> None:
    """Put inserts and replaces, drop removes; each change counts, nothing else does."""
    table = backend.table()
    table.put(row(FULL, name="b"))
    table.put(row(FULL, name="a"))
    table.put(row(TIGHT, name="b"))
    assert (len(table), table.names(), table.generation) == (2, ["a", "b"], 3)
    assert "a" in table
    assert "c" not in table
    assert table.drop("a")
    assert not table.drop("a")
    assert (len(table), table.names(), table.generation) == (1, ["b"], 4)
    assert table.fit(table.prepare(FOUR), names("b")).fits == 1


def test_many_names(backend: Backend) -> None:
    """A thousand names come, half of them go and come again; all are found."""
    table = backend.table(*(row(TIGHT, name=f"worker-{number}") for number in range(1000)))
    for number in range(0, 1000, 2):
        assert table.drop(f"worker-{number}")
    wanted = names(*(f"worker-{number}" for number in range(1000)))
    fit = table.fit(table.prepare(FOUR), wanted)
    assert fit.counts() == {Code.Fits: 500, Code.NodeNotSeen: 500}
    for number in range(0, 1000, 2):
        table.put(row(FULL, name=f"worker-{number}"))
    fit = table.fit(table.prepare(FOUR), wanted)
    assert fit.counts() == {Code.Fits: 500, Code.NodeCpuShort: 500}


def test_the_same_names_again(backend: Backend) -> None:
    """Names that were resolved before get the verdicts of today's rows; nodes may have come, changed or gone."""
    table = backend.table(row(TIGHT, name="a"), row(FULL, name="b"))
    wanted = names("b", "a", "c", "\u00e4")
    query = table.prepare(FOUR)

    def verdicts() -> list[tuple[str, int]]:
        return sorted((entry.name, entry.code) for entry in table.fit(query, bytes(bytearray(wanted))).entries())

    unseen = ("c", Code.NodeNotSeen)
    other = ("\u00e4", Code.NodeNotSeen)
    assert verdicts() == [("a", Code.Fits), ("b", Code.NodeCpuShort), unseen, other]
    first = table.fit(query, wanted)
    first.exclude("a", Code.SmtAlignment)
    assert verdicts() == [("a", Code.Fits), ("b", Code.NodeCpuShort), unseen, other]
    table.put(row(TIGHT, name="b"))
    assert verdicts() == [("a", Code.Fits), ("b", Code.Fits), unseen, other]
    table.put(row(FULL, name="c"))
    assert verdicts() == [("a", Code.Fits), ("b", Code.Fits), ("c", Code.NodeCpuShort), other]
    table.drop("a")
    assert verdicts() == [("a", Code.NodeNotSeen), ("b", Code.Fits), ("c", Code.NodeCpuShort), other]


def test_rows_that_make_no_sense(backend: Backend) -> None:
    """A name that no node has, or distances that are no square, are the caller's mistake; the table stays as it was."""
    table = backend.table(row(TIGHT))
    for wrong in (row(TIGHT, name=""), row(TIGHT, name="n" * 254), row(TIGHT, distances=((10,),))):
        with pytest.raises(ValueError, match="row"):
            table.put(wrong)
    assert table.names() == ["n"]
    assert table.generation == 1


def test_verdicts_are_counted(backend: Backend) -> None:
    """Fits, unknown and refused add up to the names asked."""
    table = backend.table(
        row(TIGHT, name="a"), row(FULL, name="b"), row(TIGHT, name="c", node_code=Code.PolicyNotKnown)
    )
    fit = table.fit(table.prepare(FOUR), names("c", "b", "a", "stranger"))
    assert (fit.total, fit.fits, fit.unknown, fit.refused, fit.survivors) == (4, 1, 2, 1, 3)
    assert fit.counts() == {Code.Fits: 1, Code.NodeNotSeen: 1, Code.PolicyNotKnown: 1, Code.NodeCpuShort: 1}
    assert fit.best() == ("a", Code.Fits)


def test_filter_reply_keeps_order_and_hides_failures(backend: Backend) -> None:
    """Survivors in the order asked; refusals only where no node survives, or always on demand."""
    table = backend.table(row(TIGHT, name="a"), row(FULL, name="b"), row(TIGHT, name="c"))
    fit = table.fit(table.prepare(FOUR), names("c", "b", "a"))
    assert fit.filter_reply() == b'{"NodeNames":["c","a"],"FailedAndUnresolvableNodes":{},"Error":""}'
    assert json.loads(fit.filter_reply(always_failed=True)) == {
        "NodeNames": ["c", "a"],
        "FailedAndUnresolvableNodes": {"b": "code 36"},
        "Error": "",
    }
    alone = table.fit(table.prepare(FOUR), names("b"))
    assert alone.filter_reply() == b'{"NodeNames":[],"FailedAndUnresolvableNodes":{"b":"code 36"},"Error":""}'
    assert alone.score_reply() == b"[]"
    assert alone.best() is None


def test_reply_carries_names_as_they_came(backend: Backend) -> None:
    """White space between names is not copied, escapes are; the reply is JSON that spells the same names."""
    table = backend.table(row(TIGHT, name="a"), row(FULL, name="b"), row(TIGHT, name="é"))
    raw = b'[ "\\u0061" ,\n"b", "\xc3\xa9","\\u00e8" ]'
    fit = table.fit(table.prepare(FOUR), raw)
    assert [entry.name for entry in fit.entries()] == ["a", "é", "è", "b"]
    assert json.loads(fit.filter_reply())["NodeNames"] == ["a", "é", "è"]
    assert fit.filter_reply().startswith(b'{"NodeNames":["\\u0061","\xc3\xa9","\\u00e8"]')
    assert json.loads(fit.filter_reply(always_failed=True))["FailedAndUnresolvableNodes"] == {"b": "code 36"}


def test_name_with_a_quote(backend: Backend) -> None:
    """A name that JSON must escape is found by what it spells."""
    quoted = 'a"\\b'
    table = backend.table(row(TIGHT, name=quoted), row(TIGHT, name="a"))
    for _ in range(2):
        fit = table.fit(table.prepare(FOUR), names("a", quoted, "a\\"))
        assert fit.counts() == {Code.Fits: 2, Code.NodeNotSeen: 1}
        assert json.loads(fit.filter_reply())["NodeNames"] == ["a", quoted, "a\\"]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "NodeNames is not an array (byte 0)"),
        (b'{"a":1}', "NodeNames is not an array (byte 0)"),
        (b"[1]", "a string was expected (byte 1)"),
        (b'["a",]', "a string was expected (byte 5)"),
        (b'["a" "b"]', "',' or ']' was expected (byte 5)"),
        (b'["a"', "',' or ']' was expected (byte 4)"),
        (b'["a"]]', "text after the names (byte 5)"),
        (b'["a","a"]', "node name a is listed twice (byte 5)"),
        (b'["n","\\u006e"]', "node name n is listed twice (byte 5)"),
        (b'["\\u006e","n"]', "node name n is listed twice (byte 10)"),
        (b'["",""]', "empty node name (byte 1)"),
        (b'["' + b"n" * 254 + b'"]', "node name longer than 253 bytes (byte 1)"),
        (b'["a\x01"]', "control character in a string (byte 3)"),
        (b'["a\xff"]', "invalid UTF-8 (byte 3)"),
        (b'["a\\ud800"]', "half of a surrogate pair (byte 3)"),
        (b'["a', "unfinished string (byte 1)"),
        (b'["n', "unfinished string (byte 1)"),
        (b'["n"', "',' or ']' was expected (byte 4)"),
    ],
)
def test_name_lists_that_cannot_be_meant(backend: Backend, raw: bytes, text: str) -> None:
    """Each mistake is named with its place, for names that have a row and for those that have none."""
    table = backend.table(row(TIGHT))
    table.fit(table.prepare(FOUR), names("n"))
    with pytest.raises(ScanError) as error:
        table.fit(table.prepare(FOUR), raw)
    assert str(error.value) == text
    assert table.fit(table.prepare(FOUR), names("n")).fits == 1


def test_five_thousand_duplicates(backend: Backend) -> None:
    """The second of many equal names ends the call."""
    table = backend.table(row(TIGHT))
    with pytest.raises(ScanError, match=r"^node name x is listed twice \(byte 5\)$"):
        table.fit(table.prepare(FOUR), b"[" + b",".join([b'"x"'] * 5000) + b"]")


def test_ranking(backend: Backend) -> None:
    """Fewer cells, then nearer, then tighter, then the smaller name; one 10, equal keys equal scores."""
    wide = ask((2, 20, 1, 0))
    near = row([zone(0, 16, socket=0), zone(1, 16, socket=0)], Policy.BEST_EFFORT, name="near")
    far = row([zone(0, 16), zone(1, 16)], Policy.BEST_EFFORT, name="far")
    large = row([zone(0, 32, 32), zone(1, 16)], Policy.BEST_EFFORT, name="large")
    table = backend.table(near, far, large)
    fit = table.fit(table.prepare(wide), names("far", "near", "large"))
    assert [entry.name for entry in fit.entries()] == ["large", "near", "far"]
    assert [entry.score for entry in fit.entries()] == [10, 9, 5]
    table = backend.table(
        *(row(own, name=name) for name, own in (("b", LOOSE), ("d", TIGHT), ("c", TIGHT), ("a", FULL)))
    )
    fit = table.fit(table.prepare(FOUR), names("a", "b", "c", "d"))
    assert fit.best() == ("c", Code.Fits)
    assert json.loads(fit.score_reply()) == [
        {"Host": "c", "Score": 10},
        {"Host": "d", "Score": 9},
        {"Host": "b", "Score": 5},
    ]
    assert json.loads(fit.score_reply(top=2)) == [{"Host": "c", "Score": 10}, {"Host": "d", "Score": 9}]
    assert json.loads(fit.score_reply(top=1)) == [{"Host": "c", "Score": 10}]


def test_equal_keys_score_the_same(backend: Backend) -> None:
    """Nodes of equal rank get equal scores; only the 10 is given once."""
    table = backend.table(*(row(TIGHT, name=f"n{number}") for number in range(5)))
    fit = table.fit(table.prepare(FOUR), names(*table.names()))
    assert [score["Score"] for score in json.loads(fit.score_reply())] == [10, 9, 9, 9, 9]


def test_unknown_ranks_last(backend: Backend) -> None:
    """An unknown node gets the 10 only where none fits, and never a score beside it."""
    table = backend.table(row(FULL, name="a"), row(TIGHT, name="b", node_code=Code.PolicyNotKnown))
    fit = table.fit(table.prepare(FOUR), names("a", "b", "stranger"))
    assert fit.best() == ("b", Code.PolicyNotKnown)
    assert fit.score_reply() == b'[{"Host":"b","Score":10}]'


def test_modes(backend: Backend) -> None:
    """score keeps refused nodes and ranks them last; observe keeps them and leaves them out of every ranking."""
    table = backend.table(
        row(FULL, name="s", mode=Mode.SCORE), row(TIGHT, name="o", mode=Mode.OBSERVE), row(FULL, name="e")
    )
    fit = table.fit(table.prepare(FOUR), names("e", "o", "s"))
    assert json.loads(fit.filter_reply())["NodeNames"] == ["o", "s"]
    assert fit.best() == ("s", Code.NodeCpuShort)
    assert fit.score_reply() == b'[{"Host":"s","Score":10}]'
    watched = table.fit(table.prepare(FOUR), names("o"))
    assert (watched.best(), watched.score_reply(), watched.survivors) == (None, b"[]", 1)


def only(code: Code, action: OnUnknown) -> int:
    """That action for one code; the others are kept."""
    return pack_actions(lambda each: action if each is code else OnUnknown.KEEP)


@pytest.mark.parametrize(
    ("on_unknown", "survivors", "error"),
    [(OnUnknown.KEEP, ["n", "x"], None), (OnUnknown.REFUSE, [], None), (OnUnknown.ERROR, [], "n")],
)
def test_on_unknown(backend: Backend, on_unknown: OnUnknown, survivors: list[str], error: str | None) -> None:
    """keep, refuse and error, for a row and for a name without one."""
    table = backend.table(row(TIGHT, node_code=Code.ReportStale, actions=only(Code.ReportStale, on_unknown)))
    table.unseen_actions = only(Code.NodeNotSeen, on_unknown)
    fit = table.fit(table.prepare(FOUR), names("n", "x"))
    assert json.loads(fit.filter_reply())["NodeNames"] == survivors
    assert fit.error_name == error
    assert fit.counts() == {Code.ReportStale: 1, Code.NodeNotSeen: 1}


@pytest.mark.parametrize(
    ("node", "wanted", "code"),
    [
        # of the ask: on every node, those not seen included
        (row(FULL), replace(FOUR, ask_code=Code.MoverNotKnown), Code.MoverNotKnown),
        # found in the zones
        (row([zone(0, 4, physical=None)]), vm(3, 2, cores=2), Code.PagesNotReported),
    ],
)
def test_every_doubt_has_its_own_action(backend: Backend, node: Row, wanted: Ask, code: Code) -> None:
    """What the row says of this code counts, wherever the code comes from; what it says of others does not."""
    others = pack_actions(lambda each: OnUnknown.KEEP if each is code else OnUnknown.REFUSE)
    for actions, survivors, error in (
        (only(code, OnUnknown.REFUSE), [], None),
        (only(code, OnUnknown.ERROR), [], "n"),
        (others, ["n"], None),
    ):
        table = backend.table(replace(node, actions=actions))
        table.unseen_actions = actions
        fit = table.fit(table.prepare(wanted), names("n"))
        assert fit.counts() == {code: 1}
        assert json.loads(fit.filter_reply())["NodeNames"] == survivors
        assert fit.error_name == error
        if wanted.ask_code is not Code.Fits:
            unseen = table.fit(table.prepare(wanted), names("n", "x"))
            assert unseen.counts() == {code: 2}
            assert len(json.loads(unseen.filter_reply())["NodeNames"]) == 2 * len(survivors)


def test_unseen_mode(backend: Backend) -> None:
    """Names without a row follow the table's own mode."""
    table = backend.table()
    table.unseen_mode, table.unseen_actions = Mode.OBSERVE, only(Code.NodeNotSeen, OnUnknown.ERROR)
    fit = table.fit(table.prepare(FOUR), names("x"))
    assert (fit.survivors, fit.error_name, fit.best()) == (1, None, None)


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.Fits])
def test_every_code_has_its_text(backend: Backend, code: Code) -> None:
    """The failure map gives the text of any code, the highest ones included."""
    node = row(TIGHT, node_code=code, actions=pack_actions(lambda _: OnUnknown.REFUSE))
    table = backend.table(node)
    fit = table.fit(table.prepare(FOUR), names("n"))
    assert json.loads(fit.filter_reply())["FailedAndUnresolvableNodes"] == {"n": f"code {code.value}"}


def test_texts(backend: Backend) -> None:
    """A code without a text has the empty one."""
    table = backend.Table([b'"fits"', b""])
    table.put(row(FULL))
    table.unseen_actions = only(Code.NodeNotSeen, OnUnknown.REFUSE)
    fit = table.fit(table.prepare(FOUR), names("n", "x"))
    assert json.loads(fit.filter_reply())["FailedAndUnresolvableNodes"] == {"n": "", "x": ""}


def test_queries_are_shared_and_follow_changes(backend: Backend) -> None:
    """Equal asks are one query; its answers follow each row; a fit made before keeps its own."""
    table = backend.table(row(TIGHT))
    query = table.prepare(ask((2, 4, 1, 0)))
    assert table.prepare(ask((2, 4, 1, 0))) is query
    assert table.prepare(ask((2, 5, 1, 0))) is not query
    before = table.fit(query, names("n"))
    table.put(row(FULL))
    assert table.fit(query, names("n")).counts() == {Code.NodeCpuShort: 1}
    assert before.counts() == {Code.Fits: 1}
    assert before.placement("n") is None
    assert before.entries()[0].cpus == ()


def test_queries_kept_are_bounded(backend: Backend) -> None:
    """The oldest of many asks is forgotten, the newest are kept."""
    table = backend.table(row(TIGHT))
    first = table.prepare(ask((2, 1, 1, 0)))
    queries = [table.prepare(ask((2, cpus, 1, 0))) for cpus in range(2, 80)]
    assert table.prepare(ask((2, 79, 1, 0))) is queries[-1]
    assert table.prepare(ask((2, 1, 1, 0))) is not first
    assert table.fit(first, names("n")).fits == 1


def test_query_of_another_table(backend: Backend) -> None:
    """A query answers for its own table only."""
    table, other = backend.table(row(TIGHT)), backend.table(row(TIGHT))
    with pytest.raises(ValueError, match="another table"):
        table.fit(other.prepare(FOUR), names("n"))


def test_exclude(backend: Backend) -> None:
    """An excluded winner leaves the ranking of this fit only; a name that was not asked is an error."""
    table = backend.table(row(TIGHT, name="a"), row(LOOSE, name="b"))
    query = table.prepare(FOUR)
    fit = table.fit(query, names("a", "b"))
    fit.exclude("a", Code.ZonesDisagree)
    assert fit.best() == ("b", Code.Fits)
    assert (fit.fits, fit.refused, fit.survivors) == (1, 1, 1)
    assert json.loads(fit.filter_reply(always_failed=True))["FailedAndUnresolvableNodes"] == {"a": "code 39"}
    assert fit.placement("a") is None
    assert table.fit(query, names("a", "b")).best() == ("a", Code.Fits)
    with pytest.raises(KeyError):
        fit.exclude("c", Code.ZonesDisagree)


def test_doubt(backend: Backend) -> None:
    """Every node that still fits becomes unknown in this fit and stays; others keep what they have."""
    table = backend.table(row(TIGHT, name="a"), row(LOOSE, name="b"), row(FULL, name="c"))
    query = table.prepare(FOUR)
    fit = table.fit(query, names("a", "b", "c"))
    fit.exclude("a", Code.ZonesDisagree)
    refused = fit.refused
    fit.doubt(Code.NotChecked)
    assert (fit.fits, fit.unknown, fit.refused, fit.survivors) == (0, 1, refused, 1)
    assert fit.best() == ("b", Code.NotChecked)
    assert json.loads(fit.filter_reply())["NodeNames"] == ["b"]
    assert fit.placement("b") is None
    assert table.fit(query, names("a", "b")).best() == ("a", Code.Fits)


def test_limit_of_entries(backend: Backend) -> None:
    """The best come first; a limit cuts the rest."""
    table = backend.table(row(LOOSE, name="a"), row(TIGHT, name="b"), row(FULL, name="c"))
    fit = table.fit(table.prepare(FOUR), names("c", "a", "b"))
    assert [entry.name for entry in fit.entries()] == ["b", "a", "c"]
    assert [entry.name for entry in fit.entries(2)] == ["b", "a"]


def test_empty_list(backend: Backend) -> None:
    """No names: a reply all the same."""
    table = backend.table()
    fit = table.fit(table.prepare(FOUR), b" [ ] ")
    assert fit.filter_reply() == b'{"NodeNames":[],"FailedAndUnresolvableNodes":{},"Error":""}'
    assert (fit.total, fit.score_reply(), fit.entries()) == (0, b"[]", [])


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (Ask((), ask_code=Code.PodLevelResources), Code.PodLevelResources),
        (ask(*[(2, 1, 1, 0)] * 65), Code.TooManyResources),
        (ask((2, -1, 1, 0)), Code.DemandUnreadable),
        (ask((3, 1, 1, 0)), Code.DemandUnreadable),
        (ask((2, 1 << 30, 1, 0)), Code.DemandUnreadable),
    ],
)
def test_asks_with_a_verdict_of_their_own(backend: Backend, wanted: Ask, code: Code) -> None:
    """What no node can be judged for is unknown on every node, those not seen included."""
    table = backend.table(row(FULL), row(TIGHT, name="r", node_code=Code.NotSchedulable))
    assert table.fit(table.prepare(wanted), names("n", "r", "x")).counts() == {code: 3}


def test_a_shortlist_keeps_the_best_and_what_is_not_enforced(backend: Backend) -> None:
    """Only fitting nodes of enforcing pools are cut; the winner, and the order asked, stay."""
    rows = [row([zone(0, 6 + number), zone(1, 1)], name=f"n{number}") for number in range(6)]
    table = backend.table(*rows, row(LOOSE, name="seen", mode=Mode.OBSERVE))
    fit = table.fit(table.prepare(FOUR), names("n5", "n4", "seen", "n3", "n2", "n1", "n0"))
    best = fit.best()
    assert fit.shortlist(0) is False
    assert fit.shortlist(7) is False
    assert fit.shortlist(2) is True
    assert json.loads(fit.filter_reply())["NodeNames"] == ["seen", "n1", "n0"]
    assert fit.survivors == 3
    assert fit.best() == best
    assert [entry["Host"] for entry in json.loads(fit.score_reply())] == ["n0", "n1"]


def test_names_in_mixed_runs(backend: Backend) -> None:
    """kube-scheduler's runs of nodes come mixed, otherwise in every call; nodes come and go, and names may be long."""
    chance = random.Random(11)
    long = "x" * 60
    known = [f"n{number:03}{long if number % 5 == 0 else ''}" for number in range(200)]
    free = {name: chance.randrange(9) for name in known}
    table = backend.table(*(row([zone(0, cpus)], name=name) for name, cpus in free.items()))
    query = table.prepare(FOUR)
    for _ in range(60):
        name = chance.choice(known)
        if free.pop(name, None) is not None:
            table.drop(name)
        else:
            free[name] = chance.randrange(9)
            table.put(row([zone(0, free[name])], name=name))
        runs = [[each for each in known[at : at + 50] if chance.random() < 0.9] for at in range(0, 200, 50)]
        asked = []
        while runs:
            run = chance.choice(runs[:2])
            asked += [run.pop(0)] if run else []
            runs = [each for each in runs if each]
        fit = table.fit(query, names(*asked))
        expected = {each: Code.Fits if free[each] >= 4 else Code.NodeCpuShort for each in asked if each in free}
        assert {each.name: each.code for each in fit.entries()} == dict.fromkeys(asked, Code.NodeNotSeen) | expected
        assert all(table.code_on(query, each) is code for each, code in expected.items())
