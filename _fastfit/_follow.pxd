# Finding a name's slot by the name before it in the request: kube-scheduler walks its nodes in one order, but in
# several goroutines, whose runs of names come interleaved.

from libc.stdint cimport int32_t
from libc.string cimport memcmp

from _fastfit._slots cimport NOWHERE, Slot, Slots, name_of
from _fastfit._text cimport Cursor

cdef enum:
    MAX_CONFIRMED = 3       # most wrong guesses in a row that a successor outlasts


# Whether the literal at the cursor is the slot's name, unescaped.
cdef inline bint is_name(const Cursor *cursor, const Slot *slot) noexcept nogil:
    return (
        slot.row != NULL
        and slot.plain
        and cursor.at + slot.length + 2 <= cursor.length
        and cursor.text[cursor.at] == 0x22
        and cursor.text[cursor.at + 1 + slot.length] == 0x22
        and not memcmp(cursor.text + cursor.at + 1, name_of(slot), slot.length)
    )


# The slot whose name mostly follows that of slot `before` (NOWHERE: at the start of a request), if the literal at the
# cursor is that name; else NOWHERE.
cdef inline int32_t following(const Cursor *cursor, Slots *slots, int32_t before) noexcept nogil:
    cdef int32_t number = slots.first if before == NOWHERE else slots.slot[before].next
    if number == NOWHERE or not is_name(cursor, &slots.slot[number]):
        return NOWHERE
    if before != NOWHERE and slots.slot[before].confirmed < MAX_CONFIRMED:
        slots.slot[before].confirmed += 1
    return number


# Notes that one name followed another. A successor that was confirmed often is not replaced at once.
cdef inline void note_successor(Slots *slots, int32_t before, int32_t number) noexcept nogil:
    if before == NOWHERE:
        slots.first = number
    elif slots.slot[before].confirmed:
        slots.slot[before].confirmed -= 1
    else:
        slots.slot[before].next = number
