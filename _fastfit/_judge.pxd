# The verdict of one row for one ask; the rules are told in _judge_py.py, _cells_py.py and _key_py.py.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from _fastfit._cells cimport cells_of
from _fastfit._cpus cimport cpu_allocate, cpu_offers, cpu_prefers, held_zones, pool_of, take_here
from _fastfit._devices cimport device_allocate, device_offers, device_zones
from _fastfit._hints cimport Offer, nobody_cares, one_zone, preferred_mask, survey, unpreferred_mask
from _fastfit._memory cimport memory_allocate, sum_over
from _fastfit._types cimport (
    Answer, Ask, BEST_EFFORT, Books, CPU_MANAGER_NOT_STATIC, Columns, DEVICE_ZONE_SHORT, Detail, FIRST_REFUSED, FITS,
    INIT, INIT_CONTAINER_CPUS, MEMORY_GROUP_CONFLICT, NEVER_FITS_ZONE, NODE_CPU_SHORT, NONE, NO_PAGES_OF_SIZE,
    OPTIONS_UNDECIDED, Part, Row, SINGLE_NUMA_NODE, TOO_MANY_ZONES, ZONES, ZONES_DISAGREE, ZONES_NOT_REPORTED,
    ZONE_CPU_SHORT, lowest, next_mask, popcount,
)

# What admit_lone() says where it cannot tell.
cdef enum:
    OPEN = -1

# Widths of the key's other parts, see _key_py.py.
cdef enum:
    CELLS_TOP = 0x1F
    DISTANCE_TOP = 0xFF
    CPUS_TOP = 0x3FFF
    PAGES_TOP = 0x3FFFFFF


# The verdict that holds without looking at zones, or FITS.
cdef inline int node_code(const Row *row, const Ask *ask, const Columns *columns) noexcept nogil:
    if ask.code:
        return ask.code
    if row.code >= FIRST_REFUSED:
        return row.code
    if row.code:
        return NO_PAGES_OF_SIZE if columns.lacks_pages and columns.knows_pages else row.code
    if ask.dedicated and not row.cpu_static:
        return CPU_MANAGER_NOT_STATIC
    if columns.lacks_pages:
        return NO_PAGES_OF_SIZE
    if row.too_many_zones:
        return TOO_MANY_ZONES
    return FITS if row.zones else ZONES_NOT_REPORTED


# The books before the pod, or (`empty`) on this node without any pod.
cdef inline void open_books(
    Books *books, const Row *row, const Ask *ask, const Columns *columns, bint empty
) noexcept nogil:
    cdef int32_t zone, item, zones = row.zones
    cdef int32_t free = 0
    cdef const int64_t *amounts
    books.row, books.ask, books.columns = row, ask, columns
    books.split_known = books.cores_known = True
    books.cpu_reuse = False
    books.reuses = 0
    books.main_memory = 0
    for zone in range(zones):
        books.pool[zone] = row.zone[zone].total - row.zone[zone].reserved if empty else row.zone[zone].free
        books.cores[zone] = row.zone[zone].cores
        books.reuse_low[zone] = books.reuse_high[zone] = 0
        books.blocks[zone] = 0 if empty else row.zone[zone].blocks
        books.group[zone] = (<uint32_t>1 << zone) if empty else row.zone[zone].group
        books.main_cpus[zone] = books.main_cores[zone] = 0
        books.no_bytes[zone] = 0
        free += row.zone[zone].free
    books.physical_low = books.physical_high = row.physical_free
    books.odd = max(free - row.physical_free, 0)
    if row.memory_static:
        for item in range(ask.memories):
            amounts = books.no_bytes
            if columns.memory[item] >= 0:
                amounts = row.allocatable + columns.memory[item] * zones
            books.allocatable[item] = amounts
            if columns.memory[item] >= 0 and not empty:
                amounts = row.free + columns.memory[item] * zones
            for zone in range(zones):
                books.free[item][zone] = amounts[zone]
    for item in range(ask.devices):
        books.has_device[item] = False
        if columns.device[item] < 0:
            continue
        books.device_total[item] = row.device_total + columns.device[item] * zones
        for zone in range(zones):
            books.has_device[item] = books.has_device[item] or books.device_total[item][zone] > 0
            books.device_free[item][zone] = (
                books.device_total[item][zone] if empty else row.device_free[columns.device[item] * zones + zone]
            )
            books.device_reuse[item][zone] = 0


