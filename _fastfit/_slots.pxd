# Names to slots: an open-addressing index over an array of slots. A slot keeps its place while its row is replaced.

cimport cython
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Realloc
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from _fastfit._types cimport Row

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

cdef enum:
    NOWHERE = -1
    SHORT = 48              # longest name that the slot itself holds, so that finding it reads no row

# `row` NULL: the slot is free and `next` is the next free one. Otherwise `next` is the slot whose name mostly follows
# this one's in requests, and `confirmed` how often it did lately. `stamp` is the row's. `plain`: JSON needs no escape
# for the name. `seen` is the number of the last fit that named it.
cdef struct Slot:
    Row *row
    uint64_t stamp
    uint64_t seen
    uint64_t actions
    uint32_t hash
    int32_t next
    int32_t length
    uint8_t plain
    uint8_t mode
    uint8_t confirmed
    char short_name[SHORT]

# `index` holds slot + 1, 0 where empty; its size is a power of two and at least twice the number of rows.
cdef struct Slots:
    Slot *slot
    int32_t *index
    int32_t capacity
    int32_t count
    int32_t top             # slots from here on were never used
    int32_t free
    int32_t first
    uint32_t mask


# As in _ties_py.py.
@cython.overflowcheck(False)
cdef inline uint64_t hash_text(const char *name, Py_ssize_t length) noexcept nogil:
    cdef uint64_t word, mixed = <uint64_t>length * 0x9E3779B97F4A7C15ULL
    while length >= 8:
        memcpy(&word, name, 8)
        mixed = (mixed ^ word) * 0xBF58476D1CE4E5B9ULL
        mixed ^= mixed >> 29
        name += 8
        length -= 8
    word = 0
    memcpy(&word, name, length)
    mixed = (mixed ^ word) * 0x94D049BB133111EBULL
    return mixed ^ (mixed >> 32)


cdef inline uint32_t hash_name(const char *name, Py_ssize_t length) noexcept nogil:
    return <uint32_t>hash_text(name, length)


# As in _ties_py.py: where a node (its hash) stands among equal ones, for a pod (the hash of its UID, 0 without one).
@cython.overflowcheck(False)
cdef inline uint32_t tie_of(uint64_t seed, uint32_t name) noexcept nogil:
    cdef uint64_t mixed
    if not seed:
        return 0
    mixed = (seed ^ name) * 0xBF58476D1CE4E5B9ULL
    mixed = (mixed ^ mixed >> 32) * 0x94D049BB133111EBULL
    return <uint32_t>(mixed >> 32)


# A slot in use; its name is not terminated.
cdef inline const char *name_of(const Slot *slot) noexcept nogil:
    if slot.length <= SHORT:
        return slot.short_name
    return slot.row.name


cdef inline int32_t find(const Slots *slots, const char *name, Py_ssize_t length) noexcept nogil:
    cdef uint32_t hashed, place
    cdef const Slot *slot
    if not slots.count:
        return NOWHERE
    hashed = hash_name(name, length)
    place = hashed & slots.mask
    while slots.index[place]:
        slot = &slots.slot[slots.index[place] - 1]
        if slot.hash == hashed and slot.length == length and not memcmp(name_of(slot), name, length):
            return slots.index[place] - 1
        place = (place + 1) & slots.mask
    return NOWHERE


cdef inline void enter(Slots *slots, int32_t number) noexcept nogil:
    cdef uint32_t place = slots.slot[number].hash & slots.mask
    while slots.index[place]:
        place = (place + 1) & slots.mask
    slots.index[place] = number + 1


# Makes room for one more row.
cdef inline int reserve(Slots *slots) except -1:
    cdef int32_t capacity, number
    cdef void *larger
    if slots.count < slots.capacity:
        return 0
    capacity = max(64, 2 * slots.capacity)
    larger = PyMem_Realloc(slots.slot, capacity * sizeof(Slot))
    if larger == NULL:
        raise MemoryError
    slots.slot = <Slot *>larger
    memset(slots.slot + slots.capacity, 0, (capacity - slots.capacity) * sizeof(Slot))
    larger = PyMem_Calloc(2 * capacity, sizeof(int32_t))
    if larger == NULL:
        raise MemoryError
    PyMem_Free(slots.index)
    slots.index = <int32_t *>larger
    slots.mask = 2 * capacity - 1
    for number in range(slots.capacity):
        enter(slots, number)
    for number in range(slots.capacity, capacity):
        slots.slot[number].next = number + 1 if number + 1 < capacity else NOWHERE
    slots.free = slots.capacity
    slots.capacity = capacity
    return 0


cdef inline bint is_plain(const char *name, Py_ssize_t length) noexcept nogil:
    cdef Py_ssize_t at
    cdef uint8_t byte
    for at in range(length):
        byte = <uint8_t>name[at]
        if byte < 0x20 or byte > 0x7E or byte == 0x22 or byte == 0x5C:
            return False
    return True


# A slot for a row whose name has none; reserve() was called.
cdef inline int32_t insert(Slots *slots, Row *row) noexcept nogil:
    cdef int32_t number = slots.free
    cdef Slot *slot = &slots.slot[number]
    slots.free = slot.next
    slots.top = max(slots.top, number + 1)
    slot.row = row
    slot.length = row.name_length
    memcpy(slot.short_name, row.name, min(row.name_length, SHORT))
    slot.hash = hash_name(row.name, row.name_length)
    slot.plain = is_plain(row.name, row.name_length)
    slot.next = NOWHERE
    slot.confirmed = 0
    slot.seen = 0
    slots.count += 1
    enter(slots, number)
    return number


# Frees a slot; entries behind it move up so that no search stops short.
cdef inline void remove(Slots *slots, int32_t number) noexcept nogil:
    cdef uint32_t hole = slots.slot[number].hash & slots.mask, place, ideal
    while slots.index[hole] != number + 1:
        hole = (hole + 1) & slots.mask
    place = hole
    while True:
        place = (place + 1) & slots.mask
        if not slots.index[place]:
            break
        ideal = slots.slot[slots.index[place] - 1].hash & slots.mask
        if distance(ideal, place, slots.mask) >= distance(hole, place, slots.mask):
            slots.index[hole] = slots.index[place]
            hole = place
    slots.index[hole] = 0
    slots.slot[number].row = NULL
    slots.slot[number].next = slots.free
    slots.free = number
    slots.count -= 1


@cython.overflowcheck(False)
cdef inline uint32_t distance(uint32_t origin, uint32_t place, uint32_t mask) noexcept nogil:
    return (place - origin) & mask
