# Uneven layouts of guest cells that only one name of a fit gives: they rank below those that others give as well. The
# rule and its reason are in _key_py.py. Even layouts of one number of cells are all the same and need no comparison.

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int32_t, int64_t, uint32_t

from _fastfit._constants cimport FITS, LAYOUT_AT, LAYOUT_TOP, LAYOUT_UNEVEN
from _fastfit._names cimport Name
from _fastfit._types cimport Answer

cdef enum:
    NUMBERS = 0xFFFF            # most layouts of one fit that are compared; further ones count as shared

cdef struct Sharers:
    int32_t names
    int32_t last                # the index of one of them

cdef struct Seen:
    uint32_t split
    int32_t number
    Sharers by


cdef inline bint is_uneven(const Name *name) noexcept nogil:
    return (name.key >> LAYOUT_AT & LAYOUT_TOP) == LAYOUT_UNEVEN


cdef inline void lower_unshared(Name *names, const Sharers *by) noexcept nogil:
    if by.names == 1 and is_uneven(&names[by.last]):
        names[by.last].key -= <int64_t>LAYOUT_UNEVEN << LAYOUT_AT


# Gives every name of an uneven layout the layout's number, from 1, and lowers the key of a name that shares it with no
# other. Returns the last number.
cdef inline int32_t number_layouts(Name *names, int32_t total, const Answer *answers) except -1:
    cdef uint32_t room = 0, place, split
    cdef int32_t index = 0, last = 0
    cdef Seen *seen = NULL
    while index < total:
        if 2 * <uint32_t>last >= room:
            # Mostly there are few layouts, and a small table stays in the CPU's cache. Where it is too small all names
            # are done again with a larger one.
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
            lower_unshared(names, &seen[place].by)
    PyMem_Free(seen)
    return last


# After a name lost its layout: lowers the key of the name that shared it, if there is only one left.
cdef inline int lower_newly_unshared(Name *names, int32_t total, int32_t last) except -1:
    cdef Sharers *sharers = <Sharers *>PyMem_Calloc(last + 1, sizeof(Sharers))
    cdef int32_t index
    if sharers == NULL:
        raise MemoryError
    for index in range(total):
        sharers[names[index].layout].names += 1
        sharers[names[index].layout].last = index
    for index in range(1, last + 1):
        lower_unshared(names, &sharers[index])
    PyMem_Free(sharers)
    return 0


# How many other names give the boot the same layout as this one; 0 also where no guest with cells boots.
cdef inline int32_t alike(const Name *names, int32_t total, int32_t index) noexcept nogil:
    cdef const Name *name = &names[index]
    cdef int32_t other, found = -1
    if name.code != FITS or not (name.layout or name.key >> LAYOUT_AT & LAYOUT_TOP):
        return 0
    for other in range(total):
        found += (
            names[other].code == FITS
            and names[other].layout == name.layout
            and names[other].key >> LAYOUT_AT == name.key >> LAYOUT_AT
        )
    return found
