# Guest cells from the CPUs of the compute container, and their part of the key. Rules and sources: _cells_py.py.

cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t

from _fastfit._constants cimport (
    CORE_SPLIT, DEVICE_OUTSIDE_CELLS, FITS, GUEST_MEMORY_PAGES, LAYOUT_EVEN, LAYOUT_REPEATED, LAYOUT_UNEVEN,
    LOCALITY_TOP, MAX_ZONES, MORE_ZONES_THAN_CELLS, NOT_SYMMETRIC, PAGES_NOT_REPORTED, SPLIT_FACTOR, ZONE_PAGES_SHORT,
)
from _fastfit._devices cimport strict_code
from _fastfit._types cimport Accounting, Ask, Detail, Row


# Guest cores per zone: on whole host cores of every zone, then on threads left over. Returns the number of zones they
# are in, 0 where not all of them fit.
cdef inline int32_t pin(
    const Row *row, const int64_t *whole, const int64_t *fitting, int64_t need, int64_t *placed
) noexcept nogil:
    cdef int32_t zone, touched = 0
    cdef int64_t got
    for zone in range(row.zones):
        placed[zone] = min(need, whole[zone])
        need -= placed[zone]
        touched += placed[zone] > 0
    for zone in range(row.zones if need else 0):
        got = min(need, fitting[zone] - whole[zone])
        touched += got > 0 and not placed[zone]
        placed[zone] += got
        need -= got
    return 0 if need else touched


# See _cells_py.locality; `vcpus` by touched zone, in order.
cdef inline int64_t locality(const Ask *ask, const int64_t *vcpus, int32_t zones) noexcept nogil:
    cdef int64_t total = 0, near = 0, at = 0, end, first
    cdef int32_t place, owner
    for place in range(zones):
        end = at + vcpus[place]
        first = 0
        for owner in range(ask.boots):
            if owner == place or owner >= zones:
                near += max(<int64_t>0, min(end, first + ask.boot_vcpus[owner]) - max(at, first)) * (
                    zones if owner == place else 1
                )
            first += ask.boot_vcpus[owner]
        if place == 0:
            near += max(<int64_t>0, end - max(at, first)) * zones
        at = end
    total = at * zones
    if zones == ask.boots and near == total:
        return LOCALITY_TOP
    return near * (LOCALITY_TOP - 1) // total


# See _cells_py.layout_of and split_of. A boot's locality goes to `near`.
@cython.overflowcheck(False)
cdef inline int64_t layout_of(
    const Ask *ask, const int64_t *vcpus, int32_t cells, int64_t *near, uint32_t *split
) noexcept nogil:
    cdef bint even = True, same = ask.boots == cells
    cdef int32_t cell
    for cell in range(cells):
        even = even and vcpus[cell] == vcpus[0]
        same = same and vcpus[cell] == ask.boot_vcpus[cell]
        split[0] = split[0] * <uint32_t>SPLIT_FACTOR + <uint32_t>vcpus[cell]
    if same and even:
        near[0] = LOCALITY_TOP
    return LAYOUT_REPEATED if same else LAYOUT_EVEN if even else LAYOUT_UNEVEN


# Guest cells of the compute container's CPUs, and whether their zones hold the pages. Fills the mask of the cells'
# zones.
cdef inline int cells_of(
    const Accounting *acct, uint32_t *mask, int64_t *near, int64_t *layout, uint32_t *split, Detail *detail
) noexcept nogil:
    cdef const Row *row = acct.row
    cdef const Ask *ask = acct.ask
    cdef int64_t whole[MAX_ZONES]
    cdef int64_t fitting[MAX_ZONES]
    cdef int64_t placed[MAX_ZONES]
    cdef int64_t vcpus[MAX_ZONES]
    cdef int64_t more, base, share, free, most, left, most_left
    cdef int32_t zone, cells = 0, cell
    cdef int strict
    cdef bint reported = True, certain = True
    mask[0] = 0
    near[0] = layout[0] = 0
    for zone in range(row.zones):
        fitting[zone] = acct.main_cpus[zone]
        if ask.cell_threads > 1 and fitting[zone]:
            fitting[zone] //= ask.cell_threads
        whole[zone] = fitting[zone]
        if ask.cell_threads > 1:
            if ask.cell_threads == row.threads:
                whole[zone] = min(<int64_t>acct.main_cores[zone], fitting[zone])
            elif ask.cell_threads > row.threads:
                whole[zone] = 0
    cells = pin(row, whole, fitting, ask.cell_cores, placed)
    if not cells:
        return CORE_SPLIT
    if ask.guest_pages < cells or ask.partial_page_bytes:
        return GUEST_MEMORY_PAGES
    if ask.moving_cores and ask.moving_cores < ask.cell_cores:
        pin(row, whole, fitting, ask.moving_cores, placed)
    cells = 0
    for zone in range(row.zones):
        if placed[zone]:
            mask[0] |= <uint32_t>1 << zone
            vcpus[cells] = placed[zone] * ask.cell_threads
            cells += 1
    if not ask.moving_cores:
        layout[0] = layout_of(ask, vcpus, cells, near, split)
    elif ask.boots:
        if cells > ask.boots:
            return MORE_ZONES_THAN_CELLS
        near[0] = locality(ask, vcpus, cells)
        if ask.symmetric_only and near[0] < LOCALITY_TOP:
            return NOT_SYMMETRIC
    strict = strict_code(acct, mask[0]) if ask.strict else FITS
    if strict == DEVICE_OUTSIDE_CELLS:
        return strict
    base = ask.guest_pages if cells == 1 else ask.guest_pages // cells
    more = ask.guest_pages - base * cells
    left = most_left = ask.guest_bytes if ask.moving_cores else 0
    cell = 0
    for zone in range(row.zones):
        if not placed[zone]:
            continue
        share = (base + (cell < more)) * ask.page_bytes
        if ask.moving_cores:
            share = ask.boot_bytes[cell] if ask.boots else 0
        if detail != NULL:
            detail.cell[cell].zone = zone
            detail.cell[cell].vcpus = vcpus[cell]
            detail.cell[cell].bytes = share
            detail.cells = cell + 1
        cell += 1
        # Where not even Memory Manager is known, a size that no zone lists is not known.
        if not row.zone[zone].pages_known or (row.memory_open and acct.columns.cell_pages < 0):
            reported = False
            continue
        free = most = 0
        if acct.columns.cell_pages >= 0:
            free = row.pages[acct.columns.cell_pages * row.zones + zone]
            most = row.pages_most[acct.columns.cell_pages * row.zones + zone]
        if most < share:
            return ZONE_PAGES_SHORT
        certain = certain and free >= share
        left -= free
        most_left -= most
    if reported and most_left > 0:
        return ZONE_PAGES_SHORT
    return strict if reported and certain and left <= 0 else PAGES_NOT_REPORTED
