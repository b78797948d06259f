# The rank of a row that fits, and what it is made of. Rules: _key_py.py and _judge_py.py.

from libc.stdint cimport int32_t, int64_t, uint32_t

from _fastfit._constants cimport (
    CELLS_AT, CELLS_TOP, CPUS_AT, CPUS_TOP, DEVICES_AT, DISTANCE_AT, DISTANCE_TOP, LAYOUT_AT, LOCALITY_AT,
    PAGES_TOP,
)
from _fastfit._memory cimport sum_over
from _fastfit._types cimport Accounting, Ask, Columns, Row, lowest


cdef inline int64_t widest(const Row *row, uint32_t mask) noexcept nogil:
    cdef int64_t far = 0
    cdef uint32_t one = mask, other
    if not mask & (mask - 1):
        return 0
    if not row.has_distances:
        return DISTANCE_TOP
    while one:
        other = mask & ~(one & (~one + 1))
        while other:
            far = max(far, <int64_t>row.distance[lowest(one) * row.zones + lowest(other)])
            other &= other - 1
        one &= one - 1
    return far


cdef inline int64_t pages_left(const Accounting *acct, uint32_t mask) noexcept nogil:
    cdef const Row *row = acct.row
    cdef int64_t left = -acct.ask.guest_bytes
    if row.memory_static:
        left = sum_over(acct.free[acct.ask.rank_memory], mask)
    elif acct.columns.rank_pages >= 0:
        left += sum_over(row.pages + acct.columns.rank_pages * row.zones, mask)
    left = max(left, <int64_t>0)
    return left >> acct.ask.rank_shift if acct.ask.rank_shift >= 0 else left // acct.ask.rank_unit


# Zones of the main container's memory, see the plain kernel; `mask`: those of its CPUs.
cdef inline uint32_t memory_zones(const Accounting *acct, uint32_t mask) noexcept nogil:
    cdef const Row *row = acct.row
    cdef const int64_t *pages
    cdef int64_t short
    cdef int32_t zone, widest
    cdef uint32_t given = 0
    if row.memory_static:
        return acct.main_memory
    if acct.ask.has_cells or not mask or acct.columns.rank_pages < 0:
        return 0
    pages = row.pages + acct.columns.rank_pages * row.zones
    short = acct.ask.rank_need - sum_over(pages, mask)
    if short <= 0:
        return 0
    for zone in range(row.zones):
        if not row.zone[zone].pages_known:
            return 0
    while short > 0:
        widest = -1
        for zone in range(row.zones):
            if not (mask | given) >> zone & 1 and pages[zone] and (widest < 0 or pages[zone] > pages[widest]):
                widest = zone
        if widest < 0:
            break
        given |= <uint32_t>1 << widest
        short -= pages[widest]
    return given


# Whether no device is free on the node for which the pod does not ask.
cdef inline bint spares_devices(const Row *row, const Ask *ask, const Columns *columns) noexcept nogil:
    cdef int32_t item, zone, column, asked = 0
    if not row.devices_free:
        return True
    for item in range(ask.pod.devices):
        column = columns.device[ask.pod.device_name[item]]
        if not ask.pod.device[item] or column < 0:
            continue
        for zone in range(row.zones):
            if row.device_free[column * row.zones + zone]:
                asked += 1
                break
    return asked == row.devices_free


cdef inline int64_t rank_key(
    int64_t near, int64_t cells, int64_t layout, int64_t far, bint spares_devices, int64_t cpus, int64_t pages
) noexcept nogil:
    return (
        near << LOCALITY_AT
        | CELLS_TOP - min(cells, <int64_t>CELLS_TOP) << CELLS_AT
        | layout << LAYOUT_AT
        | DISTANCE_TOP - min(far, <int64_t>DISTANCE_TOP) << DISTANCE_AT
        | <int64_t>spares_devices << DEVICES_AT
        | CPUS_TOP - min(cpus, <int64_t>CPUS_TOP) << CPUS_AT
        | PAGES_TOP - min(pages, <int64_t>PAGES_TOP)
    )
