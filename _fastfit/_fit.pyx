"""Table, query and fit, compiled: the contract is that of the twin in _fit_py.py, value for value.

A row is packed once, when it is put, into one allocation; a fit walks the names of a request, finds each row by the
name that followed last time (kube-scheduler's order hardly changes) or by hash, and judges it unless the query still
has its answer. Nothing in these loops touches a Python object.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from _fastfit._judge cimport judge
from _fastfit._pack cimport fill_columns, pack_ask, pack_row, schema_of
from _fastfit._slots cimport NOWHERE, Slot, Slots, find, insert, remove, reserve
from _fastfit._text cimport (
    BAD_ESCAPE, CONTROL, Cursor, HALF_PAIR, NO_PROBLEM, NO_STRING, UNFINISHED, is_at, skip_space, skip_string,
)
from _fastfit._types cimport Answer, Ask, BEST_EFFORT, Columns, Detail, FIRST_REFUSED, FITS, Row

import json

from _fastfit._demand import derive
from _fastfit._rows import trusted
from _fastfit.codes import Code, Mode, OnUnknown
from _fastfit.values import Block, Cell, Entry, Placement, ScanError

__all__ = ["Fit", "Query", "Table"]

cdef enum:
    QUERIES_KEPT = 64
    MAX_NAME = 253
    CODES = 256
    SURVIVES = 1
    RANKED = 2
    ESCAPED = 4
    KEPT = 8
    ENFORCE = 0
    OBSERVE = 2
    KEEP = 0
    ERROR = 2
    NODE_NOT_SEEN = 1

_PROBLEMS = {
    NO_STRING: "a string was expected",
    UNFINISHED: "unfinished string",
    CONTROL: "control character in a string",
    BAD_ESCAPE: "bad escape",
    HALF_PAIR: "half of a surrogate pair",
}

cdef extern from *:
    """
    static inline void fastfit_prefetch(const void *row) {
        __builtin_prefetch(row);
        __builtin_prefetch((const char *)row + 64);
        __builtin_prefetch((const char *)row + 128);
        __builtin_prefetch((const char *)row + 192);
    }
    """
    void prefetch "fastfit_prefetch" (const void *row) noexcept nogil

# One name of a fit: where its literal stands in the request, and its verdict.
cdef struct Name:
    int64_t key
    uint32_t start
    uint32_t length
    int32_t slot
    uint16_t mask
    uint8_t code
    uint8_t cells
    uint8_t state
    uint8_t mode
    uint8_t on_unknown
    uint8_t overruled


cdef class Query:
    """An ask and the answers to it, one per row, each good until its row changes."""

    cdef object _table
    cdef object _demand
    cdef tuple _memory
    cdef Ask *ask
    cdef Answer *answers
    cdef int32_t capacity
    cdef Columns *columns
    cdef int32_t schemas

    def __cinit__(self, Table table not None, ask):
        self._table = table
        self._demand = derive(ask)
        names = self._demand.memory_names
        self._memory = names if self._demand.rank_name in names else (*names, self._demand.rank_name)
        self.ask = pack_ask(self._demand, self._memory)

    def __dealloc__(self):
        PyMem_Free(self.ask)
        PyMem_Free(self.answers)
        PyMem_Free(self.columns)

    cdef int extend(self, Table table) except -1:
        """Follow the table's growth: room for an answer per slot, columns for every schema."""
        cdef void *larger
        if self.capacity < table.slots.capacity:
            larger = PyMem_Realloc(self.answers, table.slots.capacity * sizeof(Answer))
            if larger == NULL:
                raise MemoryError
            self.answers = <Answer *>larger
            memset(self.answers + self.capacity, 0, (table.slots.capacity - self.capacity) * sizeof(Answer))
            self.capacity = table.slots.capacity
        if self.schemas < len(table._schemas):
            larger = PyMem_Realloc(self.columns, len(table._schemas) * sizeof(Columns))
            if larger == NULL:
                raise MemoryError
            self.columns = <Columns *>larger
            for schema in table._schemas[self.schemas:]:
                fill_columns(&self.columns[self.schemas], self._demand, self._memory, schema)
                self.schemas += 1
        return 0


