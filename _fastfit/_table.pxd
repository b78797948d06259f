# The table's and query's C side, for the fit that walks them.

from libc.stdint cimport int32_t, int64_t, uint64_t

from _fastfit._names cimport Name
from _fastfit._slots cimport Slots
from _fastfit._types cimport Answer, Ask, Columns


cdef class Query:
    cdef object table
    cdef object demand
    cdef tuple memory
    cdef Ask *ask
    cdef Answer *answers
    cdef int32_t capacity
    cdef Columns *columns
    cdef int32_t schemas

    cdef int extend(self, Table table) except -1


cdef class Table:
    cdef Slots slots
    cdef int64_t *scratch
    cdef int32_t scratch_zones
    cdef uint64_t fits_made
    # The name array of the fit that ended last, for the next fit: page faults of a new one cost more than judging.
    cdef Name *spare_names
    cdef int32_t spare_room
    # The longest list of names lately, resolved: valid while `members` does not change.
    cdef bytes known_text
    cdef Name *known
    cdef int32_t known_total
    cdef uint64_t known_members
    # Grows when a node comes or goes.
    cdef uint64_t members
    cdef list texts
    cdef dict schema_numbers
    cdef list schemas
    cdef dict queries
    cdef readonly uint64_t generation
    cdef public object unseen_mode
    cdef public uint64_t unseen_actions

    cdef int need_scratch(self, int32_t zones) except -1
    cdef bint knows(self, bytes text)
    cdef int remember(self, bytes text, const Name *names, int32_t total) except -1
    cdef int32_t number_of(self, str name) except -2
