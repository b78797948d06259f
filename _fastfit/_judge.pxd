# The verdict of one row for one ask. Rules and sources: _judge_py.py, _cells_py.py and _key_py.py.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from _fastfit._cells cimport cells_of
from _fastfit._constants cimport (
    CORE_SPLIT, DEVICE_OUTSIDE_CELLS, DEVICE_ZONE_SHORT, FIRST_REFUSAL, FITS, GUEST_MEMORY_PAGES,
    INIT_CONTAINER_CPUS, KIND_INIT, MAX_ZONES, MEMORY_GROUP_CONFLICT, MEMORY_MANAGER_NOT_KNOWN,
    MORE_ZONES_THAN_CELLS, NEVER_FITS_ZONE, NODE_CPU_SHORT, NOT_SYMMETRIC, OPTIONS_UNDECIDED, PAGES_NOT_REPORTED,
    POLICY_BEST_EFFORT, POLICY_NONE, POLICY_SINGLE_NUMA_NODE, ZONES_DISAGREE, ZONE_CPU_SHORT, ZONE_MEMORY_SHORT,
    ZONE_PAGES_SHORT,
)
from _fastfit._cpus cimport cpu_allocate, cpu_offers, cpu_prefers, held_zones, pool_of, take_in_zone
from _fastfit._devices cimport device_allocate, device_offers, device_zones
from _fastfit._hints cimport Offer, dont_care, one_zone, preferred_mask, survey, unpreferred_mask
from _fastfit._key cimport memory_zones, pages_left, rank_key, spares_devices, widest
from _fastfit._memory cimport memory_allocate, pinned_pages
from _fastfit._node_code cimport node_code
from _fastfit._possible cimport possible_key
from _fastfit._types cimport Accounting, Answer, Ask, Columns, Detail, Part, Row, next_mask, popcount

# What admit_single_zone() returns where it does not decide.
cdef enum:
    UNDECIDED = -1


# The accounting before the pod, or (`empty`) on this node without any pod.
cdef inline void open_accounting(
    Accounting *acct, const Row *row, const Ask *ask, const Columns *columns, bint empty
) noexcept nogil:
    cdef int32_t zone, item, zones = row.zones
    cdef int32_t free = 0
    cdef const int64_t *amounts
    acct.row, acct.ask, acct.columns = row, ask, columns
    acct.split_known = acct.cores_known = True
    acct.cpu_reuse = False
    acct.reuses = 0
    acct.main_memory = 0
    for zone in range(zones):
        acct.pool[zone] = row.zone[zone].total - row.zone[zone].reserved if empty else row.zone[zone].free
        acct.cores[zone] = row.zone[zone].cores
        acct.reuse_low[zone] = acct.reuse_high[zone] = 0
        acct.blocks[zone] = 0 if empty else row.zone[zone].blocks
        acct.group[zone] = (<uint32_t>1 << zone) if empty else row.zone[zone].group
        acct.main_cpus[zone] = acct.main_cores[zone] = 0
        acct.no_bytes[zone] = 0
        free += row.zone[zone].free
    acct.physical_low = acct.physical_high = row.physical_free
    acct.beside_reserved = max(free - row.physical_free, 0)
    if row.memory_static:
        for item in range(ask.memories):
            amounts = acct.no_bytes
            if columns.memory[item] >= 0:
                amounts = row.allocatable + columns.memory[item] * zones
            acct.allocatable[item] = amounts
            if columns.memory[item] >= 0 and not empty:
                amounts = row.free + columns.memory[item] * zones
            for zone in range(zones):
                acct.free[item][zone] = amounts[zone]
    for item in range(ask.devices):
        acct.has_device[item] = False
        if columns.device[item] < 0:
            continue
        acct.device_total[item] = row.device_total + columns.device[item] * zones
        for zone in range(zones):
            acct.has_device[item] = acct.has_device[item] or acct.device_total[item][zone] > 0
            acct.device_free[item][zone] = (
                acct.device_total[item][zone] if empty else row.device_free[columns.device[item] * zones + zone]
            )
            acct.device_reuse[item][zone] = 0


cdef inline bint wants(const Accounting *acct, const Part *part) noexcept nogil:
    cdef int32_t item
    if (acct.row.cpu_static and part.cpus) or (acct.row.memory_static and part.memories):
        return True
    for item in range(part.devices):
        if acct.has_device[part.device_name[item]] and part.device[item]:
            return True
    return False


cdef inline bint some_cpus_preferred(const Accounting *acct, const Part *part, const Offer *offer) noexcept nogil:
    cdef uint32_t end = <uint32_t>1 << acct.row.zones
    cdef int32_t bits = 1 if acct.row.align_by_socket else offer.cpu_width
    cdef int32_t top = acct.row.zones if acct.row.align_by_socket else offer.cpu_width
    cdef uint32_t mask
    while 0 < bits <= top:
        mask = (<uint32_t>1 << bits) - 1
        while mask < end:
            if cpu_offers(acct, mask, part.cpus, offer.held) and cpu_prefers(acct.row, mask, offer.cpu_width):
                return True
            mask = next_mask(mask)
        bits += 1
    return False


