# Topology Manager on counts: merge and decision. Rules and sources: _hints_py.py.
#
# There are no lists here. A preferred mask is searched among the masks of the one width that every provider prefers,
# narrow ones first, and each provider is asked about the mask. Only best-effort needs masks that are not preferred.

from libc.stdint cimport int32_t, int64_t, uint32_t

from _fastfit._constants cimport MAX_RESOURCES, POLICY_SINGLE_NUMA_NODE
from _fastfit._cpus cimport cpu_offers, cpu_prefers, cpu_width, pool_of
from _fastfit._devices cimport device_offers, device_width
from _fastfit._memory cimport first_offer, memory_offers
from _fastfit._types cimport Accounting, Part, Row, lowest, next_mask, popcount


# What the providers offer for one request.
cdef struct Offer:
    bint cpu
    bint memory             # False also where no mask is possible: Memory Manager then gives a don't-care hint
    bint impossible         # some list is empty
    int32_t devices
    int32_t item[MAX_RESOURCES]
    uint32_t held
    int32_t cpu_width
    int32_t memory_width
    int32_t memory_first    # width of the narrowest mask offered
    int32_t device_width[MAX_RESOURCES]


cdef inline void survey(const Accounting *acct, const Part *part, uint32_t held, Offer *offer) noexcept nogil:
    cdef const Row *row = acct.row
    cdef int32_t item, name, zone
    cdef int64_t available
    cdef uint32_t first
    offer.impossible = False
    offer.held = held
    offer.devices = 0
    for item in range(part.devices):
        name = part.device_name[item]
        if acct.has_device[name] and part.device[item]:
            offer.item[offer.devices] = item
            offer.device_width[offer.devices] = device_width(acct, name, part.device[item])
            offer.devices += 1
            available = 0
            for zone in range(row.zones):
                available += acct.device_free[name][zone] + acct.device_reuse[name][zone]
            if available < part.device[item]:
                offer.impossible = True
    offer.cpu = row.cpu_static and part.cpus > 0
    if offer.cpu:
        offer.cpu_width = cpu_width(row, part.cpus)
        if pool_of(acct, row.zones_with_cpus) < part.cpus:
            offer.impossible = True
    offer.memory = False
    if row.memory_static and part.memories:
        first = first_offer(acct, part, 0, &offer.memory_width)
        offer.memory = first != 0
        offer.memory_first = popcount(first)


# Whether every provider gives a don't-care hint.
cdef inline bint dont_care(const Offer *offer) noexcept nogil:
    return not offer.cpu and not offer.memory and not offer.devices


cdef inline bint all_prefer(
    const Accounting *acct, const Part *part, const Offer *offer, uint32_t mask
) noexcept nogil:
    cdef int32_t item, bits = popcount(mask)
    if offer.cpu and not (
        cpu_prefers(acct.row, mask, offer.cpu_width) and cpu_offers(acct, mask, part.cpus, offer.held)
    ):
        return False
    for item in range(offer.devices):
        if bits != offer.device_width[item] or not device_offers(
            acct, part.device_name[offer.item[item]], part.device[offer.item[item]], mask
        ):
            return False
    return not offer.memory or (bits == offer.memory_width and memory_offers(acct, part, mask))


# The one width that all providers prefer; 0: several are possible, -1: none is.
cdef inline int32_t common_width(const Row *row, const Offer *offer) noexcept nogil:
    cdef int32_t width = 0, item
    if offer.cpu and not row.align_by_socket:
        width = offer.cpu_width
    if offer.memory:
        if offer.memory_first != offer.memory_width or (width and width != offer.memory_width):
            return -1
        width = offer.memory_width
    for item in range(offer.devices):
        if width and width != offer.device_width[item]:
            return -1
        width = offer.device_width[item]
    return width


cdef inline int64_t distance_over(const Row *row, uint32_t mask) noexcept nogil:
    cdef int64_t total = 0
    cdef uint32_t one = mask, other
    while one:
        other = mask
        while other:
            total += row.distance[lowest(one) * row.zones + lowest(other)]
            other &= other - 1
        one &= one - 1
    return total


# The mask that all prefer and the tie rule picks; 0 if there is none. Not for don't-care hints alone.
cdef inline uint32_t preferred_mask(const Accounting *acct, const Part *part, const Offer *offer) noexcept nogil:
    cdef const Row *row = acct.row
    cdef uint32_t end = <uint32_t>1 << row.zones
    cdef uint32_t mask, best = 0
    cdef int32_t width, bits, top = row.zones
    cdef int64_t far, nearest = 0
    cdef bint closest = row.prefer_closest and row.has_distances and row.policy != POLICY_SINGLE_NUMA_NODE
    if offer.impossible:
        return 0
    width = common_width(row, offer)
    if width < 0:
        return 0
    if row.policy == POLICY_SINGLE_NUMA_NODE:
        if width > 1:
            return 0
        top = width = 1
    for bits in range(width if width else 1, (width if width else top) + 1):
        mask = (<uint32_t>1 << bits) - 1
        while mask < end:
            if all_prefer(acct, part, offer, mask):
                if not closest:
                    return mask
                far = distance_over(row, mask)
                if not best or far < nearest:
                    best, nearest = mask, far
            mask = next_mask(mask)
        if best:
            return best
    return 0


