# The key of an unknown node. Rules: _possible_py.py.

from libc.stdint cimport int32_t, int64_t, uint32_t

from _fastfit._constants cimport CELLS_AT, CELLS_TOP, MAX_ZONES, UNTOLD
from _fastfit._types cimport Ask, Columns, Row


# How many of the largest amounts add up to the need; 0 where all together do not, or nothing is needed.
cdef inline int32_t fewest(const int64_t *amounts, int32_t zones, int64_t need) noexcept nogil:
    cdef uint32_t seen = 0
    cdef int32_t zone, widest, count = 0
    while need > 0:
        widest = -1
        for zone in range(zones):
            if not seen >> zone & 1 and (widest < 0 or amounts[zone] > amounts[widest]):
                widest = zone
        if widest < 0:
            return 0
        seen |= <uint32_t>1 << widest
        need -= amounts[widest]
        count += 1
    return count


cdef inline int64_t possible_key(const Row *row, const Ask *ask, const Columns *columns) noexcept nogil:
    cdef int64_t cpus[MAX_ZONES]
    cdef int64_t pages[MAX_ZONES]
    cdef int64_t main = 0, need
    cdef int32_t zone, cells, by_cpus, by_pages
    if ask.code:
        return 0
    if not row.zones:
        return UNTOLD
    if ask.parts:
        main = ask.part[ask.main].cpus
    need = ask.guest_bytes if ask.has_cells else ask.rank_need
    if columns.rank_pages < 0:
        need = 0
    for zone in range(row.zones):
        cpus[zone] = row.zone[zone].free
        pages[zone] = row.pages_most[columns.rank_pages * row.zones + zone] if columns.rank_pages >= 0 else 0
        if not row.zone[zone].pages_known:
            need = 0
    cells = 0
    for zone in range(row.zones):
        if cpus[zone] >= main and pages[zone] >= need:
            cells = 1
            break
    if not cells:
        by_cpus, by_pages = fewest(cpus, row.zones, main), fewest(pages, row.zones, need)
        if (main > 0 and not by_cpus) or (need > 0 and not by_pages):
            return 0
        cells = max(2, by_cpus, by_pages)
    return <int64_t>(CELLS_TOP - min(cells, CELLS_TOP - 2)) << CELLS_AT