cdef inline bint some_devices_preferred(
    const Accounting *acct, const Part *part, const Offer *offer, int32_t index
) noexcept nogil:
    cdef uint32_t end = <uint32_t>1 << acct.row.zones
    cdef uint32_t mask = (<uint32_t>1 << offer.device_width[index]) - 1
    cdef int32_t item = offer.item[index]
    while mask < end:
        if device_offers(acct, part.device_name[item], part.device[item], mask):
            return True
        mask = next_mask(mask)
    return False


# Whether Topology Manager would refuse even on this node without any pod. Mostly one zone by itself shows that it would
# not.
cdef inline bint never_fits(const Accounting *acct, const Part *part) noexcept nogil:
    cdef const Row *row = acct.row
    cdef Accounting empty
    cdef Offer offer
    cdef int32_t zone, item
    cdef bint plain = not row.cpu_static or not part.cpus or (row.zones_with_cpus_count and row.widest[0] >= part.cpus)
    for item in range(part.devices):
        plain = plain and not (acct.has_device[part.device_name[item]] and part.device[item])
    for zone in range(row.zones if plain else 0):
        if row.cpu_static and row.zone[zone].total - row.zone[zone].reserved < part.cpus:
            continue
        for item in range(part.memories if row.memory_static else 0):
            if acct.allocatable[part.memory_name[item]][zone] < part.memory[item]:
                break
        else:
            return False
    open_accounting(&empty, row, acct.ask, acct.columns, True)
    survey(&empty, part, 0, &offer)
    return not dont_care(&offer) and not preferred_mask(&empty, part, &offer)


# Why Topology Manager refused, the most lasting reason first. FITS where only the offers decide it, see refusal().
cdef inline int plain_refusal(const Accounting *acct, const Part *part) noexcept nogil:
    cdef const Row *row = acct.row
    cdef bint cpu = row.cpu_static and part.cpus
    if cpu and part.cpus > row.total - row.reserved:
        return NODE_CPU_SHORT
    if never_fits(acct, part):
        return NEVER_FITS_ZONE
    return NODE_CPU_SHORT if cpu and pool_of(acct, row.zones_with_cpus) < part.cpus else FITS


cdef inline int refusal(const Accounting *acct, const Part *part, const Offer *offer) noexcept nogil:
    cdef int code = plain_refusal(acct, part)
    cdef int32_t item
    if code:
        return code
    if offer.cpu and not some_cpus_preferred(acct, part, offer):
        return ZONE_CPU_SHORT
    if offer.memory and offer.memory_first != offer.memory_width:
        return MEMORY_GROUP_CONFLICT
    for item in range(offer.devices):
        if not some_devices_preferred(acct, part, offer, item):
            return DEVICE_ZONE_SHORT
    return ZONES_DISAGREE


# Topology Manager's answer for a container or the pod. `scratch` as in unpreferred_mask().
cdef inline int decide(
    const Accounting *acct, const Part *part, int64_t *scratch, uint32_t *mask, bint *preferred
) noexcept nogil:
    cdef const Row *row = acct.row
    cdef Offer offer
    cdef int64_t held = 0
    if row.cpu_static and part.cpus:
        held = held_zones(acct)
        if held < 0:
            return INIT_CONTAINER_CPUS
        if not acct.split_known:
            return OPTIONS_UNDECIDED
    preferred[0] = True
    mask[0] = one_zone(acct, part, <uint32_t>held)
    if mask[0]:
        return FITS
    if row.cpu_static and pool_of(acct, row.zones_with_cpus) < part.cpus:
        if row.policy != POLICY_BEST_EFFORT:
            return plain_refusal(acct, part)
        if not row.pod_scope and not part.devices:
            mask[0] = row.zones_with_cpus  # any mask will do: the CPUs will be refused
            return FITS
    survey(acct, part, <uint32_t>held, &offer)
    if dont_care(&offer):
        mask[0] = (<uint32_t>1 << row.zones) - 1
        return FITS
    mask[0] = preferred_mask(acct, part, &offer)
    if mask[0]:
        return FITS
    if row.policy != POLICY_BEST_EFFORT:
        return refusal(acct, part, &offer)
    preferred[0] = False
    mask[0] = unpreferred_mask(acct, part, &offer, scratch)
    return FITS