cdef class Table:
    """The rows of all nodes by name. `generation` grows by one with every change."""

    cdef Slots slots
    cdef int64_t *scratch
    cdef int32_t scratch_zones
    cdef uint64_t fits_made
    cdef Name *spare_names      # of the fit that ended last; fresh pages cost more than judging
    cdef int32_t spare_room
    cdef list _texts
    cdef dict _schema_numbers
    cdef list _schemas
    cdef dict _queries
    cdef readonly uint64_t generation
    cdef public object unseen_mode
    cdef public object unseen_on_unknown

    def __cinit__(self, texts):
        self._texts = [bytes(text) or b'""' for text in texts]
        self._texts += [b'""'] * (CODES - len(self._texts))
        self._schema_numbers = {}
        self._schemas = []
        self._queries = {}
        self.unseen_mode = Mode.ENFORCE
        self.unseen_on_unknown = OnUnknown.KEEP
        self.slots.free = self.slots.first = NOWHERE
        self._need_scratch(8)

    def __dealloc__(self):
        cdef int32_t number
        for number in range(self.slots.capacity):
            PyMem_Free(self.slots.slot[number].row)
        PyMem_Free(self.slots.slot)
        PyMem_Free(self.slots.index)
        PyMem_Free(self.scratch)
        PyMem_Free(self.spare_names)

    cdef int _need_scratch(self, int32_t zones) except -1:
        cdef void *larger
        if zones > self.scratch_zones:
            larger = PyMem_Realloc(self.scratch, (<size_t>2 << zones) * sizeof(int64_t))
            if larger == NULL:
                raise MemoryError
            self.scratch = <int64_t *>larger
            self.scratch_zones = zones
        return 0

    def __len__(self):
        return self.slots.count

    def __contains__(self, name):
        return isinstance(name, str) and self._find(name) != NOWHERE

    cdef int32_t _find(self, str name) except -2:
        cdef bytes raw = name.encode("utf-8", "surrogatepass")
        return find(&self.slots, PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw))

    def names(self):
        """All names, sorted."""
        cdef int32_t number
        found = []
        for number in range(self.slots.capacity):
            if self.slots.slot[number].row != NULL:
                found.append(self.slots.slot[number].name[:self.slots.slot[number].length].decode())
        return sorted(found)

    def put(self, row):
        """Insert the row, or replace the one of that name. Raises ValueError for a row that makes no sense."""
        cdef Row *packed
        cdef int32_t number
        cdef Slot *slot
        row = trusted(row)
        schema = schema_of(row)
        column_set = self._schema_numbers.get(schema)
        if column_set is None:
            column_set = self._schema_numbers[schema] = len(self._schemas)
            self._schemas.append(schema)
        reserve(&self.slots)
        packed = pack_row(row, column_set, schema, self.generation + 1)
        if packed.policy == BEST_EFFORT:
            try:
                self._need_scratch(packed.zones)
            except MemoryError:
                PyMem_Free(packed)
                raise
        number = find(&self.slots, packed.name, packed.name_length)
        if number == NOWHERE:
            number = insert(&self.slots, packed.name, packed.name_length)
        slot = &self.slots.slot[number]
        PyMem_Free(slot.row)
        slot.row = packed
        slot.name = packed.name
        slot.mode = packed.mode
        slot.on_unknown = packed.on_unknown
        self.generation += 1

    def drop(self, name):
        """Remove a row; False if there is none."""
        cdef int32_t number = self._find(name)
        cdef Row *row
        if number == NOWHERE:
            return False
        row = self.slots.slot[number].row
        remove(&self.slots, number)
        PyMem_Free(row)
        self.generation += 1
        return True

    def prepare(self, ask):
        """Make the query of this ask; equal asks get the same one."""
        query = self._queries.pop(ask, None) or Query(self, ask)
        self._queries[ask] = query
        if len(self._queries) > QUERIES_KEPT:
            del self._queries[next(iter(self._queries))]
        return query

    def fit(self, Query query not None, names):
        """Judge the named nodes. `names` is a raw JSON array. Raises ScanError for a list that cannot be meant."""
        if query._table is not self:
            raise ValueError("the query is of another table")
        if not isinstance(names, bytes):
            raise TypeError("the names are bytes")
        query.extend(self)
        cdef Fit fit = Fit.__new__(Fit, self, query, names)
        fit._judge()
        return fit


cdef inline bint _is_name(const Cursor *cursor, const Slot *slot) noexcept nogil:
    """Whether the literal at the cursor spells the slot's name, letter by letter."""
    return (
        slot.row != NULL
        and slot.plain
        and cursor.at + slot.length + 2 <= cursor.length
        and cursor.text[cursor.at] == 0x22
        and cursor.text[cursor.at + 1 + slot.length] == 0x22
        and not memcmp(cursor.text + cursor.at + 1, slot.name, slot.length)
    )