cdef inline bint wants(const Books *books, const Part *part) noexcept nogil:
    cdef int32_t item
    if (books.row.cpu_static and part.cpus) or (books.row.memory_static and part.memories):
        return True
    for item in range(part.devices):
        if books.has_device[part.device_name[item]] and part.device[item]:
            return True
    return False


cdef inline bint some_cpus_preferred(const Books *books, const Part *part, const Offer *offer) noexcept nogil:
    cdef uint32_t end = <uint32_t>1 << books.row.zones
    cdef int32_t bits = 1 if books.row.align_by_socket else offer.cpu_width
    cdef int32_t top = books.row.zones if books.row.align_by_socket else offer.cpu_width
    cdef uint32_t mask
    while 0 < bits <= top:
        mask = (<uint32_t>1 << bits) - 1
        while mask < end:
            if cpu_offers(books, mask, part.cpus, offer.held) and cpu_prefers(books.row, mask, offer.cpu_width):
                return True
            mask = next_mask(mask)
        bits += 1
    return False


cdef inline bint some_devices_preferred(
    const Books *books, const Part *part, const Offer *offer, int32_t index
) noexcept nogil:
    cdef uint32_t end = <uint32_t>1 << books.row.zones
    cdef uint32_t mask = (<uint32_t>1 << offer.device_width[index]) - 1
    cdef int32_t item = offer.item[index]
    while mask < end:
        if device_offers(books, part.device_name[item], part.device[item], mask):
            return True
        mask = next_mask(mask)
    return False


# Whether Topology Manager would refuse even on this node without any pod. Mostly one look at each zone tells.
cdef inline bint never(const Books *books, const Part *part) noexcept nogil:
    cdef const Row *row = books.row
    cdef Books idle
    cdef Offer promise
    cdef int32_t zone, item
    cdef bint plain = not row.cpu_static or not part.cpus or (row.bearing_count and row.widest[0] >= part.cpus)
    for item in range(part.devices):
        plain = plain and not (books.has_device[part.device_name[item]] and part.device[item])
    for zone in range(row.zones if plain else 0):
        if row.cpu_static and row.zone[zone].total - row.zone[zone].reserved < part.cpus:
            continue
        for item in range(part.memories if row.memory_static else 0):
            if books.allocatable[part.memory_name[item]][zone] < part.memory[item]:
                break
        else:
            return False
    open_books(&idle, row, books.ask, books.columns, True)
    survey(&idle, part, 0, &promise)
    return not nobody_cares(&promise) and not preferred_mask(&idle, part, &promise)


# Why Topology Manager refused, the most lasting reason first: what can be told without a look at the offers, or FITS.
cdef inline int plain_refusal(const Books *books, const Part *part) noexcept nogil:
    cdef const Row *row = books.row
    cdef bint cpu = row.cpu_static and part.cpus
    if cpu and part.cpus > row.total - row.reserved:
        return NODE_CPU_SHORT
    if never(books, part):
        return NEVER_FITS_ZONE
    return NODE_CPU_SHORT if cpu and pool_of(books, row.bearing) < part.cpus else FITS


cdef inline int refusal(const Books *books, const Part *part, const Offer *offer) noexcept nogil:
    cdef int code = plain_refusal(books, part)
    cdef int32_t item
    if code:
        return code
    if offer.cpu and not some_cpus_preferred(books, part, offer):
        return ZONE_CPU_SHORT
    if offer.memory and offer.memory_first != offer.memory_width:
        return MEMORY_GROUP_CONFLICT
    for item in range(offer.devices):
        if not some_devices_preferred(books, part, offer, item):
            return DEVICE_ZONE_SHORT
    return ZONES_DISAGREE


# Topology Manager's answer for a container or the pod. `scratch` as in unpreferred_mask().
cdef inline int decide(
    const Books *books, const Part *part, int64_t *scratch, uint32_t *mask, bint *preferred
) noexcept nogil:
    cdef const Row *row = books.row
    cdef Offer offer
    cdef int64_t held = 0
    if row.cpu_static and part.cpus:
        held = held_zones(books)
        if held < 0:
            return INIT_CONTAINER_CPUS
        if not books.split_known:
            return OPTIONS_UNDECIDED
    preferred[0] = True
    mask[0] = one_zone(books, part, <uint32_t>held)
    if mask[0]:
        return FITS
    if row.cpu_static and pool_of(books, row.bearing) < part.cpus:
        if row.policy != BEST_EFFORT:
            return plain_refusal(books, part)
        if not row.pod_scope and not part.devices:
            mask[0] = row.bearing  # whichever it is: the CPUs will be refused
            return FITS
    survey(books, part, <uint32_t>held, &offer)
    if nobody_cares(&offer):
        mask[0] = (<uint32_t>1 << row.zones) - 1
        return FITS
    mask[0] = preferred_mask(books, part, &offer)
    if mask[0]:
        return FITS
    if row.policy != BEST_EFFORT:
        return refusal(books, part, &offer)
    preferred[0] = False
    mask[0] = unpreferred_mask(books, part, &offer, scratch)
    return FITS


