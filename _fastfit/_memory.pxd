# Memory Manager `Static` on counts; the rules are told in _memory_py.py.

from libc.stdint cimport int32_t, int64_t, uint32_t

from _fastfit._types cimport (
    Books, FITS, MEMORY_GROUP_CONFLICT, Part, ZONE_MEMORY_SHORT, lowest, next_mask, popcount,
)


cdef inline int64_t sum_over(const int64_t *amounts, uint32_t mask) noexcept nogil:
    cdef int64_t total = 0
    while mask:
        total += amounts[lowest(mask)]
        mask &= mask - 1
    return total


cdef inline bint holds(const Books *books, const Part *part, uint32_t mask) noexcept nogil:
    cdef int32_t item
    for item in range(part.memories):
        if sum_over(books.allocatable[part.memory_name[item]], mask) < part.memory[item]:
            return False
    return True


cdef inline int64_t reusable(const Books *books, uint32_t mask, int32_t name) noexcept nogil:
    cdef int32_t item
    for item in range(books.reuses):
        if books.reuse[item].mask == mask and books.reuse[item].name == name:
            return books.reuse[item].bytes
    return 0


cdef inline void set_reusable(Books *books, uint32_t mask, int32_t name, int64_t amount) noexcept nogil:
    cdef int32_t item
    for item in range(books.reuses):
        if books.reuse[item].mask == mask and books.reuse[item].name == name:
            books.reuse[item].bytes = amount
            return
    books.reuse[books.reuses].mask = mask
    books.reuse[books.reuses].name = name
    books.reuse[books.reuses].bytes = amount
    books.reuses += 1


cdef inline bint group_allows(const Books *books, uint32_t mask) noexcept nogil:
    cdef uint32_t left = mask
    cdef int32_t zone
    if popcount(mask) == 1:
        return popcount(books.group[lowest(mask)]) == 1
    while left:
        zone = lowest(left)
        left &= left - 1
        if books.blocks[zone] and books.group[zone] != mask:
            return False
    return True


cdef inline bint memory_free(const Books *books, const Part *part, uint32_t mask, bint with_reuse) noexcept nogil:
    cdef int32_t item
    cdef int64_t free
    for item in range(part.memories):
        free = sum_over(books.free[part.memory_name[item]], mask)
        if with_reuse and books.reuses:
            free += reusable(books, mask, part.memory_name[item])
        if free < part.memory[item]:
            return False
    return True


cdef inline bint memory_offers(const Books *books, const Part *part, uint32_t mask) noexcept nogil:
    return holds(books, part, mask) and group_allows(books, mask) and memory_free(books, part, mask, True)


# Whether even the widest mask lacks something; then no mask is offered. Not asked where init containers left memory.
cdef inline bint hopeless(const Books *books, const Part *part, uint32_t everything) noexcept nogil:
    return not holds(books, part, everything) or (
        not books.reuses and not memory_free(books, part, everything, False)
    )


# The first mask offered that includes `within`, the narrowest and smallest one; 0 if there is none. Its width is the
# preferred one iff it equals `width`: the narrowest that holds the request on an empty node.
#
# Several zones can only go together if none of them has a block, or if they are a group already: so of the wider
# masks only subsets of the zones without blocks are walked, and each group.
cdef inline uint32_t first_offer(
    const Books *books, const Part *part, uint32_t within, int32_t *width
) noexcept nogil:
    cdef int32_t zones = books.row.zones, zone, bits
    cdef uint32_t everything = (<uint32_t>1 << zones) - 1
    cdef uint32_t mask, found, idle = 0
    width[0] = zones
    for zone in range(zones):
        mask = <uint32_t>1 << zone
        if holds(books, part, mask):
            width[0] = 1
            if not within & ~mask and group_allows(books, mask) and memory_free(books, part, mask, True):
                return mask
        if not books.blocks[zone]:
            idle |= mask
    if hopeless(books, part, everything):
        return 0
    for bits in range(2, zones + 1):
        if bits < width[0] and some_hold(books, part, bits):
            width[0] = bits
        found = 0
        if bits <= popcount(idle):
            found = first_idle(books, part, within, idle, bits)
        for zone in range(zones):
            mask = books.group[zone]
            if (
                books.blocks[zone]
                and popcount(mask) == bits
                and (not found or mask < found)
                and not within & ~mask
                and memory_offers(books, part, mask)
            ):
                found = mask
        if found:
            return found
    return 0


# Whether some mask of this width holds the request on an empty node.
cdef inline bint some_hold(const Books *books, const Part *part, int32_t bits) noexcept nogil:
    cdef uint32_t end = <uint32_t>1 << books.row.zones
    cdef uint32_t mask = (<uint32_t>1 << bits) - 1
    while mask < end:
        if holds(books, part, mask):
            return True
        mask = next_mask(mask)
    return False


# The smallest mask of this width among zones without blocks that includes `within` and has enough free; 0: none.
cdef inline uint32_t first_idle(
    const Books *books, const Part *part, uint32_t within, uint32_t idle, int32_t bits
) noexcept nogil:
    cdef uint32_t end = <uint32_t>1 << popcount(idle)
    cdef uint32_t place = (<uint32_t>1 << bits) - 1
    cdef uint32_t mask
    if within & ~idle:
        return 0
    while place < end:
        mask = spread_over(place, idle)
        if not within & ~mask and holds(books, part, mask) and memory_free(books, part, mask, True):
            return mask
        place = next_mask(place)
    return 0


# Lays the low bits of `place` on the set bits of `mask`, in order.
cdef inline uint32_t spread_over(uint32_t place, uint32_t mask) noexcept nogil:
    cdef uint32_t spread = 0
    while place:
        if place & 1:
            spread |= mask & (~mask + 1)
        mask &= mask - 1
        place >>= 1
    return spread


# Pins the request; `mask` 0: Topology Manager named none. The mask used is left in `pinned`.
cdef inline int memory_allocate(
    Books *books, const Part *part, uint32_t mask, bint preferred, bint regular_init, uint32_t *pinned
) noexcept nogil:
    cdef int32_t width, item
    cdef int64_t left, amount, reused
    cdef bint offered = not mask and not books.reuses  # then it is known to be free
    if not mask:
        mask = first_offer(books, part, 0, &width)
        if not mask or (preferred and popcount(mask) != width):
            return ZONE_MEMORY_SHORT
        preferred = popcount(mask) == width
    if not offered and not memory_free(books, part, mask, False):
        mask = first_offer(books, part, mask, &width)
        if not mask or (preferred and popcount(mask) != width):
            return ZONE_MEMORY_SHORT
    if popcount(mask) > 1 and not group_allows(books, mask):
        return MEMORY_GROUP_CONFLICT
    pinned[0] = mask
    for item in range(part.memories):
        amount = part.memory[item]
        left = reusable(books, mask, part.memory_name[item]) if books.reuses else 0
        if regular_init or left:
            reused = max(left, amount) if regular_init else max(<int64_t>0, left - amount)
            set_reusable(books, mask, part.memory_name[item], reused)
        assign(books, mask, part.memory_name[item], max(<int64_t>0, amount - left))
    return FITS


cdef inline void assign(Books *books, uint32_t mask, int32_t name, int64_t amount) noexcept nogil:
    cdef uint32_t left = mask
    cdef int32_t zone
    cdef int64_t part
    while left:
        zone = lowest(left)
        left &= left - 1
        books.blocks[zone] += 1
        books.group[zone] = mask
        part = min(books.free[name][zone], amount)
        books.free[name][zone] -= part
        amount -= part
