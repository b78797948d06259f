# Device Manager on counts; the rules are told in _devices_py.py.

from libc.stdint cimport int32_t, int64_t, uint32_t

from _fastfit._types cimport Books, ZONES, lowest


cdef inline uint32_t hosts_of(const Books *books, int32_t name) noexcept nogil:
    cdef uint32_t hosts = 0
    cdef int32_t zone
    for zone in range(books.row.zones):
        if books.device_total[name][zone]:
            hosts |= <uint32_t>1 << zone
    return hosts


# Fewest zones whose devices, those in use included, are enough; all hosts where even those are not.
cdef inline int32_t device_width(const Books *books, int32_t name, int32_t count) noexcept nogil:
    cdef int32_t sorted_[ZONES]
    cdef int32_t zone, place, total, hosts = 0, width
    cdef int64_t together = 0
    for zone in range(books.row.zones):
        total = books.device_total[name][zone]
        if not total:
            continue
        place = hosts
        while place and sorted_[place - 1] < total:
            sorted_[place] = sorted_[place - 1]
            place -= 1
        sorted_[place] = total
        hosts += 1
    for width in range(hosts):
        together += sorted_[width]
        if together >= count:
            return width + 1
    return hosts


cdef inline bint device_offers(const Books *books, int32_t name, int32_t count, uint32_t mask) noexcept nogil:
    cdef int32_t zone
    cdef int64_t available = 0
    for zone in range(books.row.zones):
        if mask >> zone & 1:
            if not books.device_total[name][zone]:
                return False
            available += books.device_free[name][zone] + books.device_reuse[name][zone]
        elif books.device_reuse[name][zone]:
            return False
    return available >= count


cdef inline int32_t give(
    int32_t *source, int32_t *taken, int32_t zones, uint32_t mask, int32_t count
) noexcept nogil:
    cdef int32_t zone, got
    for zone in range(zones):
        if mask >> zone & 1:
            got = min(source[zone], count)
            source[zone] -= got
            taken[zone] += got
            count -= got
    return count


# Takes devices, those of the mask first (0: no mask); False where there are too few.
cdef inline bint device_allocate(
    Books *books, int32_t name, int32_t count, uint32_t mask, bint regular_init
) noexcept nogil:
    cdef int32_t taken[ZONES]
    cdef int32_t zone, zones = books.row.zones
    cdef int64_t available = 0
    cdef uint32_t everywhere = (<uint32_t>1 << zones) - 1
    for zone in range(zones):
        taken[zone] = 0
        available += books.device_free[name][zone] + books.device_reuse[name][zone]
    if available < count:
        return False
    count = give(books.device_reuse[name], taken, zones, everywhere, count)
    if mask:
        count = give(books.device_free[name], taken, zones, mask, count)
    give(books.device_free[name], taken, zones, everywhere, count)
    if regular_init:
        for zone in range(zones):
            books.device_reuse[name][zone] += taken[zone]
    return True
