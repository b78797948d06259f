# The names of one fit: their verdicts, who survives, who ranks before whom. The twins are in _fit_py.py.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memset

from _fastfit._types cimport FIRST_REFUSED, FITS

cdef enum:
    CODES = 256
    NOBODY = -1

# Row modes and actions on an unknown verdict, as in codes.py.
cdef enum:
    ENFORCE = 0
    OBSERVE = 2
    KEEP = 0
    ERROR = 2

# States of a name.
cdef enum:
    SURVIVES = 1
    RANKED = 2
    KEPT = 4

# One name: its literal in the request (with quotes), what it spells, its slot, its verdict.
cdef struct Name:
    int64_t key
    const char *spelled
    uint32_t start
    uint32_t length
    int32_t slot
    uint16_t spelled_length
    uint16_t mask
    uint8_t code
    uint8_t cells
    uint8_t state
    uint8_t mode
    uint8_t on_unknown
    uint8_t overruled
    uint16_t layout         # number of the uneven layout of its guest cells, see _layouts.pxd; 0: none, or not told

# Verdicts over all names. `best` and `error` are places, NOBODY if there is none.
cdef struct Tally:
    int32_t fits
    int32_t refused
    int32_t survivors
    int32_t best
    int32_t error
    int32_t codes[CODES]


# What a row's actions say of a code; see codes.action_on.
cdef inline uint8_t action_on(uint64_t actions, uint8_t code) noexcept nogil:
    return <uint8_t>(actions >> 2 * code & 3) if FITS < code < FIRST_REFUSED else KEEP


# Fits, then unknown, then refused.
cdef inline int grade(uint8_t code) noexcept nogil:
    return 0 if code == FITS else 1 if code < FIRST_REFUSED else 2


# Whether one name ranks before another: by verdict, key, name.
cdef inline bint before(const Name *one, const Name *other) noexcept nogil:
    cdef int order
    if one.code != other.code and grade(one.code) != grade(other.code):
        return grade(one.code) < grade(other.code)
    if one.key != other.key:
        return one.key > other.key
    order = memcmp(one.spelled, other.spelled, min(one.spelled_length, other.spelled_length))
    return order < 0 or (order == 0 and one.spelled_length < other.spelled_length)


# Counts the verdicts, marks who survives and who takes part in the ranking, and finds the best.
cdef inline void count(Name *names, int32_t total, Tally *tally) noexcept nogil:
    cdef int32_t index
    cdef Name *name
    memset(tally, 0, sizeof(Tally))
    tally.best = tally.error = NOBODY
    for index in range(total):
        name = &names[index]
        name.state = 0
        tally.codes[name.code] += 1
        tally.fits += name.code == FITS
        tally.refused += name.code >= FIRST_REFUSED
        if name.mode != ENFORCE or name.code == FITS or (name.code < FIRST_REFUSED and name.on_unknown == KEEP):
            tally.survivors += 1
            name.state = SURVIVES
            if name.mode != OBSERVE:
                name.state = SURVIVES | RANKED
                if tally.best == NOBODY or before(name, &names[tally.best]):
                    tally.best = index
        elif tally.error == NOBODY and name.code < FIRST_REFUSED and name.on_unknown == ERROR:
            tally.error = index


# Puts `index` in place of the heap's top, which is the worst of it.
cdef inline void sink(const Name *names, int32_t *heap, int32_t size, int32_t index) noexcept nogil:
    cdef int32_t place = 0, child
    while 2 * place + 1 < size:
        child = 2 * place + 1
        if child + 1 < size and before(&names[heap[child]], &names[heap[child + 1]]):
            child += 1
        if not before(&names[index], &names[heap[child]]):
            break
        heap[place] = heap[child]
        place = child
    heap[place] = index


# Fills `ranked`, which has room for `top` places, with the best ranked names, best first; returns how many.
cdef inline int32_t rank(const Name *names, int32_t total, int32_t top, int32_t *ranked) noexcept nogil:
    cdef int32_t index, place, size = 0, left
    for index in range(total):
        if not names[index].state & RANKED:
            continue
        if size < top:
            place = size
            size += 1
            while place and before(&names[ranked[(place - 1) >> 1]], &names[index]):
                ranked[place] = ranked[(place - 1) >> 1]
                place = (place - 1) >> 1
            ranked[place] = index
        elif before(&names[index], &names[ranked[0]]):
            sink(names, ranked, size, index)
    # The worst goes behind the shrinking heap each time.
    left = size
    while left > 1:
        left -= 1
        index = ranked[left]
        place = ranked[0]
        sink(names, ranked, left, index)
        ranked[left] = place
    return size