cdef inline void note_blocks(
    const Books *books, Detail *detail, int32_t index, const Part *part, uint32_t mask
) noexcept nogil:
    cdef int32_t item, earlier
    cdef int64_t amount, cut
    for item in range(part.memories):
        amount = part.memory[item]
        for earlier in range(detail.blocks):
            if (
                detail.block[earlier].mask == mask
                and detail.block[earlier].name == part.memory_name[item]
                and books.ask.part[detail.block[earlier].part].kind == INIT
            ):
                cut = min(detail.block[earlier].bytes, amount)
                detail.block[earlier].bytes -= cut
                amount -= cut
        detail.block[detail.blocks].part = index
        detail.block[detail.blocks].name = part.memory_name[item]
        detail.block[detail.blocks].mask = mask
        detail.block[detail.blocks].bytes = part.memory[item]
        detail.blocks += 1


# Devices, CPUs, memory of one container; `mask` 0: policy none.
cdef inline int allocate(
    Books *books, int32_t index, uint32_t mask, bint preferred, Detail *detail
) noexcept nogil:
    cdef const Row *row = books.row
    cdef const Part *part = &books.ask.part[index]
    cdef bint regular_init = part.kind == INIT
    cdef int32_t cpus[ZONES]
    cdef int32_t cores[ZONES]
    cdef int32_t item, zone
    cdef int code
    cdef uint32_t pinned = 0
    if row.policy == SINGLE_NUMA_NODE and mask == (<uint32_t>1 << row.zones) - 1:
        mask = 0
    if books.ask.strict and index == books.ask.main:
        books.main_mask = mask
        for item in range(books.ask.devices):
            for zone in range(row.zones if books.has_device[item] else 0):
                books.main_devices[item][zone] = books.device_free[item][zone] + books.device_reuse[item][zone]
    for item in range(part.devices):
        if books.has_device[part.device_name[item]] and not device_allocate(
            books, part.device_name[item], part.device[item], mask, regular_init
        ):
            return DEVICE_ZONE_SHORT
    if row.cpu_static and part.cpus:
        code = cpu_allocate(books, part.cpus, mask, regular_init, cpus, cores)
        if code:
            return code
        if index == books.ask.main:
            for zone in range(row.zones):
                books.main_cpus[zone] = cpus[zone]
                books.main_cores[zone] = cores[zone]
            if books.ask.has_cells and not books.split_known:
                return OPTIONS_UNDECIDED
    if row.memory_static and part.memories:
        code = memory_allocate(books, part, mask, preferred, regular_init, &pinned)
        if code:
            return code
        if index == books.ask.main:
            books.main_memory = pinned
        if detail != NULL:
            note_blocks(books, detail, index, part, pinned)
    return FITS


cdef inline int admit(Books *books, int64_t *scratch, Detail *detail) noexcept nogil:
    cdef const Row *row = books.row
    cdef const Ask *ask = books.ask
    cdef uint32_t mask = 0
    cdef bint preferred = False
    cdef int32_t index
    cdef int code
    if row.policy != NONE and row.pod_scope:
        code = decide(books, &ask.pod, scratch, &mask, &preferred)
        if code and ask.parts:
            return code
    for index in range(ask.parts):
        if not wants(books, &ask.part[index]):
            continue
        if row.policy != NONE and not row.pod_scope:
            code = decide(books, &ask.part[index], scratch, &mask, &preferred)
            if code:
                return code
        code = allocate(books, index, mask, preferred, detail)
        if code:
            return code
    return FITS


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


