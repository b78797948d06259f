"""A fit, compiled. The contract is that of the plain kernel's in _fit_py.py, value for value.

A fit walks the names of a request, finds each row (_follow.pxd), and judges it unless the query still has its answer.
These loops use no Python object.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from _fastfit._answers cimport judged
from _fastfit._constants cimport (
    FIRST_REFUSAL, FITS, MAX_NAME, MODE_ENFORCE, NODE_NOT_SEEN, ON_UNKNOWN_KEEP, SCORED, UNTOLD,
)
from _fastfit._follow cimport following, note_successor
from _fastfit._judge cimport judge
from _fastfit._layouts cimport alike, is_uneven, lower_newly_unshared, number_layouts
from _fastfit._names cimport CODES, KEPT, NO_NAME, Name, RANKED, SURVIVES, Tally, action_on, count, rank
from _fastfit._placement cimport placement_of
from _fastfit._reply cimport filter_bytes, score_bytes
from _fastfit._slots cimport NOWHERE, Slot, find, hash_name, hash_text, prefetch, tie_of
from _fastfit._table cimport Query, Table
from _fastfit._text cimport Cursor, NO_PROBLEM, is_at, skip_space, skip_string
from _fastfit._types cimport Answer, Detail, Row

from _fastfit import values
from _fastfit._wire import PROBLEMS
from _fastfit._wire_py import spelled_name
from _fastfit.codes import Code
from _fastfit.values import Entry, ScanError

__all__ = ["Fit"]

cdef enum:
    AHEAD = 3                   # names between a prefetched row and its use


cdef class Fit:
    """The verdicts over the names of one call."""

    cdef Table _table
    cdef Query _query
    cdef bytes _text
    cdef list _decoded          # owns what escaped literals spell
    cdef Name *name
    cdef int32_t room
    cdef Tally tally
    cdef uint64_t _generation
    cdef uint8_t _unseen_mode
    cdef uint64_t _unseen_actions
    cdef readonly int32_t total
    cdef bint uneven            # whether any name gives an uneven layout
    cdef int32_t layouts        # how many uneven layouts were numbered
    cdef uint64_t seed          # hash of the pod's UID
    cdef bint chosen           # see choose()

    def __cinit__(self, Table table not None, Query query not None, bytes names not None, str uid=""):
        cdef bytes raw
        if query.table is not table:
            raise ValueError("the query is of another table")
        self._table = table
        self._query = query
        self._text = names
        self._decoded = []
        self._generation = table.generation
        self._unseen_mode = int(table.unseen_mode)
        self._unseen_actions = table.unseen_actions
        if uid:
            raw = uid.encode("utf-8", "surrogatepass")
            self.seed = hash_text(PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw))
        self.name, self.room = table.spare_names, table.spare_room
        table.spare_names, table.spare_room = NULL, 0
        query.extend(table)
        if table.knows(names):
            self._recall()
        else:
            self._judge()
        if self.uneven:
            self.layouts = number_layouts(self.name, self.total, query.answers)
        count(self.name, self.total, &self.tally)

    def __dealloc__(self):
        if self._table is not None and self.room > self._table.spare_room:
            self.name, self._table.spare_names = self._table.spare_names, self.name
            self._table.spare_room = self.room
        PyMem_Free(self.name)

    # --- reading names and judging ---------------------------------------------------------------------

    cdef int _judge(self) except -1:
        cdef Table table = self._table
        cdef Slot *slots = table.slots.slot
        cdef Cursor cursor
        cdef Name *name
        cdef int32_t number, ahead, last = NOWHERE, aside = NOWHERE
        unseen = set()
        cursor.text = <const uint8_t *>PyBytes_AS_STRING(self._text)
        cursor.length = PyBytes_GET_SIZE(self._text)
        cursor.at = 0
        cursor.problem = NO_PROBLEM
        if cursor.length > 0x7FFFFFFF:
            raise ScanError("NodeNames is too long")
        skip_space(&cursor)
        if not is_at(&cursor, 0x5B):
            raise ScanError(f"NodeNames is not an array (byte {cursor.at})")
        cursor.at += 1
        skip_space(&cursor)
        table.fits_made += 1
        while not is_at(&cursor, 0x5D):
            if self.total:
                if not is_at(&cursor, 0x2C):
                    raise ScanError(f"',' or ']' was expected (byte {cursor.at})")
                cursor.at += 1
                skip_space(&cursor)
            name = self._next()
            name.start = <uint32_t>cursor.at
            name.spelled = <const char *>cursor.text + cursor.at + 1
            number = following(&cursor, &table.slots, last)
            if number == NOWHERE and aside != NOWHERE:
                number = following(&cursor, &table.slots, aside)
                if number != NOWHERE:
                    aside = last
            if number == NOWHERE:
                number = self._resolve(&cursor, name, unseen)
                note_successor(&table.slots, last, number)
                aside = last
            else:
                name.spelled_length = slots[number].length
                cursor.at += slots[number].length + 2
                ahead = slots[number].next
                if 0 <= ahead < table.slots.top and self._query.answers[ahead].stamp != slots[ahead].stamp:
                    prefetch(slots[ahead].row)
            name.length = <uint32_t>(cursor.at - name.start)
            name.slot = number
            name.excluded = name.layout = 0
            if number != NOWHERE:
                if slots[number].seen == table.fits_made:
                    raise _twice(name)
                slots[number].seen = table.fits_made
            self._answer(name)
            self.total += 1
            last = number
            skip_space(&cursor)
        cursor.at += 1
        skip_space(&cursor)
        if cursor.at < cursor.length:
            raise ScanError(f"text after the names (byte {cursor.at})")
        if self.total and not self._decoded:
            table.remember(self._text, self.name, self.total)
        return 0

    cdef int _recall(self) except -1:
        """The names are those of an earlier fit: takes them over and renews the verdicts."""
        cdef Table table = self._table
        cdef Slot *slots = table.slots.slot
        cdef int32_t index, ahead
        self._text = table.known_text
        self._reserve(table.known_total)
        self.total = table.known_total
        memcpy(self.name, table.known, self.total * sizeof(Name))
        for index in range(self.total):
            ahead = self.name[index + AHEAD].slot if index + AHEAD < self.total else NOWHERE
            if ahead != NOWHERE and self._query.answers[ahead].stamp != slots[ahead].stamp:
                prefetch(slots[ahead].row)
            self._answer(&self.name[index])
        return 0

    cdef int _reserve(self, int32_t room) except -1:
        cdef void *larger
        if room > self.room:
            larger = PyMem_Realloc(self.name, room * sizeof(Name))
            if larger == NULL:
                raise MemoryError
            self.name = <Name *>larger
            self.room = room
        return 0

    cdef Name *_next(self) except NULL:
        """Room for one more name."""
        if self.total == self.room:
            self._reserve(max(self._table.slots.count + 8, 2 * self.room))
        return &self.name[self.total]

    cdef int32_t _resolve(self, Cursor *cursor, Name *name, set unseen) except -2:
        """Past the literal at the cursor, and its slot. Fills what the name spells."""
        cdef Py_ssize_t start = cursor.at, length
        cdef int32_t number
        cdef bytes spelled
        if not skip_string(cursor):
            raise ScanError(f"{PROBLEMS[cursor.problem]} (byte {cursor.at})")
        length = cursor.at - start - 2
        if not cursor.escaped and not cursor.wide and 0 < length <= MAX_NAME:
            name.spelled_length = length
            number = find(&self._table.slots, name.spelled, length)
            if number != NOWHERE:
                return number
        spelled = spelled_name(self._text[start:cursor.at], start)
        if cursor.escaped:
            self._decoded.append(spelled)
            name.spelled = PyBytes_AS_STRING(spelled)
        name.spelled_length = PyBytes_GET_SIZE(spelled)
        number = find(&self._table.slots, name.spelled, name.spelled_length)
        if number == NOWHERE:
            if spelled in unseen:
                raise _twice(name)
            unseen.add(spelled)
        return number

    cdef inline void _answer(self, Name *name) noexcept:
        """The verdict of one name, from the query if its row did not change."""
        cdef const Answer *answer
        if name.slot == NOWHERE:
            name.code = <uint8_t>self._query.ask.code if self._query.ask.code else NODE_NOT_SEEN
            name.key = 0 if self._query.ask.code else UNTOLD
            name.mask = name.cells = 0
            name.tie = tie_of(self.seed, hash_name(name.spelled, name.spelled_length)) if self.seed else 0
            name.mode, name.on_unknown = self._unseen_mode, action_on(self._unseen_actions, name.code)
            return
        answer = judged(self._table, self._query, name.slot)
        name.code, name.key, name.mask, name.cells = answer.code, answer.key, answer.mask, answer.cells
        name.mode = self._table.slots.slot[name.slot].mode
        name.tie = tie_of(self.seed, self._table.slots.slot[name.slot].hash)
        name.on_unknown = action_on(self._table.slots.slot[name.slot].actions, name.code)
        self.uneven |= is_uneven(name)

    # --- changing verdicts -----------------------------------------------------------------------------

    def exclude(self, name, code):
        """Give one node of this fit another code; see the plain kernel."""
        cdef int32_t index = self._index_of(name)
        if index == NO_NAME:
            raise KeyError(name)
        self._set(index, Code(code))
        self._recount()

    def doubt(self, code):
        """Give every node that still fits an unknown code, and end the ranking; see the plain kernel."""
        cdef int32_t index
        cdef uint8_t other = Code(code)
        for index in range(self.total):
            if self.name[index].code == FITS:
                self._set(index, other)
            elif self.name[index].code < FIRST_REFUSAL:
                self.name[index].key = 0
        self._recount()

    cdef inline void _set(self, int32_t index, uint8_t code) noexcept:
        self.name[index].code = code
        self.name[index].key = self.name[index].mask = self.name[index].cells = self.name[index].layout = 0
        self.name[index].excluded, self.name[index].on_unknown = True, ON_UNKNOWN_KEEP

    cdef int _recount(self) except -1:
        self.chosen = False
        if self.layouts:
            lower_newly_unshared(self.name, self.total, self.layouts)
        count(self.name, self.total, &self.tally)
        return 0

    def choose(self):
        """The best node is chosen, though others are as good; see the plain kernel."""
        self.chosen = True

    def shortlist(self, int limit):
        """Let only the best `limit` fitting names survive where more fit; see the plain kernel."""
        cdef int32_t index
        cdef Name *name
        cdef bint cut = False
        if limit < 1 or self.tally.fits <= limit:
            return False
        for index in self._ranked(limit):
            self.name[index].state |= KEPT
        for index in range(self.total):
            name = &self.name[index]
            if name.mode == MODE_ENFORCE and (name.state & (SURVIVES | KEPT)) == SURVIVES:
                name.state = 0
                self.tally.survivors -= 1
                cut = True
            name.state &= SURVIVES | RANKED
        return cut

    # --- results ---------------------------------------------------------------------------------------

    @property
    def fits(self):
        """Nodes whose verdict is fits."""
        return self.tally.fits

    @property
    def refused(self):
        """Nodes whose verdict is refused."""
        return self.tally.refused

    @property
    def unknown(self):
        """Nodes whose verdict is unknown."""
        return self.total - self.tally.fits - self.tally.refused

    @property
    def survivors(self):
        """Nodes that filter keeps."""
        return self.tally.survivors

    @property
    def error_name(self):
        """The first node whose unknown verdict fails the call; None if there is none."""
        return None if self.tally.error == NO_NAME else self._name_of(self.tally.error)

    def counts(self, bint left_only=False):
        """Nodes per code; `left_only`: of those that survive."""
        cdef int32_t left[CODES]
        cdef int32_t *codes = self.tally.codes
        cdef int32_t index
        if left_only:
            memset(left, 0, sizeof(left))
            for index in range(self.total):
                left[self.name[index].code] += self.name[index].state & SURVIVES
            codes = left
        return {code: codes[code] for code in range(CODES) if codes[code]}

    @property
    def tied(self):
        """How many nodes are equally good where none fits, 0 where one is the best; see the plain kernel."""
        return 0 if self.chosen or self.tally.equals < 2 else self.tally.equals

    def best(self):
        """Name and code of the node that ranks first; None if no node takes part in the ranking."""
        cdef int32_t best = self.tally.best
        return None if best == NO_NAME else (self._name_of(best), self.name[best].code)

    cdef str _name_of(self, int32_t index):
        return self.name[index].spelled[:self.name[index].spelled_length].decode()

    cdef int32_t _index_of(self, str name) except -2:
        """The place of a name in the request."""
        cdef bytes raw = name.encode("utf-8", "surrogatepass")
        cdef Py_ssize_t length = PyBytes_GET_SIZE(raw)
        cdef int32_t index
        for index in range(self.total):
            if self.name[index].spelled_length == length and not memcmp(
                self.name[index].spelled, PyBytes_AS_STRING(raw), length
            ):
                return index
        return NO_NAME

    cdef list _ranked(self, int32_t top):
        """The first `top` ranked names, best first."""
        cdef int32_t size = min(top, self.total)
        cdef int32_t *ranked
        if size < 1:
            return []
        ranked = <int32_t *>PyMem_Malloc(size * sizeof(int32_t))
        if ranked == NULL:
            raise MemoryError
        size = rank(self.name, self.total, size, ranked)
        found = [ranked[place] for place in range(size)]
        PyMem_Free(ranked)
        return found

    cdef list _scores(self, int32_t top):
        """(index, score) of the scored names, best first; see the plain kernel."""
        cdef int32_t first = 0, place, others
        cdef int32_t tied = self.tied
        if tied:
            return [] if tied == self.tally.ranked else [(index, 10) for index in self._ranked(tied)]
        ranked = self._ranked(max(top, 1))
        if not ranked:
            return []
        rest = [index for index in ranked[1:] if self.name[<int32_t>index].code == FITS]
        others = <int32_t>len(rest)
        scores = [(ranked[0], 10)]
        for place in range(others):
            if self.name[<int32_t>rest[place]].key != self.name[<int32_t>rest[first]].key:
                first = place
            scores.append((rest[place], 9 - first * 9 // others))
        return scores

    def filter_reply(self, always_failed=False):
        """The survivors in the order asked. Refusals only where no node survives, or always on demand."""
        return filter_bytes(
            PyBytes_AS_STRING(self._text),
            self.name,
            self.total,
            self.tally.survivors,
            self._table.texts,
            always_failed or not self.tally.survivors,
        )

    def score_reply(self, int top=SCORED):
        """The HostPriorityList; see the plain kernel."""
        return score_bytes(PyBytes_AS_STRING(self._text), self.name, self._scores(top))

    def entries(self, int limit=0):
        """The ranked nodes, best first, then the others in the order asked. `limit` 0: all of them."""
        scores = dict(self._scores(SCORED))
        order = self._ranked(self.total)
        order += [index for index in range(self.total) if not self.name[index].state & RANKED]
        return [self._entry(index, scores.get(index, 0)) for index in order[:limit or None]]

    cdef object _entry(self, int32_t index, int score):
        cdef Name *name = &self.name[index]
        placement = self._place(index)
        return Entry(
            name=self._name_of(index),
            code=name.code,
            mask=name.mask,
            cells=name.cells,
            cpus=placement.cpus if placement is not None else (),
            key=name.key,
            score=score,
            survives=(name.state & SURVIVES) != 0,
            alike=alike(self.name, self.total, index),
        )

    def placement(self, name):
        """What the pod would get on a node of this fit that fits. None where it does not, or its row changed since."""
        cdef int32_t index = self._index_of(name)
        return None if index == NO_NAME else self._place(index)

    cdef object _place(self, int32_t index):
        cdef int32_t number = self.name[index].slot
        cdef Row *row
        cdef Answer answer
        cdef Detail detail
        if number == NOWHERE or self.name[index].code != FITS or self.name[index].excluded:
            return None
        row = self._table.slots.slot[number].row
        if row == NULL or row.stamp > self._generation:
            return None
        detail.blocks = detail.cells = 0
        judge(row, self._query.ask, &self._query.columns[row.schema], self._table.scratch, &answer, &detail)
        return placement_of(row, &answer, &detail, self._query.memory, self._query.demand.device_names, values)


def fitting(Table table not None, Query query not None, int32_t start, int32_t limit):
    """Judge rows by slot; see the plain kernel. Successors of names are not touched, so that requests stay fast."""
    cdef int64_t number, end, found = 0
    if query.table is not table:
        raise ValueError("the query is of another table")
    query.extend(table)
    end = min(<int64_t>max(start, 0) + max(limit, 1), <int64_t>table.slots.capacity)
    for number in range(max(start, 0), end):
        if table.slots.slot[number].row != NULL:
            found += judged(table, query, <int32_t>number).code == FITS
    return found, end if end < table.slots.capacity else 0


def code_on(Table table not None, Query query not None, str name not None):
    """Judge one row; see the plain kernel."""
    cdef int32_t number = table.number_of(name)
    if query.table is not table:
        raise ValueError("the query is of another table")
    query.extend(table)
    if number == NOWHERE:
        return Code(query.ask.code or NODE_NOT_SEEN)
    return Code(judged(table, query, number).code)


cdef object _twice(const Name *name):
    return ScanError(f"node name {name.spelled[:name.spelled_length].decode()} is listed twice (byte {name.start})")