cdef class Fit:
    """The verdicts over the names of one call."""

    cdef Table _table
    cdef Query _query
    cdef bytes _text
    cdef dict _decoded
    cdef Name *name
    cdef int32_t room
    cdef int32_t _best
    cdef uint64_t _generation
    cdef uint8_t _unseen_mode
    cdef uint8_t _unseen_on_unknown
    cdef int32_t[CODES] _counts
    cdef readonly int32_t total
    cdef readonly int32_t fits
    cdef readonly int32_t unknown
    cdef readonly int32_t refused
    cdef readonly int32_t survivors
    cdef readonly object error_name

    def __cinit__(self, Table table not None, Query query not None, bytes names not None):
        self._table = table
        self._query = query
        self._text = names
        self._decoded = {}
        self._best = NOWHERE
        self._generation = table.generation
        self._unseen_mode = int(table.unseen_mode)
        self._unseen_on_unknown = int(table.unseen_on_unknown)
        self.name, self.room = table.spare_names, table.spare_room
        table.spare_names, table.spare_room = NULL, 0

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
        cdef int32_t number, last = NOWHERE
        cdef Py_ssize_t start
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
            start = cursor.at
            name = self._next()
            number = slots[last].next if last != NOWHERE else table.slots.first
            if number >= 0 and slots[number].next >= 0:
                prefetch(slots[slots[number].next].row)
            if number >= 0 and _is_name(&cursor, &slots[number]):
                cursor.at += slots[number].length + 2
                cursor.escaped = False
            else:
                number = self._resolve(&cursor, unseen)
                if last != NOWHERE:
                    slots[last].next = number
                else:
                    table.slots.first = number
            name.start = <uint32_t>start
            name.length = <uint32_t>(cursor.at - start)
            name.slot = number
            name.state = ESCAPED if cursor.escaped else 0
            name.overruled = False
            if number != NOWHERE:
                if slots[number].seen == table.fits_made:
                    raise _twice(self._name_of(self.total).decode(), start)
                slots[number].seen = table.fits_made
            self._answer(name)
            self.total += 1
            last = number
            skip_space(&cursor)
        cursor.at += 1
        skip_space(&cursor)
        if cursor.at < cursor.length:
            raise ScanError(f"text after the names (byte {cursor.at})")
        return self._tally()

    cdef Name *_next(self) except NULL:
        """Room for one more name."""
        cdef void *larger
        cdef int32_t room
        if self.total == self.room:
            room = max(self._table.slots.count + 8, 2 * self.room)
            larger = PyMem_Realloc(self.name, room * sizeof(Name))
            if larger == NULL:
                raise MemoryError
            self.name = <Name *>larger
            self.room = room
        return &self.name[self.total]

    cdef int32_t _resolve(self, Cursor *cursor, set unseen) except -2:
        """Past the literal at the cursor, and its slot; keeps what a name spells where the literal does not show it."""
        cdef Py_ssize_t start = cursor.at, length
        cdef int32_t number
        cdef bytes name
        if not skip_string(cursor):
            raise ScanError(f"{_PROBLEMS[cursor.problem]} (byte {cursor.at})")
        if not cursor.escaped and not cursor.wide:
            length = cursor.at - start - 2
            if 0 < length <= MAX_NAME:
                number = find(&self._table.slots, <const char *>cursor.text + start + 1, length)
                if number != NOWHERE:
                    return number
        name = _spelled(self._text[start:cursor.at], start)
        if cursor.escaped:
            self._decoded[self.total] = name
        number = find(&self._table.slots, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
        if number == NOWHERE:
            if name in unseen:
                raise _twice(name.decode(), start)
            unseen.add(name)
        return number

    cdef inline void _answer(self, Name *name) noexcept:
        """The verdict of one name, from the query if its row did not change."""
        cdef Slot *slot
        cdef Answer *answer
        if name.slot == NOWHERE:
            name.code, name.key, name.mask, name.cells = NODE_NOT_SEEN, 0, 0, 0
            name.mode, name.on_unknown = self._unseen_mode, self._unseen_on_unknown
            return
        slot = &self._table.slots.slot[name.slot]
        answer = &self._query.answers[name.slot]
        if answer.stamp != slot.row.stamp:
            judge(slot.row, self._query.ask, &self._query.columns[slot.row.schema], self._table.scratch, answer, NULL)
            answer.stamp = slot.row.stamp
        name.code, name.key, name.mask, name.cells = answer.code, answer.key, answer.mask, answer.cells
        name.mode, name.on_unknown = slot.mode, slot.on_unknown

    cdef int _tally(self) except -1:
        """Count the verdicts, mark who survives and who takes part in the ranking, and find the best."""
        cdef int32_t index, errs = NOWHERE
        cdef Name *name
        memset(self._counts, 0, sizeof(self._counts))
        self.fits = self.refused = self.survivors = 0
        self._best = NOWHERE
        for index in range(self.total):
            name = &self.name[index]
            name.state &= ESCAPED
            self._counts[name.code] += 1
            self.fits += name.code == FITS
            self.refused += name.code >= FIRST_REFUSED
            if name.mode != ENFORCE or name.code == FITS or (name.code < FIRST_REFUSED and name.on_unknown == KEEP):
                name.state |= SURVIVES
                self.survivors += 1
                if name.mode != OBSERVE:
                    name.state |= RANKED
                    if self._best == NOWHERE or self._before(index, self._best):
                        self._best = index
            elif errs == NOWHERE and name.code < FIRST_REFUSED and name.on_unknown == ERROR:
                errs = index
        self.unknown = self.total - self.fits - self.refused
        self.error_name = None if errs == NOWHERE else self._name_of(errs).decode()
        return 0

    def overrule(self, name, code):
        """Give one node of this fit another code: who knows more than counts may strike a winner. No effect on other
        fits of the query. Raises KeyError for a name that is not in the fit.
        """
        cdef int32_t index = self._index_of(name)
        if index == NOWHERE:
            raise KeyError(name)
        self.name[index].code = Code(code)
        self.name[index].key = self.name[index].mask = self.name[index].cells = 0
        self.name[index].overruled = True
        self._tally()

    def shortlist(self, int limit):
        """Let only the best `limit` fitting names survive where more fit; see the twin."""
        cdef int32_t index
        cdef Name *name
        cdef bint cut = False
        if limit < 1 or self.fits <= limit:
            return False
        for index in self._ranked(limit):
            self.name[index].state |= KEPT
        for index in range(self.total):
            name = &self.name[index]
            if name.mode == ENFORCE and (name.state & (SURVIVES | KEPT)) == SURVIVES:
                name.state &= ESCAPED
                self.survivors -= 1
                cut = True
            name.state &= ESCAPED | SURVIVES | RANKED
        return cut

    cdef int32_t _index_of(self, str name) except -2:
        """The place of a name in the request."""
        cdef bytes raw = name.encode("utf-8", "surrogatepass")
        cdef const char *text = PyBytes_AS_STRING(self._text)
        cdef uint32_t length = <uint32_t>PyBytes_GET_SIZE(raw)
        cdef int32_t index
        cdef Name *one
        for index in range(self.total):
            one = &self.name[index]
            if one.state & ESCAPED:
                if self._decoded[index] == raw:
                    return index
            elif one.length == length + 2 and not memcmp(text + one.start + 1, PyBytes_AS_STRING(raw), length):
                return index
        return NOWHERE

    # --- ranking ---------------------------------------------------------------------------------------

    cdef inline bytes _name_of(self, int32_t index):
        cdef Name *name = &self.name[index]
        if name.state & ESCAPED:
            return self._decoded[index]
        return self._text[name.start + 1:name.start + name.length - 1]

    cdef bint _before(self, int32_t one, int32_t other) except -1:
        """Whether one name ranks before another: by verdict, key, name."""
        cdef Name *left = &self.name[one]
        cdef Name *right = &self.name[other]
        cdef int grade = _grade(left.code), other_grade = _grade(right.code), order
        cdef const char *text = PyBytes_AS_STRING(self._text)
        if grade != other_grade:
            return grade < other_grade
        if left.key != right.key:
            return left.key > right.key
        if (left.state | right.state) & ESCAPED:
            return self._name_of(one) < self._name_of(other)
        order = memcmp(text + left.start + 1, text + right.start + 1, min(left.length, right.length) - 2)
        return order < 0 or (order == 0 and left.length < right.length)

    cdef list _ranked(self, int32_t top):
        """The first `top` ranked names, best first."""
        cdef int32_t index, count = 0, place
        cdef int32_t *heap
        top = min(top, self.total)
        if top < 1:
            return []
        heap = <int32_t *>PyMem_Malloc(top * sizeof(int32_t))
        if heap == NULL:
            raise MemoryError
        try:
            # A heap of the best so far, the worst of them on top.
            for index in range(self.total):
                if not self.name[index].state & RANKED:
                    continue
                if count < top:
                    place = count
                    count += 1
                    while place and self._before(heap[(place - 1) >> 1], index):
                        heap[place] = heap[(place - 1) >> 1]
                        place = (place - 1) >> 1
                    heap[place] = index
                elif self._before(index, heap[0]):
                    self._sink(heap, count, index)
            ranked = []
            while count:
                ranked.append(heap[0])
                count -= 1
                self._sink(heap, count, heap[count])
        finally:
            PyMem_Free(heap)
        ranked.reverse()
        return ranked

    cdef int _sink(self, int32_t *heap, int32_t count, int32_t index) except -1:
        """Put `index` in place of the heap's top."""
        cdef int32_t place = 0, child
        while 2 * place + 1 < count:
            child = 2 * place + 1
            if child + 1 < count and self._before(heap[child], heap[child + 1]):
                child += 1
            if not self._before(index, heap[child]):
                break
            heap[place] = heap[child]
            place = child
        if count:
            heap[place] = index
        return 0

    cdef list _scores(self, int32_t top):
        """(index, score): one 10 for the best, 9..1 for the next top-1 fitting names; equal keys score the same."""
        cdef int32_t first = 0, place, count
        cdef list ranked = self._ranked(max(top, 1))
        if not ranked:
            return []
        others = [index for index in ranked[1:] if self.name[<int32_t>index].code == FITS]
        count = <int32_t>len(others)
        scores = [(ranked[0], 10)]
        for place in range(count):
            if self.name[<int32_t>others[place]].key != self.name[<int32_t>others[first]].key:
                first = place
            scores.append((others[place], 9 - first * 9 // count))
        return scores

    # --- results ---------------------------------------------------------------------------------------

    def counts(self):
        """Nodes per code."""
        return {code: self._counts[code] for code in range(CODES) if self._counts[code]}

    def best(self):
        """Name and code of the node that gets the 10; None if no node takes part in the ranking."""
        if self._best == NOWHERE:
            return None
        return self._name_of(self._best).decode(), self.name[self._best].code

    def filter_reply(self, always_failed=False):
        """The survivors in the order asked; the refusals only when nobody survives, or always."""
        cdef bint failures = always_failed or not self.survivors
        cdef const char *source = PyBytes_AS_STRING(self._text)
        cdef const char *texts[CODES]
        cdef Py_ssize_t lengths[CODES]
        cdef Py_ssize_t size = 0
        cdef int32_t index
        cdef char *out
        cdef bytes text, reply
        cdef Name *name
        for index in range(CODES):
            text = self._table._texts[index]
            texts[index] = PyBytes_AS_STRING(text)
            lengths[index] = PyBytes_GET_SIZE(text)
        size = len(_HEAD) + len(_MIDDLE) + len(_TAIL)
        for index in range(self.total):
            name = &self.name[index]
            if name.state & SURVIVES:
                size += name.length + 1
            elif failures:
                size += name.length + lengths[name.code] + 2
        # One comma too many for each list that is not empty.
        size -= (self.survivors > 0) + (failures and self.survivors < self.total)
        reply = PyBytes_FromStringAndSize(NULL, size)
        out = PyBytes_AS_STRING(reply)
        out = _copy(out, _HEAD, len(_HEAD))
        out = self._write_names(out, source)
        out = _copy(out, _MIDDLE, len(_MIDDLE))
        if failures:
            out = self._write_failures(out, source, texts, lengths)
        _copy(out, _TAIL, len(_TAIL))
        return reply

    cdef char *_write_names(self, char *out, const char *source) noexcept:
        """The survivors; names that stand side by side in the request are copied together."""
        cdef int32_t index
        cdef Name *name
        cdef uint32_t start = 0, end = 0
        cdef bint more = False
        for index in range(self.total):
            name = &self.name[index]
            if not name.state & SURVIVES:
                continue
            if more and name.start == end + 1:
                end = name.start + name.length
                continue
            if more:
                out = _copy(out, source + start, end - start)
                out[0] = 0x2C
                out += 1
            start, end, more = name.start, name.start + name.length, True
        return _copy(out, source + start, end - start)

    cdef char *_write_failures(
        self, char *out, const char *source, const char **texts, const Py_ssize_t *lengths
    ) noexcept:
        cdef int32_t index
        cdef Name *name
        cdef bint more = False
        for index in range(self.total):
            name = &self.name[index]
            if name.state & SURVIVES:
                continue
            if more:
                out[0] = 0x2C
                out += 1
            more = True
            out = _copy(out, source + name.start, name.length)
            out[0] = 0x3A
            out = _copy(out + 1, texts[name.code], lengths[name.code])
        return out

    def score_reply(self, int top=100):
        """See the twin."""
        return b"[" + b",".join([
            b'{"Host":%b,"Score":%d}' % (self._literal(index), score) for index, score in self._scores(top)
        ]) + b"]"

    cdef bytes _literal(self, int32_t index):
        return self._text[self.name[index].start:self.name[index].start + self.name[index].length]

    def entries(self, int limit=0):
        """The ranked nodes, best first, then the others in the order asked; 0: all of them."""
        scores = dict(self._scores(100))
        order = self._ranked(self.total)
        order += [index for index in range(self.total) if not self.name[index].state & RANKED]
        return [self._entry(index, scores.get(index, 0)) for index in order[:limit or None]]

    cdef object _entry(self, int32_t index, int score):
        cdef Name *name = &self.name[index]
        placement = self._place(index)
        return Entry(
            name=self._name_of(index).decode(),
            code=name.code,
            mask=name.mask,
            cells=name.cells,
            cpus=placement.cpus if placement is not None else (),
            key=name.key,
            score=score,
            survives=(name.state & SURVIVES) != 0,
        )

    def placement(self, name):
        """Where the pod would land on a node of this fit that fits; None also once the node's row changed."""
        cdef int32_t index = self._index_of(name)
        return None if index == NOWHERE else self._place(index)

    cdef object _place(self, int32_t index):
        cdef int32_t number = self.name[index].slot
        cdef Row *row
        cdef Answer answer
        cdef Detail detail
        if number == NOWHERE or self.name[index].code != FITS or self.name[index].overruled:
            return None
        row = self._table.slots.slot[number].row
        if row == NULL or row.stamp > self._generation:
            return None
        detail.blocks = detail.cells = 0
        judge(row, self._query.ask, &self._query.columns[row.schema], self._table.scratch, &answer, &detail)
        return Placement(
            mask=answer.mask,
            cpus=tuple([detail.held[zone] for zone in range(row.zones)]),
            exact=bool(detail.exact),
            blocks=tuple([
                Block(
                    detail.block[item].part,
                    self._query._memory[detail.block[item].name],
                    detail.block[item].mask,
                    detail.block[item].bytes,
                )
                for item in range(detail.blocks)
            ]),
            cells=tuple([
                Cell(detail.cell[item].zone, detail.cell[item].vcpus, detail.cell[item].bytes)
                for item in range(detail.cells)
            ]),
            devices=tuple([
                (device, tuple([detail.devices[item][zone] for zone in range(row.zones)]))
                for item, device in enumerate(self._query._demand.device_names)
                if detail.has_device[item]
            ]),
        )


cdef bytes _HEAD = b'{"NodeNames":['
cdef bytes _MIDDLE = b'],"FailedAndUnresolvableNodes":{'
cdef bytes _TAIL = b'},"Error":""}'


cdef inline char *_copy(char *out, const char *source, Py_ssize_t length) noexcept:
    memcpy(out, source, length)
    return out + length


cdef inline int _grade(uint8_t code) noexcept nogil:
    return 0 if code == FITS else 1 if code < FIRST_REFUSED else 2


def _twice(name, start):
    return ScanError(f"node name {name} is listed twice (byte {start})")


cdef bytes _spelled(bytes literal, Py_ssize_t start):
    """The name that a string literal spells."""
    cdef bytes name = literal[1:len(literal) - 1]
    if not name.isascii():
        try:
            name.decode()
        except UnicodeDecodeError as error:
            raise ScanError(f"invalid UTF-8 (byte {start + 1 + error.start})") from None
    if b"\\" in name:
        name = json.loads(literal).encode()
    if not name:
        raise ScanError(f"empty node name (byte {start})")
    if len(name) > MAX_NAME:
        raise ScanError(f"node name longer than {MAX_NAME} bytes (byte {start})")
    return name