# The first zone that every provider prefers by itself, as a mask; 0 where only the search decides. Enough for most
# pods.
cdef inline uint32_t one_zone(const Accounting *acct, const Part *part, uint32_t held) noexcept nogil:
    cdef const Row *row = acct.row
    cdef bint cpu = row.cpu_static and part.cpus, memory = row.memory_static and part.memories
    cdef int32_t zone, item, name
    if (
        not (cpu or memory)
        or (row.prefer_closest and row.policy != POLICY_SINGLE_NUMA_NODE)
        or acct.reuses
        or (cpu and (not row.zones_with_cpus_count or row.widest[0] < part.cpus))
    ):
        return 0
    for item in range(part.devices):
        if acct.has_device[part.device_name[item]] and part.device[item]:
            return 0
    for zone in range(row.zones):
        if cpu and (acct.pool[zone] < part.cpus or held & ~(<uint32_t>1 << zone)):
            continue
        if memory:
            if acct.group[zone] & (acct.group[zone] - 1):
                continue
            for item in range(part.memories):
                name = part.memory_name[item]
                if acct.free[name][zone] < part.memory[item] or acct.allocatable[name][zone] < part.memory[item]:
                    break
            else:
                return <uint32_t>1 << zone
            continue
        return <uint32_t>1 << zone
    return 0


# --- masks that are not preferred: best-effort only ------------------------------------------------


cdef inline void supersets(int64_t *ways, int32_t zones, int32_t sign) noexcept nogil:
    cdef int32_t bit
    cdef uint32_t mask, end = <uint32_t>1 << zones, step, low
    for bit in range(zones):
        step = <uint32_t>1 << bit
        mask = 0
        while mask < end:
            for low in range(step):
                ways[mask + low] += sign * ways[mask + step + low]
            mask += 2 * step


# Turns the ways to reach a superset of each mask into 1 or 0 per mask: reached or not.
cdef inline void ways_to_reached(int64_t *reached, int32_t zones) noexcept nogil:
    cdef uint32_t mask, end = <uint32_t>1 << zones
    supersets(reached, zones, -1)
    for mask in range(end):
        reached[mask] = reached[mask] > 0


# Merges the `lists`-th list: multiplies the ways to reach a superset by the list's number of supersets. Three factors
# stay inside 64 bits even with 16 zones; before every fourth the ways are reduced to 1 or 0.
cdef inline void fold(int64_t *reached, const int64_t *offered, int32_t zones, int32_t lists) noexcept nogil:
    cdef uint32_t mask, end = <uint32_t>1 << zones
    if lists and lists % 3 == 0:
        ways_to_reached(reached, zones)
        supersets(reached, zones, 1)
    for mask in range(end):
        reached[mask] *= offered[mask]


cdef inline int32_t narrowest(const int64_t *offered, uint32_t end) noexcept nogil:
    cdef uint32_t mask
    cdef int32_t width = 0
    for mask in range(1, end):
        if offered[mask] and (not width or popcount(mask) < width):
            width = popcount(mask)
    return width


# `scratch` has room for two numbers per mask of the row's zones.
cdef inline uint32_t unpreferred_mask(
    const Accounting *acct, const Part *part, const Offer *offer, int64_t *scratch
) noexcept nogil:
    cdef const Row *row = acct.row
    cdef uint32_t end = <uint32_t>1 << row.zones
    cdef int64_t *reached = scratch
    cdef int64_t *offered = scratch + end
    cdef uint32_t mask, best = end - 1
    cdef int32_t item, target = 0, bits, grade, value, best_grade = 3, best_value = 0, lists = 0
    cdef int64_t far, nearest = 0
    cdef bint closest = row.prefer_closest and row.has_distances
    for mask in range(end):
        reached[mask] = 1
    for item in range(offer.devices + offer.cpu):
        for mask in range(end):
            if item < offer.devices:
                offered[mask] = mask and device_offers(
                    acct, part.device_name[offer.item[item]], part.device[offer.item[item]], mask
                )
            else:
                offered[mask] = mask and cpu_offers(acct, mask, part.cpus, offer.held)
        bits = narrowest(offered, end)
        if not bits:
            continue
        target = max(target, bits)
        supersets(offered, row.zones, 1)
        fold(reached, offered, row.zones, lists)
        lists += 1
    if offer.memory:
        target = max(target, offer.memory_first)
        for mask in range(end):
            offered[mask] = mask and memory_offers(acct, part, mask)
        supersets(offered, row.zones, 1)
        for item in range(lists, lists + part.memories):
            fold(reached, offered, row.zones, item)
    ways_to_reached(reached, row.zones)
    for mask in range(1, end):
        if not reached[mask]:
            continue
        bits = popcount(mask)
        grade = 0 if bits == target else 1 if bits < target else 2
        value = 0 if grade == 0 else -bits if grade == 1 else bits
        if grade > best_grade or (grade == best_grade and value > best_value):
            continue
        far = distance_over(row, mask) if closest else 0
        if grade == best_grade and value == best_value and far >= nearest:
            continue
        best, best_grade, best_value, nearest = mask, grade, value, far
    return best
