# Memory Manager `Static` on counts. Rules and sources: _memory_py.py.

from libc.stdint cimport int32_t, int64_t, uint32_t

from _fastfit._constants cimport FITS, MEMORY_GROUP_CONFLICT, ZONE_MEMORY_SHORT
from _fastfit._types cimport Accounting, Part, Row, lowest, next_mask, popcount


cdef inline int64_t sum_over(const int64_t *amounts, uint32_t mask) noexcept nogil:
    cdef int64_t total = 0
    while mask:
        total += amounts[lowest(mask)]
        mask &= mask - 1
    return total


# Whether the zones of `mask` have the huge pages that the pod's blocks there are accounted for, see
# _judge_py._pinned_pages().
cdef inline int pinned_pages(Accounting *acct, const Part *part, uint32_t mask) noexcept nogil:
    cdef const Row *row = acct.row
    cdef uint32_t left = mask
    cdef int32_t item, name, column
    cdef int64_t taken
    while left:
        if not row.zone[lowest(left)].pages_known:
            return FITS
        left &= left - 1
    for item in range(part.memories):
        name = part.memory_name[item]
        column = acct.columns.memory_pages[name]
        if column < 0:
            continue
        taken = -sum_over(acct.free[name], mask)
        if acct.columns.memory[name] >= 0:
            taken += sum_over(row.free + acct.columns.memory[name] * row.zones, mask)
        if taken > sum_over(row.pages_most + column * row.zones, mask):
            return ZONE_MEMORY_SHORT
        if taken > sum_over(row.pages + column * row.zones, mask):
            acct.pages_doubtful = True
    return FITS


cdef inline bint holds(const Accounting *acct, const Part *part, uint32_t mask) noexcept nogil:
    cdef int32_t item
    for item in range(part.memories):
        if sum_over(acct.allocatable[part.memory_name[item]], mask) < part.memory[item]:
            return False
    return True


cdef inline int64_t reusable(const Accounting *acct, uint32_t mask, int32_t name) noexcept nogil:
    cdef int32_t item
    for item in range(acct.reuses):
        if acct.reuse[item].mask == mask and acct.reuse[item].name == name:
            return acct.reuse[item].bytes
    return 0


cdef inline void set_reusable(Accounting *acct, uint32_t mask, int32_t name, int64_t amount) noexcept nogil:
    cdef int32_t item
    for item in range(acct.reuses):
        if acct.reuse[item].mask == mask and acct.reuse[item].name == name:
            acct.reuse[item].bytes = amount
            return
    acct.reuse[acct.reuses].mask = mask
    acct.reuse[acct.reuses].name = name
    acct.reuse[acct.reuses].bytes = amount
    acct.reuses += 1


cdef inline bint group_allows(const Accounting *acct, uint32_t mask) noexcept nogil:
    cdef uint32_t left = mask
    cdef int32_t zone
    if popcount(mask) == 1:
        return popcount(acct.group[lowest(mask)]) == 1
    while left:
        zone = lowest(left)
        left &= left - 1
        if acct.blocks[zone] and acct.group[zone] != mask:
            return False
    return True


cdef inline bint memory_free(const Accounting *acct, const Part *part, uint32_t mask, bint with_reuse) noexcept nogil:
    cdef int32_t item
    cdef int64_t free
    for item in range(part.memories):
        free = sum_over(acct.free[part.memory_name[item]], mask)
        if with_reuse and acct.reuses:
            free += reusable(acct, mask, part.memory_name[item])
        if free < part.memory[item]:
            return False
    return True


cdef inline bint memory_offers(const Accounting *acct, const Part *part, uint32_t mask) noexcept nogil:
    return holds(acct, part, mask) and group_allows(acct, mask) and memory_free(acct, part, mask, True)


# Whether even all zones together have too little; then no mask is offered. What is free is not compared where init
# containers left memory.
cdef inline bint exceeds_all_zones(const Accounting *acct, const Part *part, uint32_t everything) noexcept nogil:
    return not holds(acct, part, everything) or (
        not acct.reuses and not memory_free(acct, part, everything, False)
    )