cdef inline int64_t pages_left(const Books *books, uint32_t mask) noexcept nogil:
    cdef const Row *row = books.row
    cdef int64_t left = -books.ask.guest_bytes
    if row.memory_static:
        left = sum_over(books.free[books.ask.rank_memory], mask)
    elif books.columns.rank_pages >= 0:
        left += sum_over(row.pages + books.columns.rank_pages * row.zones, mask)
    left = max(left, <int64_t>0)
    return left >> books.ask.rank_shift if books.ask.rank_shift >= 0 else left // books.ask.rank_unit


cdef inline int64_t rank_key(
    int64_t near, int64_t cells, int64_t layout, int64_t far, int64_t cpus, int64_t pages
) noexcept nogil:
    cdef int64_t key = near << 5 | (CELLS_TOP - min(cells, <int64_t>CELLS_TOP))
    key = key << 2 | layout
    key = key << 8 | (DISTANCE_TOP - min(far, <int64_t>DISTANCE_TOP))
    key = key << 14 | (CPUS_TOP - min(cpus, <int64_t>CPUS_TOP))
    return key << 26 | (PAGES_TOP - min(pages, <int64_t>PAGES_TOP))


# Where one zone has the CPUs of the only container that wants a zone, and no option changes how they are taken: what
# admit() would book. FITS or NODE_CPU_SHORT as admit() would say; OPEN where that takes the whole way, books untouched.
cdef inline int admit_lone(
    Books *books, const Row *row, const Ask *ask, const Columns *columns
) noexcept nogil:
    cdef int32_t zone, found = -1, free = 0, room = 0, cpus = ask.lone_cpus
    if not row.lone or not cpus:
        return OPEN
    for zone in range(row.zones):
        if found < 0 and row.zone[zone].free >= cpus:
            found = zone
        free += row.zone[zone].free
        room = max(room, row.zone[zone].total - row.zone[zone].reserved)
    if found < 0:
        return NODE_CPU_SHORT if free < cpus <= room else OPEN
    books.row, books.ask, books.columns = row, ask, columns
    books.main_memory = 0
    memset(books.reuse_low, 0, sizeof(books.reuse_low))
    memset(books.main_cpus, 0, sizeof(books.main_cpus))
    memset(books.main_cores, 0, sizeof(books.main_cores))
    for zone in range(row.zones):
        books.pool[zone] = row.zone[zone].free
    books.cores[found] = row.zone[found].cores
    take_here(books, found, cpus)
    books.main_cpus[found] = cpus
    books.main_cores[found] = row.zone[found].cores - books.cores[found]
    return FITS


# Fills everything of the answer but its stamp; `detail` may be NULL.
cdef inline void judge(
    const Row *row, const Ask *ask, const Columns *columns, int64_t *scratch, Answer *answer, Detail *detail
) noexcept nogil:
    cdef Books books
    cdef uint32_t mask = 0, devices
    cdef int64_t near = 0, layout = 0, left = 0
    cdef int32_t zone, item, held, cells
    cdef int code
    answer.key = answer.split = answer.mask = answer.cells = 0
    answer.code = <uint8_t>node_code(row, ask, columns)
    if answer.code:
        return
    code = admit_lone(&books, row, ask, columns) if detail == NULL else OPEN
    if code == OPEN:
        open_books(&books, row, ask, columns, False)
        code = admit(&books, scratch, detail)
    answer.code = <uint8_t>code
    if code:
        return
    if ask.has_cells:
        answer.code = <uint8_t>cells_of(&books, &mask, &near, &layout, &answer.split, detail)
        if answer.code:
            return
    else:
        for zone in range(row.zones):
            if books.main_cpus[zone]:
                mask |= <uint32_t>1 << zone
        if not mask:
            mask = books.main_memory
    for zone in range(row.zones):
        held = row.zone[zone].free - books.pool[zone] + books.reuse_low[zone]
        if mask >> zone & 1:
            left += row.zone[zone].free - held
        if detail != NULL:
            detail.held[zone] = held
    cells = max(popcount(mask), 1)
    devices = device_zones(&books) if ask.devices else 0
    answer.mask = <uint16_t>mask
    answer.cells = <uint8_t>cells
    left = max(left, <int64_t>0)
    answer.key = rank_key(near, cells, layout, widest(row, mask | devices), left, pages_left(&books, mask))
    if detail != NULL:
        detail.exact = books.split_known
        for item in range(ask.devices):
            detail.has_device[item] = books.has_device[item]
            for zone in range(row.zones):
                if books.has_device[item]:
                    detail.devices[item][zone] = (
                        row.device_free[columns.device[item] * row.zones + zone] - books.device_free[item][zone]
                    )
