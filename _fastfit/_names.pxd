# The names of one fit: their verdicts, which of them survive, and their order of rank. Plain kernel: _fit_py.py.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memset

from _fastfit._constants cimport (
    ACTION_BITS, FIRST_REFUSAL, FITS, MODE_ENFORCE, MODE_OBSERVE, ON_UNKNOWN_ERROR, ON_UNKNOWN_KEEP,
)


cdef enum:
    CODES = 256             # values of Name.code
    NO_NAME = -1

# States of a name.
cdef enum:
    SURVIVES = 1
    RANKED = 2
    KEPT = 4

# One name: its literal in the request (with quotes), what that spells, its slot, its verdict.
cdef struct Name:
    int64_t key
    const char *spelled
    uint32_t start
    uint32_t length
    int32_t slot
    uint32_t mask
    uint16_t spelled_length
    uint8_t code
    uint8_t cells
    uint8_t state
    uint8_t mode
    uint8_t on_unknown
    uint8_t excluded
    uint32_t tie            # orders names of equal keys, see _ties_py.py
    uint16_t layout         # number of the uneven layout of its guest cells, see _layouts.pxd; 0: none, or not numbered

# Verdicts over all names. `best` and `error` are indexes into them, NO_NAME if there is none. `equals`: names that rank
# as high as the best, itself included, where it does not fit; else 0. `ranked`: names that take part in the ranking.
cdef struct Tally:
    int32_t fits
    int32_t refused
    int32_t survivors
    int32_t best
    int32_t error
    int32_t ranked
    int32_t equals
    int32_t codes[CODES]


# The action of a row on a code; see codes.action_on.
cdef inline uint8_t action_on(uint64_t actions, uint8_t code) noexcept nogil:
    if not FITS < code < FIRST_REFUSAL:
        return ON_UNKNOWN_KEEP
    return <uint8_t>(actions >> ACTION_BITS * code & (1 << ACTION_BITS) - 1)


# Fits, then unknown, then refused.
cdef inline int grade(uint8_t code) noexcept nogil:
    return 0 if code == FITS else 1 if code < FIRST_REFUSAL else 2


# Whether one name ranks before another: by verdict, key, tie, name.
cdef inline bint before(const Name *one, const Name *other) noexcept nogil:
    cdef int order
    if one.code != other.code and grade(one.code) != grade(other.code):
        return grade(one.code) < grade(other.code)
    if one.key != other.key:
        return one.key > other.key
    if one.tie != other.tie:
        return one.tie < other.tie
    order = memcmp(one.spelled, other.spelled, min(one.spelled_length, other.spelled_length))
    return order < 0 or (order == 0 and one.spelled_length < other.spelled_length)


# Whether two names are equally good.
cdef inline bint equal(const Name *one, const Name *other) noexcept nogil:
    return one.key == other.key and grade(one.code) == grade(other.code)


# Counts the verdicts, marks the names that survive and those that are ranked, and finds the best.
cdef inline void count(Name *names, int32_t total, Tally *tally) noexcept nogil:
    cdef int32_t index
    cdef Name *name
    memset(tally, 0, sizeof(Tally))
    tally.best = tally.error = NO_NAME
    for index in range(total):
        name = &names[index]
        name.state = 0
        tally.codes[name.code] += 1
        tally.fits += name.code == FITS
        tally.refused += name.code >= FIRST_REFUSAL
        if name.mode != MODE_ENFORCE or name.code == FITS or (
            name.code < FIRST_REFUSAL and name.on_unknown == ON_UNKNOWN_KEEP
        ):
            tally.survivors += 1
            name.state = SURVIVES
            if name.mode != MODE_OBSERVE:
                name.state = SURVIVES | RANKED
                tally.ranked += 1
                if tally.best == NO_NAME or before(name, &names[tally.best]):
                    tally.best = index
        elif tally.error == NO_NAME and name.code < FIRST_REFUSAL and name.on_unknown == ON_UNKNOWN_ERROR:
            tally.error = index
    if tally.best == NO_NAME or names[tally.best].code == FITS:
        return
    for index in range(total):
        tally.equals += (names[index].state & RANKED) != 0 and equal(&names[index], &names[tally.best])


# Replaces the heap's top, the worst of its names, by `index`.
cdef inline void replace_top(const Name *names, int32_t *heap, int32_t size, int32_t index) noexcept nogil:
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
            replace_top(names, ranked, size, index)
    # Heap sort: the worst of the heap goes behind it each time.
    left = size
    while left > 1:
        left -= 1
        index = ranked[left]
        place = ranked[0]
        replace_top(names, ranked, left, index)
        ranked[left] = place
    return size
