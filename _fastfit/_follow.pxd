# Which row a name of a request stands for, guessed from the name before it. kube-scheduler goes through its nodes in
# one order, but does so in runs side by side, which come mixed.

from libc.stdint cimport int32_t
from libc.string cimport memcmp

from _fastfit._slots cimport NOWHERE, Slot, Slots, name_of
from _fastfit._text cimport Cursor

cdef enum:
    SURE = 3                # calls that a successor which proved right outlasts


# Whether the literal at the cursor spells the slot's name, letter by letter.
cdef inline bint is_name(const Cursor *cursor, const Slot *slot) noexcept nogil:
    return (
        slot.row != NULL
        and slot.plain
        and cursor.at + slot.length + 2 <= cursor.length
        and cursor.text[cursor.at] == 0x22
        and cursor.text[cursor.at + 1 + slot.length] == 0x22
        and not memcmp(cursor.text + cursor.at + 1, name_of(slot), slot.length)
    )


# The slot whose name mostly follows that of slot `before` (NOWHERE: comes first), if the literal at the cursor spells
# it; else NOWHERE.
cdef inline int32_t following(const Cursor *cursor, Slots *slots, int32_t before) noexcept nogil:
    cdef int32_t number = slots.first if before == NOWHERE else slots.slot[before].next
    if number == NOWHERE or not is_name(cursor, &slots.slot[number]):
        return NOWHERE
    if before != NOWHERE and slots.slot[before].sure < SURE:
        slots.slot[before].sure += 1
    return number


# That one name followed another. One odd call does not undo what many have shown.
cdef inline void learn(Slots *slots, int32_t before, int32_t number) noexcept nogil:
    if before == NOWHERE:
        slots.first = number
    elif slots.slot[before].sure:
        slots.slot[before].sure -= 1
    else:
        slots.slot[before].next = number