cdef inline void note_blocks(
    const Accounting *acct, Detail *detail, int32_t index, const Part *part, uint32_t mask
) noexcept nogil:
    cdef int32_t item, earlier
    cdef int64_t amount, cut
    for item in range(part.memories):
        amount = part.memory[item]
        for earlier in range(detail.blocks):
            if (
                detail.block[earlier].mask == mask
                and detail.block[earlier].name == part.memory_name[item]
                and acct.ask.part[detail.block[earlier].part].kind == KIND_INIT
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
    Accounting *acct, int32_t index, uint32_t mask, bint preferred, Detail *detail
) noexcept nogil:
    cdef const Row *row = acct.row
    cdef const Part *part = &acct.ask.part[index]
    cdef bint regular_init = part.kind == KIND_INIT
    cdef int32_t cpus[MAX_ZONES]
    cdef int32_t cores[MAX_ZONES]
    cdef int32_t item, zone
    cdef int code
    cdef uint32_t pinned = 0
    if row.policy == POLICY_SINGLE_NUMA_NODE and mask == (<uint32_t>1 << row.zones) - 1:
        mask = 0
    if acct.ask.strict and index == acct.ask.main:
        acct.main_mask = mask
        for item in range(acct.ask.devices):
            for zone in range(row.zones if acct.has_device[item] else 0):
                acct.main_devices[item][zone] = acct.device_free[item][zone] + acct.device_reuse[item][zone]
    for item in range(part.devices):
        if acct.has_device[part.device_name[item]] and not device_allocate(
            acct, part.device_name[item], part.device[item], mask, regular_init
        ):
            return DEVICE_ZONE_SHORT
    if row.cpu_static and part.cpus:
        code = cpu_allocate(acct, part.cpus, mask, regular_init, cpus, cores)
        if code:
            return code
        if index == acct.ask.main:
            for zone in range(row.zones):
                acct.main_cpus[zone] = cpus[zone]
                acct.main_cores[zone] = cores[zone]
            if acct.ask.has_cells and not acct.split_known:
                return OPTIONS_UNDECIDED
    if row.memory_static and part.memories:
        code = memory_allocate(acct, part, mask, preferred, regular_init, &pinned)
        if code:
            return code
        if index == acct.ask.main:
            acct.main_memory = pinned
        if index != acct.ask.main or not acct.ask.has_cells:
            code = pinned_pages(acct, part, pinned)
            if code:
                return code
        if detail != NULL:
            note_blocks(acct, detail, index, part, pinned)
    return FITS


cdef inline int admit(Accounting *acct, int64_t *scratch, Detail *detail) noexcept nogil:
    cdef const Row *row = acct.row
    cdef const Ask *ask = acct.ask
    cdef uint32_t mask = 0
    cdef bint preferred = False
    cdef int32_t index
    cdef int code
    if row.policy != POLICY_NONE and row.pod_scope:
        code = decide(acct, &ask.pod, scratch, &mask, &preferred)
        if code and ask.parts:
            return code
    for index in range(ask.parts):
        if not wants(acct, &ask.part[index]):
            continue
        if row.policy != POLICY_NONE and not row.pod_scope:
            code = decide(acct, &ask.part[index], scratch, &mask, &preferred)
            if code:
                return code
        code = allocate(acct, index, mask, preferred, detail)
        if code:
            return code
    return FITS


# Whether all zones together have too few huge pages for the pod, wherever it takes them.
cdef inline bint pages_short(const Row *row, const Ask *ask, const Columns *columns) noexcept nogil:
    cdef int32_t size
    cdef int64_t together
    for size in range(ask.page_sizes):
        if columns.asked_pages[size] >= 0:
            together = row.pages_together[columns.asked_pages[size]]
            if 0 <= together < ask.pages[size]:
                return True
    return False


# The short form of admit() for a pod whose CPUs one zone has, where only CPUs have zones and no option changes how they
# are taken. Accounting and code (FITS, NODE_CPU_SHORT) are those of admit(). UNDECIDED, with the accounting not
# written: admit() decides.
cdef inline int admit_single_zone(
    Accounting *acct, const Row *row, const Ask *ask, const Columns *columns
) noexcept nogil:
    cdef int32_t zone, found = -1, free = 0, room = 0, cpus = ask.single_zone_cpus
    if not row.single_zone_row or not cpus:
        return UNDECIDED
    for zone in range(row.zones):
        if found < 0 and row.zone[zone].free >= cpus:
            found = zone
        free += row.zone[zone].free
        room = max(room, row.zone[zone].total - row.zone[zone].reserved)
    if found < 0:
        return NODE_CPU_SHORT if free < cpus <= room else UNDECIDED
    acct.row, acct.ask, acct.columns = row, ask, columns
    acct.main_memory = 0
    for zone in range(row.zones):
        acct.reuse_low[zone] = acct.main_cpus[zone] = acct.main_cores[zone] = 0
        acct.pool[zone] = row.zone[zone].free
    acct.cores[found] = row.zone[found].cores
    take_in_zone(acct, found, cpus)
    acct.main_cpus[found] = cpus
    acct.main_cores[found] = row.zone[found].cores - acct.cores[found]
    return FITS


