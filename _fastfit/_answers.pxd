# The answers of a query, each made when it is first needed and again when its row changed.

from libc.stdint cimport int32_t

from _fastfit._judge cimport judge
from _fastfit._slots cimport Slot
from _fastfit._table cimport Query, Table
from _fastfit._types cimport Answer


# The verdict on a slot in use. Query.extend() made room for it.
cdef inline const Answer *judged(Table table, Query query, int32_t number) noexcept:
    cdef Slot *slot = &table.slots.slot[number]
    cdef Answer *answer = &query.answers[number]
    if answer.stamp != slot.stamp:
        judge(slot.row, query.ask, &query.columns[slot.row.schema], table.scratch, answer, NULL)
        answer.stamp = slot.stamp
    return answer
