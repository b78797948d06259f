# Uneven layouts of guest cells that one name of a fit alone gives: they rank below those that others give as well. The
# rule is told in _key_py.py; even layouts need no look, as those of one number of cells are all the same.

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int32_t, int64_t, uint32_t

from _fastfit._names cimport Name
from _fastfit._types cimport Answer, FITS

cdef enum:
    LAYOUT_AT = 48              # bits of the key below the layout
    UNEVEN = 1
    NUMBERS = 0xFFFF            # layouts of one fit that are told apart; more of them count as shared

cdef struct Sharers:
    int32_t names
    int32_t last                # the place of one of them

cdef struct Seen:
    uint32_t split
    int32_t number
    Sharers by


cdef inline bint is_uneven(const Name *name) noexcept nogil:
    return (name.key >> LAYOUT_AT & 3) == UNEVEN


cdef inline void lower_alone(Name *names, const Sharers *by) noexcept nogil:
    if by.names == 1 and is_uneven(&names[by.last]):
        names[by.last].key -= <int64_t>UNEVEN << LAYOUT_AT


# Gives every name of an uneven layout the layout's number, from 1, and lowers the key of one that gives it alone.
# Returns the last number.
cdef inline int32_t number_layouts(Name *names, int32_t total, const Answer *answers) except -1:
    cdef uint32_t room = 0, place, split
    cdef int32_t index = 0, last = 0
    cdef Seen *seen = NULL
    while index < total:
        if 2 * <uint32_t>last >= room:
            # Layouts are few as a rule: a small table stays near. Where they are many all is done once more.
            PyMem_Free(seen)
            room = 8 * room if room else 256
            seen = <Seen *>PyMem_Calloc(room, sizeof(Seen))
            if seen == NULL:
                raise MemoryError
            index = last = 0
        if is_uneven(&names[index]):
            split = answers[names[index].slot].split
            place = (split ^ split >> 15) & (room - 1)
            while seen[place].number and seen[place].split != split:
                place = (place + 1) & (room - 1)
            if not seen[place].number and last < NUMBERS:
                last += 1
                seen[place].split, seen[place].number = split, last
            names[index].layout = seen[place].number
            seen[place].by.names += 1
            seen[place].by.last = index
        index += 1
    for place in range(room):
        if seen[place].number:
            lower_alone(names, &seen[place].by)
    PyMem_Free(seen)
    return last


# A name left the fit: lowers the key of every other that gives its layout alone now.
cdef inline int settle_layouts(Name *names, int32_t total, int32_t last) except -1:
    cdef Sharers *sharers = <Sharers *>PyMem_Calloc(last + 1, sizeof(Sharers))
    cdef int32_t index
    if sharers == NULL:
        raise MemoryError
    for index in range(total):
        sharers[names[index].layout].names += 1
        sharers[names[index].layout].last = index
    for index in range(1, last + 1):
        lower_alone(names, &sharers[index])
    PyMem_Free(sharers)
    return 0


# Other names that give the boot the layout which this one gives; 0 where there is none, nor guest cells.
cdef inline int32_t alike(const Name *names, int32_t total, int32_t index) noexcept nogil:
    cdef const Name *name = &names[index]
    cdef int32_t other, found = -1
    if name.code != FITS or not (name.layout or name.key >> LAYOUT_AT & 3):
        return 0
    for other in range(total):
        found += (
            names[other].code == FITS
            and names[other].layout == name.layout
            and names[other].key >> LAYOUT_AT == name.key >> LAYOUT_AT
        )
    return found
