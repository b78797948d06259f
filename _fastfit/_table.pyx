"""Table and query, compiled. The contract is that of the plain kernel's in _fit_py.py.

put() packs a row into one allocation, which is found again by its name. A query keeps an answer per row, valid until
the row changes.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcmp, memcpy, memset

from _fastfit._constants cimport POLICY_BEST_EFFORT, QUERIES_KEPT
from _fastfit._names cimport CODES, Name
from _fastfit._pack cimport fill_columns, pack_ask, pack_row, schema_of
from _fastfit._slots cimport NOWHERE, Slot, find, insert, name_of, remove, reserve
from _fastfit._types cimport Answer, Columns, Row

from _fastfit._demand import derive
from _fastfit._rows import within_bounds
from _fastfit.codes import Mode

__all__ = ["Query", "Table"]

cdef class Query:
    """An ask and the answers to it, one per row, each valid until its row changes."""

    def __cinit__(self, Table table not None, ask):
        self.table = table
        self.demand = derive(ask)
        names = self.demand.memory_names
        self.memory = names if self.demand.rank_name in names else (*names, self.demand.rank_name)
        self.ask = pack_ask(self.demand, self.memory)

    def __dealloc__(self):
        PyMem_Free(self.ask)
        PyMem_Free(self.answers)
        PyMem_Free(self.columns)

    cdef int extend(self, Table table) except -1:
        """Follow the table's growth: room for an answer per slot, columns for every schema."""
        cdef void *larger
        cdef int32_t room
        if self.capacity < table.slots.top:
            # At first no more than needed: page faults cost as much as judging. A table that grew will grow again.
            room = table.slots.top if not self.capacity else min(table.slots.capacity, table.slots.top * 5 // 4 + 16)
            larger = PyMem_Realloc(self.answers, room * sizeof(Answer))
            if larger == NULL:
                raise MemoryError
            self.answers = <Answer *>larger
            memset(self.answers + self.capacity, 0, (room - self.capacity) * sizeof(Answer))
            self.capacity = room
        if self.schemas < len(table.schemas):
            larger = PyMem_Realloc(self.columns, len(table.schemas) * sizeof(Columns))
            if larger == NULL:
                raise MemoryError
            self.columns = <Columns *>larger
            for schema in table.schemas[self.schemas:]:
                fill_columns(&self.columns[self.schemas], self.demand, self.memory, schema)
                self.schemas += 1
        return 0


cdef class Table:
    """The rows of all nodes by name. `generation` grows by one with every change."""

    def __cinit__(self, texts):
        self.texts = [bytes(text) or b'""' for text in texts]
        self.texts += [b'""'] * (CODES - len(self.texts))
        self.schema_numbers = {}
        self.schemas = []
        self.queries = {}
        self.unseen_mode = Mode.ENFORCE
        self.unseen_actions = 0
        self.slots.free = self.slots.first = NOWHERE
        self.need_scratch(8)

    def __dealloc__(self):
        cdef int32_t number
        for number in range(self.slots.capacity):
            PyMem_Free(self.slots.slot[number].row)
        PyMem_Free(self.slots.slot)
        PyMem_Free(self.slots.index)
        PyMem_Free(self.scratch)
        PyMem_Free(self.spare_names)
        PyMem_Free(self.known)

    cdef int need_scratch(self, int32_t zones) except -1:
        cdef void *larger
        if zones > self.scratch_zones:
            larger = PyMem_Realloc(self.scratch, (<size_t>2 << zones) * sizeof(int64_t))
            if larger == NULL:
                raise MemoryError
            self.scratch = <int64_t *>larger
            self.scratch_zones = zones
        return 0

    cdef bint knows(self, bytes text):
        """Whether these names are resolved already."""
        if self.known_text is None or self.known_members != self.members:
            return False
        return text is self.known_text or (
            PyBytes_GET_SIZE(text) == PyBytes_GET_SIZE(self.known_text)
            and not memcmp(PyBytes_AS_STRING(text), PyBytes_AS_STRING(self.known_text), PyBytes_GET_SIZE(text))
        )

    cdef int remember(self, bytes text, const Name *names, int32_t total) except -1:
        """Keep resolved names for later fits, unless a longer list is kept."""
        cdef void *room
        if total < self.known_total and self.known_members == self.members:
            return 0
        room = PyMem_Realloc(self.known, max(total, 1) * sizeof(Name))
        if room == NULL:
            raise MemoryError
        self.known = <Name *>room
        memcpy(self.known, names, total * sizeof(Name))
        self.known_text, self.known_total, self.known_members = text, total, self.members
        return 0

    def __len__(self):
        return self.slots.count

    def __contains__(self, name):
        return isinstance(name, str) and self.number_of(name) != NOWHERE

    cdef int32_t number_of(self, str name) except -2:
        cdef bytes raw = name.encode("utf-8", "surrogatepass")
        return find(&self.slots, PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw))

    def names(self):
        """All names, sorted."""
        cdef int32_t number
        found = []
        for number in range(self.slots.capacity):
            if self.slots.slot[number].row != NULL:
                found.append(name_of(&self.slots.slot[number])[:self.slots.slot[number].length].decode())
        return sorted(found)

    def put(self, row):
        """Insert the row, or replace the one of that name. Raises ValueError as within_bounds() does."""
        cdef Row *packed
        cdef int32_t number
        cdef Slot *slot
        row = within_bounds(row)
        schema = schema_of(row)
        column_set = self.schema_numbers.get(schema)
        if column_set is None:
            column_set = self.schema_numbers[schema] = len(self.schemas)
            self.schemas.append(schema)
        reserve(&self.slots)
        packed = pack_row(row, column_set, schema, self.generation + 1)
        if packed.policy == POLICY_BEST_EFFORT:
            try:
                self.need_scratch(packed.zones)
            except MemoryError:
                PyMem_Free(packed)
                raise
        number = find(&self.slots, packed.name, packed.name_length)
        if number == NOWHERE:
            number = insert(&self.slots, packed)
            self.members += 1
        slot = &self.slots.slot[number]
        if slot.row != packed:
            PyMem_Free(slot.row)
            slot.row = packed
        slot.stamp = packed.stamp
        slot.mode = packed.mode
        slot.actions = packed.actions
        self.generation += 1

    def drop(self, name):
        """Remove a row; False if there is none."""
        cdef int32_t number = self.number_of(name)
        cdef Row *row
        if number == NOWHERE:
            return False
        row = self.slots.slot[number].row
        remove(&self.slots, number)
        PyMem_Free(row)
        self.members += 1
        self.generation += 1
        return True

    def prepare(self, ask):
        """The query of this ask. Equal asks get the same one."""
        query = self.queries.pop(ask, None) or Query(self, ask)
        self.queries[ask] = query
        if len(self.queries) > QUERIES_KEPT:
            del self.queries[next(iter(self.queries))]
        return query

    def fitting(self, Query query not None, int start, int limit):
        """How many of the next `limit` rows fit, and where to continue; see the plain kernel."""
        from _fastfit._fit import fitting  # as in fit()

        return fitting(self, query, start, limit)

    def code_on(self, Query query not None, name):
        """The verdict on one node; see the plain kernel."""
        from _fastfit._fit import code_on  # as in fit()

        return code_on(self, query, name)

    def fit(self, Query query not None, names, uid=""):
        """Judge the named nodes; see the plain kernel. Raises ScanError for bad JSON and for repeated names."""
        from _fastfit._fit import Fit  # a fit in turn needs the table's C side

        return Fit(self, query, names, uid)