# The verdict where Memory Manager is known.
cdef inline void judge_known(
    const Row *row, const Ask *ask, const Columns *columns, int64_t *scratch, Answer *answer, Detail *detail
) noexcept nogil:
    cdef Accounting acct
    cdef uint32_t mask = 0, memory, touched
    cdef int64_t near = 0, layout = 0, left = 0
    cdef int32_t zone, item, held
    cdef int code
    answer.key = answer.split = answer.mask = answer.cells = 0
    answer.code = <uint8_t>node_code(row, ask, columns)
    if answer.code:
        return
    acct.pages_doubtful = False
    code = admit_single_zone(&acct, row, ask, columns) if detail == NULL else UNDECIDED
    if code == UNDECIDED:
        open_accounting(&acct, row, ask, columns, False)
        code = admit(&acct, scratch, detail)
    answer.code = <uint8_t>code
    if code:
        return
    if ask.has_cells:
        code = cells_of(&acct, &mask, &near, &layout, &answer.split, detail)
    else:
        for zone in range(row.zones):
            if acct.main_cpus[zone]:
                mask |= <uint32_t>1 << zone
        if not mask:
            mask = acct.main_memory
    if code < FIRST_REFUSAL and pages_short(row, ask, columns):
        code = ZONE_PAGES_SHORT if ask.has_cells else ZONE_MEMORY_SHORT
    if not code and acct.pages_doubtful:
        code = PAGES_NOT_REPORTED
    answer.code = <uint8_t>code
    if code:
        return
    for zone in range(row.zones):
        held = row.zone[zone].free - acct.pool[zone] + acct.reuse_low[zone]
        if mask >> zone & 1:
            left += row.zone[zone].free - held
        if detail != NULL:
            detail.held[zone] = held
    memory = memory_zones(&acct, mask)
    touched = mask if ask.has_cells else mask | memory
    answer.mask = mask
    answer.cells = <uint8_t>max(popcount(mask), 1)
    answer.key = rank_key(
        near,
        max(popcount(touched), 1),
        layout,
        widest(row, mask | memory | (device_zones(&acct) if ask.devices else 0)),
        spares_devices(row, ask, columns),
        max(left, <int64_t>0),
        pages_left(&acct, touched),
    )
    if detail != NULL:
        detail.exact = acct.split_known
        for item in range(ask.devices):
            detail.has_device[item] = acct.has_device[item]
            for zone in range(row.zones):
                if acct.has_device[item]:
                    detail.devices[item][zone] = (
                        row.device_free[columns.device[item] * row.zones + zone] - acct.device_free[item][zone]
                    )


# Whether the refusal is by where the CPUs lie, which Memory Manager could change.
cdef inline bint by_zone(int code) noexcept nogil:
    return (
        code == ZONE_PAGES_SHORT or code == CORE_SPLIT or code == GUEST_MEMORY_PAGES
        or code == MORE_ZONES_THAN_CELLS or code == NOT_SYMMETRIC or code == DEVICE_OUTSIDE_CELLS
    )


cdef inline void not_known(Answer *answer) noexcept nogil:
    answer.key = answer.split = answer.mask = answer.cells = 0
    answer.code = MEMORY_MANAGER_NOT_KNOWN


# The verdict, also where Memory Manager is not known.
cdef inline void judge_open(
    const Row *row, const Ask *ask, const Columns *columns, int64_t *scratch, Answer *answer, Detail *detail
) noexcept nogil:
    cdef Row off
    cdef int code
    if not row.memory_open:
        judge_known(row, ask, columns, scratch, answer, detail)
        return
    off = row[0]
    off.memory_static = False
    judge_known(&off, ask, columns, scratch, answer, detail)
    code = answer.code
    if not ask.asks_memory or FITS < code < FIRST_REFUSAL:
        return
    if not row.memory_static:
        if code == FITS or (row.policy != POLICY_NONE and by_zone(code)):
            not_known(answer)
        return
    if detail != NULL:
        detail.blocks = detail.cells = 0
    judge_known(row, ask, columns, scratch, answer, detail)
    if not FITS < answer.code < FIRST_REFUSAL and (answer.code == FITS) != (code == FITS):
        not_known(answer)


# Fills everything of the answer but its stamp; `detail` may be NULL.
cdef inline void judge(
    const Row *row, const Ask *ask, const Columns *columns, int64_t *scratch, Answer *answer, Detail *detail
) noexcept nogil:
    judge_open(row, ask, columns, scratch, answer, detail)
    if FITS < answer.code < FIRST_REFUSAL:
        answer.split = answer.mask = answer.cells = 0
        answer.key = possible_key(row, ask, columns)
