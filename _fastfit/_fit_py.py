"""The plain kernel's table, query and fit. The compiled ones (_table.pyx, _fit.pyx) give the same, value for value."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from _fastfit import _wire_py as wire
from _fastfit._demand import derive
from _fastfit._judge_py import Outcome, judge
from _fastfit._key_py import LAYOUT_UNEVEN, layout_part, lowered
from _fastfit._possible_py import untold_key
from _fastfit._rows import within_bounds
from _fastfit._ties_py import hash_name, seed_of, tie_of
from _fastfit.codes import FIRST_REFUSAL, LAST_UNKNOWN, Code, Mode, OnUnknown, action_on
from _fastfit.model import Ask, Row
from _fastfit.values import Entry, Placement

__all__ = ["QUERIES_KEPT", "SCORED", "Fit", "Query", "Table"]

#: Asks whose answers a table keeps; the least recently prepared one is dropped first.
QUERIES_KEPT = 64
#: Nodes that get a score unless the caller says otherwise.
SCORED = 100


class Query:
    """An ask and the answers to it, one per row, each valid until its row changes."""

    def __init__(self, table: "Table", ask: Ask) -> None:
        self.table = table
        self._demand = derive(ask)
        #: of a name without a row: the code that holds on every node if there is one, else NodeNotSeen
        self.unseen = Outcome(self._demand.code or Code.NodeNotSeen, key=untold_key(self._demand))
        self._answers: dict[str, tuple[int, Outcome]] = {}

    def answer(self, row: Row, stamp: int) -> Outcome:
        """The verdict of a row; judged again only if the row changed since."""
        known = self._answers.get(row.name)
        if known is not None and known[0] == stamp:
            return known[1]
        outcome = judge(row, self._demand)
        self._answers[row.name] = stamp, outcome
        return outcome


class Table:
    """The rows of all nodes by name. `generation` grows by one with every change."""

    def __init__(self, texts: Sequence[bytes]) -> None:
        self._texts = [bytes(text) or b'""' for text in texts]
        self._rows: dict[str, tuple[Row, int]] = {}
        self._queries: dict[Ask, Query] = {}
        self.generation = 0
        #: mode and actions of names without a row
        self.unseen_mode = Mode.ENFORCE
        self.unseen_actions = 0

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._rows)

    def put(self, row: Row) -> None:
        """Inserts the row, or replaces the one of that name. Raises ValueError as within_bounds() does."""
        row = within_bounds(row)
        self.generation += 1
        self._rows[row.name] = row, self.generation

    def drop(self, name: str) -> bool:
        """Removes a row; False if there is none."""
        if self._rows.pop(name, None) is None:
            return False
        self.generation += 1
        return True

    def prepare(self, ask: Ask) -> Query:
        """The query of this ask. Equal asks get the same one."""
        query = self._queries.pop(ask, None) or Query(self, ask)
        self._queries[ask] = query
        if len(self._queries) > QUERIES_KEPT:
            del self._queries[next(iter(self._queries))]
        return query

    def fitting(self, query: Query, start: int, limit: int) -> tuple[int, int]:
        """How many of the next `limit` rows from place `start` fit, and the place to continue at, 0 after the last one.

        For counting over all nodes in small steps. Places may shift when rows come or go between two steps.
        """
        if query.table is not self:
            raise ValueError("the query is of another table")
        start, limit = max(start, 0), max(limit, 1)
        some = list(self._rows.values())[start : start + limit]
        found = sum(query.answer(row, stamp).code is Code.Fits for row, stamp in some)
        return found, start + limit if start + limit < len(self._rows) else 0

    def code_on(self, query: Query, name: str) -> Code:
        """The verdict on one node, the same as that of a fit over its name alone."""
        if query.table is not self:
            raise ValueError("the query is of another table")
        row, stamp = self._rows.get(name, (None, 0))
        return (query.unseen if row is None else query.answer(row, stamp)).code

    def fit(self, query: Query, names: bytes, uid: str = "") -> "Fit":
        """Judges the named nodes. `names` is a raw JSON array. Raises ScanError for bad JSON and for repeated names.

        `uid`: the pod's, by which equal nodes are ordered (_ties_py.py); without it their names order them.
        """
        return Fit(self, query, names, uid)

    def answers_for(self, query: Query, names: bytes, seed: int) -> "list[_Answer]":
        """One answer per name, in the order asked."""
        if query.table is not self:
            raise ValueError("the query is of another table")
        answers = []
        for literal, name in wire.names_in(names):
            text, tie = name.decode(), tie_of(seed, hash_name(name))
            row, stamp = self._rows.get(text, (None, 0))
            if row is None:
                answers.append(_Answer(text, literal, query.unseen, self.unseen_mode, self.unseen_actions, tie))
            else:
                answers.append(_Answer(text, literal, query.answer(row, stamp), row.mode, row.actions, tie))
        return answers

    def text(self, code: int) -> bytes:
        """The JSON string that the failure map gives for a code."""
        return self._texts[code] if code < len(self._texts) else b'""'

    def changed_since(self, name: str, generation: int) -> bool:
        """Tell whether a row was replaced or dropped after a generation."""
        row_and_stamp = self._rows.get(name)
        return row_and_stamp is None or row_and_stamp[1] > generation


@dataclass(slots=True)
class _Answer:
    """One name of a fit."""

    name: str
    literal: bytes
    outcome: Outcome
    mode: Mode
    actions: int
    #: orders nodes of equal keys
    tie: int
    #: left out by a shortlist
    cut: bool = False
    #: no other name of the fit gives this uneven layout of guest cells
    unshared: bool = False

    @property
    def key(self) -> int:
        return lowered(self.outcome.key) if self.unshared else self.outcome.key

    @property
    def layout(self) -> tuple[int, int] | None:
        """Equal for equal layouts of guest cells; None where no guest with cells boots."""
        return (self.outcome.cells, self.outcome.split) if layout_part(self.outcome.key) else None

    @property
    def unknown(self) -> bool:
        return Code.Fits < self.outcome.code <= LAST_UNKNOWN

    @property
    def on_unknown(self) -> OnUnknown:
        return action_on(self.actions, self.outcome.code)

    @property
    def survives(self) -> bool:
        """Whether filter keeps the node."""
        if self.cut:
            return False
        if self.mode is not Mode.ENFORCE or self.outcome.code is Code.Fits:
            return True
        return self.unknown and self.on_unknown is OnUnknown.KEEP

    @property
    def ranked(self) -> bool:
        return self.survives and self.mode is not Mode.OBSERVE

    @property
    def level(self) -> tuple[int, int]:
        """Equal for nodes that are equally good. Smaller is better: fitting nodes by key, then unknown, then refused ones."""
        fits = self.outcome.code is Code.Fits
        return 0 if fits else 1 if self.unknown else 2, -self.key

    @property
    def rank(self) -> tuple[tuple[int, int], int, bytes]:
        """Sorts the best node first."""
        return self.level, self.tie, self.name.encode()


class Fit:
    """The verdicts over the names of one call."""

    def __init__(self, table: Table, query: Query, names: bytes, uid: str = "") -> None:
        self._table = table
        self._generation = table.generation
        self._answers = table.answers_for(query, names, seed_of(uid))
        self.total = len(self._answers)
        self._tally()

    def _tally(self) -> None:
        answers = self._answers
        self._chosen = False
        self._layouts = Counter(answer.layout for answer in answers)
        for answer in answers:
            answer.cut = False
            uneven = layout_part(answer.outcome.key) == LAYOUT_UNEVEN
            answer.unshared = uneven and self._layouts[answer.layout] == 1
        self.fits = sum(answer.outcome.code is Code.Fits for answer in answers)
        self.refused = sum(answer.outcome.code >= FIRST_REFUSAL for answer in answers)
        self.unknown = self.total - self.fits - self.refused
        self.survivors = sum(answer.survives for answer in answers)
        self.error_name = next(
            (
                answer.name
                for answer in answers
                if answer.unknown and answer.mode is Mode.ENFORCE and answer.on_unknown is OnUnknown.ERROR
            ),
            None,
        )

    def counts(self, left_only: bool = False) -> dict[int, int]:
        """Nodes per code; `left_only`: of those that survive."""
        counts: dict[int, int] = {}
        for answer in self._answers:
            if left_only and not answer.survives:
                continue
            counts[int(answer.outcome.code)] = counts.get(int(answer.outcome.code), 0) + 1
        return dict(sorted(counts.items()))

    def _ranked(self) -> list[_Answer]:
        return sorted((answer for answer in self._answers if answer.ranked), key=lambda answer: answer.rank)

    @property
    def tied(self) -> int:
        """How many nodes are equally good where none fits: kube-scheduler's own scores decide among them.

        0 where a node fits, where one of the others is the best, and where choose() has chosen it.
        """
        best = min((answer.level for answer in self._answers if answer.ranked), default=None)
        if self._chosen or best is None or best[0] == 0:
            return 0
        equals = sum(answer.ranked and answer.level == best for answer in self._answers)
        return equals if equals > 1 else 0

    def best(self) -> tuple[str, int] | None:
        """Name and code of the node that ranks first; None if no node takes part in the ranking."""
        best = min((answer for answer in self._answers if answer.ranked), key=lambda answer: answer.rank, default=None)
        return (best.name, int(best.outcome.code)) if best else None

    def exclude(self, name: str, code: int) -> None:
        """Gives one node of this fit another code: callers that know more than counts exclude it from this call.

        A node that gets an unknown code is kept (OnUnknown.KEEP). Other fits of the query do not change. Raises
        KeyError for a name that is not in the fit.
        """
        for answer in self._answers:
            if answer.name == name:
                answer.outcome, answer.actions = Outcome(Code(code)), 0
                self._tally()
                return
        raise KeyError(name)

    def doubt(self, code: int) -> None:
        """Gives every node that still fits this unknown code, as exclude() does. All unknown nodes are equal then."""
        for answer in self._answers:
            if answer.outcome.code is Code.Fits:
                answer.outcome, answer.actions = Outcome(Code(code)), 0
            elif answer.unknown:
                answer.outcome = Outcome(answer.outcome.code)
        self._tally()

    def choose(self) -> None:
        """The best node is chosen, though others are as good: it gets the one 10. exclude() and doubt() undo it."""
        self._chosen = True

    def shortlist(self, limit: int) -> bool:
        """Lets only the best `limit` fitting names survive where more fit; returns whether any was left out.

        Names in mode score or observe always survive. A later exclude() undoes it.
        """
        if limit < 1 or self.fits <= limit:
            return False
        kept = {answer.name for answer in self._ranked()[:limit]}
        cut = [
            answer
            for answer in self._answers
            if answer.mode is Mode.ENFORCE and answer.survives and answer.name not in kept
        ]
        for answer in cut:
            answer.cut = True
        self.survivors -= len(cut)
        return bool(cut)

    def filter_reply(self, always_failed: bool = False) -> bytes:
        """The survivors in the order asked. Refusals only where no node survives, or always on demand."""
        failures = []
        if always_failed or not self.survivors:
            failures = [
                (answer.literal, self._table.text(answer.outcome.code))
                for answer in self._answers
                if not answer.survives
            ]
        return wire.write_filter((answer.literal for answer in self._answers if answer.survives), failures)

    def score_reply(self, top: int = SCORED) -> bytes:
        """The HostPriorityList.

        One 10 for the best node; the next top-1 fitting nodes 9..1, in even steps of rank. Equal keys score the same.
        Where no node fits and several are equally good (`tied`), all of these get 10, or none where there are no others.
        """
        return wire.write_scores((answer.literal, score) for answer, score in self._scores(top))

    def _scores(self, top: int) -> list[tuple[_Answer, int]]:
        """The scored answers, best first; see score_reply()."""
        ranked = self._ranked()
        if not ranked:
            return []
        if tied := self.tied:
            return [] if tied == len(ranked) else [(answer, 10) for answer in ranked[:tied]]
        others = [answer for answer in ranked[1 : max(top, 1)] if answer.outcome.code is Code.Fits]
        scores = [(ranked[0], 10)]
        first = 0
        for place, answer in enumerate(others):
            if answer.key != others[first].key:
                first = place
            scores.append((answer, 9 - first * 9 // len(others)))
        return scores

    def entries(self, limit: int = 0) -> list[Entry]:
        """The ranked nodes, best first, then the others in the order asked. `limit` 0: all of them."""
        scores = {answer.name: score for answer, score in self._scores(SCORED)}
        ranked = self._ranked()
        rest = [answer for answer in self._answers if not answer.ranked]
        return [self._entry(answer, scores.get(answer.name, 0)) for answer in (ranked + rest)[: limit or None]]

    def _entry(self, answer: _Answer, score: int) -> Entry:
        outcome, placement = answer.outcome, self._place(answer)
        return Entry(
            name=answer.name,
            code=int(outcome.code),
            mask=outcome.mask,
            cells=outcome.cells,
            cpus=placement.cpus if placement else (),
            key=answer.key,
            score=score,
            survives=answer.survives,
            alike=self._layouts[answer.layout] - 1 if answer.layout is not None else 0,
        )

    def placement(self, name: str) -> Placement | None:
        """What the pod would get on a node of this fit that fits. None where it does not, or its row changed since."""
        return next((self._place(answer) for answer in self._answers if answer.name == name), None)

    def _place(self, answer: _Answer) -> Placement | None:
        return None if self._table.changed_since(answer.name, self._generation) else answer.outcome.placement