# The narrowest and smallest mask offered that includes `within`; 0 if there is none. It is preferred if its width
# equals `width`, the narrowest that holds the request on an empty node.
#
# Several zones are offered only if none of them has a block, or if they are a group already. So of the wider masks only
# subsets of the zones without blocks are visited, and each group.
cdef inline uint32_t first_offer(
    const Accounting *acct, const Part *part, uint32_t within, int32_t *width
) noexcept nogil:
    cdef int32_t zones = acct.row.zones, zone, bits
    cdef uint32_t everything = (<uint32_t>1 << zones) - 1
    cdef uint32_t mask, found, unused = 0
    width[0] = zones
    for zone in range(zones):
        mask = <uint32_t>1 << zone
        if holds(acct, part, mask):
            width[0] = 1
            if not within & ~mask and group_allows(acct, mask) and memory_free(acct, part, mask, True):
                return mask
        if not acct.blocks[zone]:
            unused |= mask
    if exceeds_all_zones(acct, part, everything):
        return 0
    for bits in range(2, zones + 1):
        if bits < width[0] and some_hold(acct, part, bits):
            width[0] = bits
        found = 0
        if bits <= popcount(unused):
            found = first_unused(acct, part, within, unused, bits)
        for zone in range(zones):
            mask = acct.group[zone]
            if (
                acct.blocks[zone]
                and popcount(mask) == bits
                and (not found or mask < found)
                and not within & ~mask
                and memory_offers(acct, part, mask)
            ):
                found = mask
        if found:
            return found
    return 0


# Whether some mask of this width holds the request on an empty node.
cdef inline bint some_hold(const Accounting *acct, const Part *part, int32_t bits) noexcept nogil:
    cdef uint32_t end = <uint32_t>1 << acct.row.zones
    cdef uint32_t mask = (<uint32_t>1 << bits) - 1
    while mask < end:
        if holds(acct, part, mask):
            return True
        mask = next_mask(mask)
    return False


# The smallest mask of this width among zones without blocks that includes `within` and has enough free; 0 if there is
# none.
cdef inline uint32_t first_unused(
    const Accounting *acct, const Part *part, uint32_t within, uint32_t unused, int32_t bits
) noexcept nogil:
    cdef uint32_t end = <uint32_t>1 << popcount(unused)
    cdef uint32_t place = (<uint32_t>1 << bits) - 1
    cdef uint32_t mask
    if within & ~unused:
        return 0
    while place < end:
        mask = spread_over(place, unused)
        if not within & ~mask and holds(acct, part, mask) and memory_free(acct, part, mask, True):
            return mask
        place = next_mask(place)
    return 0


# Moves the low bits of `place` to the set bits of `mask`, in order (a bit deposit).
cdef inline uint32_t spread_over(uint32_t place, uint32_t mask) noexcept nogil:
    cdef uint32_t spread = 0
    while place:
        if place & 1:
            spread |= mask & (~mask + 1)
        mask &= mask - 1
        place >>= 1
    return spread


# Pins the request; `mask` 0: Topology Manager gave none. Fills `pinned` with the mask used.
cdef inline int memory_allocate(
    Accounting *acct, const Part *part, uint32_t mask, bint preferred, bint regular_init, uint32_t *pinned
) noexcept nogil:
    cdef int32_t width, item
    cdef int64_t left, amount, reused
    cdef bint offered = not mask and not acct.reuses  # then it is known to be free
    if not mask:
        mask = first_offer(acct, part, 0, &width)
        if not mask or (preferred and popcount(mask) != width):
            return ZONE_MEMORY_SHORT
        preferred = popcount(mask) == width
    if not offered and not memory_free(acct, part, mask, False):
        mask = first_offer(acct, part, mask, &width)
        if not mask or (preferred and popcount(mask) != width):
            return ZONE_MEMORY_SHORT
    if popcount(mask) > 1 and not group_allows(acct, mask):
        return MEMORY_GROUP_CONFLICT
    pinned[0] = mask
    for item in range(part.memories):
        amount = part.memory[item]
        left = reusable(acct, mask, part.memory_name[item]) if acct.reuses else 0
        if regular_init or left:
            reused = max(left, amount) if regular_init else max(<int64_t>0, left - amount)
            set_reusable(acct, mask, part.memory_name[item], reused)
        assign(acct, mask, part.memory_name[item], max(<int64_t>0, amount - left))
    return FITS


cdef inline void assign(Accounting *acct, uint32_t mask, int32_t name, int64_t amount) noexcept nogil:
    cdef uint32_t left = mask
    cdef int32_t zone
    cdef int64_t part
    while left:
        zone = lowest(left)
        left &= left - 1
        acct.blocks[zone] += 1
        acct.group[zone] = mask
        part = min(acct.free[name][zone], amount)
        acct.free[name][zone] -= part
        amount -= part
