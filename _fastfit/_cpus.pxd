# CPU Manager `static` on counts; the rules are told in _cpus_py.py.

from libc.stdint cimport int32_t, int64_t, uint32_t

from _fastfit._distribute cimport distribution
from _fastfit._types cimport (
    Books, FITS, INIT_CONTAINER_CPUS, NODE_CPU_SHORT, OPTIONS_UNDECIDED, Row, SMT_ALIGNMENT, ZONES, lowest, popcount,
)

cdef enum:
    MAX_DISTRIBUTED = 8


cdef inline int64_t pool_of(const Books *books, uint32_t mask) noexcept nogil:
    cdef int64_t total = 0
    while mask:
        total += books.pool[lowest(mask)]
        mask &= mask - 1
    return total


# Zones that every mask must include; -1 where counts do not tell them.
cdef inline int64_t held_zones(const Books *books) noexcept nogil:
    cdef int32_t zone
    cdef uint32_t held = 0
    if not books.cpu_reuse:
        return 0
    for zone in range(books.row.zones):
        if books.reuse_low[zone]:
            held |= <uint32_t>1 << zone
        elif books.reuse_high[zone]:
            return -1
    return held


# Fewest zones whose CPUs, reserved ones included, are enough; all of them where even those are not.
cdef inline int32_t cpu_width(const Row *row, int32_t count) noexcept nogil:
    cdef int32_t width
    for width in range(row.bearing_count):
        if row.widest[width] >= count:
            return width + 1
    return row.bearing_count


cdef inline int32_t sockets_of(const Row *row, uint32_t mask) noexcept nogil:
    cdef uint32_t sockets = 0
    mask &= row.bearing  # a zone without CPUs has no socket
    while mask:
        sockets |= <uint32_t>1 << row.zone[lowest(mask)].socket
        mask &= mask - 1
    return popcount(sockets)


cdef inline bint cpu_prefers(const Row *row, uint32_t mask, int32_t width) noexcept nogil:
    cdef int32_t per_socket
    if popcount(mask) == width:
        return True
    if not row.align_by_socket:
        return False
    per_socket = row.bearing_count // row.sockets
    return sockets_of(row, mask) == (width + per_socket - 1) // per_socket


cdef inline bint cpu_offers(const Books *books, uint32_t mask, int32_t count, uint32_t held) noexcept nogil:
    return not (mask & ~books.row.bearing) and not (held & ~mask) and pool_of(books, mask) >= count


# Zones of the mask that have CPUs in the pool, in the allocator's order; returns how many.
cdef inline int32_t zone_order(const Books *books, uint32_t mask, int32_t *order) noexcept nogil:
    cdef const Row *row = books.row
    cdef int64_t keys[ZONES]
    cdef int32_t in_socket[ZONES]
    cdef int32_t zone, place, count = 0
    cdef uint32_t left = mask
    cdef int64_t key
    if row.sockets_first:
        for zone in range(row.sockets):
            in_socket[zone] = 0
        while left:
            zone = lowest(left)
            left &= left - 1
            if books.pool[zone]:
                in_socket[row.zone[zone].socket] += books.pool[zone]
    left = mask
    while left:
        zone = lowest(left)
        left &= left - 1
        if not books.pool[zone]:
            continue
        key = (<int64_t>books.pool[zone] << 4) | zone
        if row.sockets_first:
            key |= ((<int64_t>in_socket[row.zone[zone].socket] << 4) | row.zone[zone].socket) << 24
        place = count
        while place and keys[place - 1] > key:
            keys[place] = keys[place - 1]
            place -= 1
        keys[place] = key
        count += 1
    for place in range(count):
        order[place] = keys[place] & 15
    return count


cdef inline int32_t whole_cores(int32_t cpus, int32_t threads) noexcept nogil:
    if threads == 2:
        return cpus >> 1
    return cpus if threads == 1 else cpus // threads


cdef inline void take_singles(Books *books, int32_t zone, int32_t count) noexcept nogil:
    cdef int32_t threads = books.row.threads
    cdef int32_t partly = books.pool[zone] - books.cores[zone] * threads
    books.pool[zone] -= count
    if count > partly:
        books.cores[zone] -= whole_cores(count - partly + threads - 1, threads)


cdef inline int32_t take_sockets(Books *books, uint32_t mask, int32_t need) noexcept nogil:
    cdef const Row *row = books.row
    cdef int32_t socket, zone, total
    cdef int64_t pool
    for socket in range(row.sockets):
        pool = total = 0
        for zone in range(row.zones):
            if row.zone[zone].socket == socket:
                total += row.zone[zone].total
                if mask >> zone & 1:
                    pool += books.pool[zone]
        if pool == row.socket_unit and total == row.socket_unit and need >= total:
            need -= total
            for zone in range(row.zones):
                if row.zone[zone].socket == socket and mask >> zone & 1:
                    books.pool[zone] = books.cores[zone] = 0
    return need


cdef inline bint share_sockets(const Row *row, const int32_t *zones, int32_t count) noexcept nogil:
    cdef uint32_t sockets = 0
    cdef int32_t place
    for place in range(count):
        sockets |= <uint32_t>1 << row.zone[zones[place]].socket
    return popcount(sockets) < count


cdef inline void pack(Books *books, uint32_t mask, int32_t need, bint uncore) noexcept nogil:
    cdef const Row *row = books.row
    cdef int32_t order[ZONES]
    cdef int32_t count, place, zone, got
    cdef bint whole = False
    if not need:
        return
    if row.uneven and (mask & (mask - 1) or row.uncore):
        books.split_known = False
    if row.sockets_first:
        need = take_sockets(books, mask, need)
    count = zone_order(books, mask, order)
    for place in range(count):
        zone = order[place]
        if books.pool[zone] == row.zone[zone].total and need >= row.zone[zone].total:
            need -= row.zone[zone].total
            books.pool[zone] = books.cores[zone] = 0
            whole = True
    if not need:
        return
    if whole:
        count = zone_order(books, mask, order)
    if count > 1 and need < pool_of(books, mask):
        if row.spread:
            books.split_known = books.split_known and not uncore and not share_sockets(row, order, count)
        else:
            books.split_known = books.split_known and books.cores_known and not uncore
    if uncore or row.spread:
        books.cores_known = False
    if not row.spread:
        for place in range(count):
            zone = order[place]
            got = min(books.cores[zone], whole_cores(need, row.threads))
            books.cores[zone] -= got
            books.pool[zone] -= got * row.threads
            need -= got * row.threads
        if not need:
            return
        count = zone_order(books, mask, order)
    for place in range(count):
        zone = order[place]
        got = min(need, books.pool[zone])
        need -= got
        take_singles(books, zone, got)


cdef inline void take(Books *books, uint32_t mask, int32_t need) noexcept nogil:
    cdef const Row *row = books.row
    cdef int32_t order[ZONES]
    cdef int32_t count, place, turns
    cdef int32_t turn_zone[3 * ZONES]
    cdef int32_t turn_cpus[3 * ZONES]
    cdef int32_t group
    if not need:
        return
    if row.distribute:
        group = row.threads if row.full_pcpus_only else 1
        count = zone_order(books, mask, order)
        if count > MAX_DISTRIBUTED:
            if need % group == 0:
                books.split_known = False
        elif need % group == 0:
            turns = distribution(
                order, count, books.pool, row.total, row.bearing_count, need, group, turn_zone, turn_cpus
            )
            books.split_known = books.split_known and not (row.align_by_socket and count > 1)
            if turns >= 0:
                for place in range(turns):
                    pack(books, <uint32_t>1 << turn_zone[place], turn_cpus[place], False)
                return
    pack(books, mask, need, row.uncore and not row.distribute)


cdef inline uint32_t near_zones(const Row *row, uint32_t mask) noexcept nogil:
    cdef uint32_t near = 0, sockets = 0
    cdef int32_t zone
    if not row.align_by_socket:
        return mask
    for zone in range(row.zones):
        if mask >> zone & 1 and row.zone[zone].total:
            sockets |= <uint32_t>1 << row.zone[zone].socket
    for zone in range(row.zones):
        if row.zone[zone].socket >= 0 and sockets >> row.zone[zone].socket & 1:
            near |= <uint32_t>1 << zone
    return near


# Takes CPUs of one zone that has enough, where no option changes how: whole cores, then single CPUs.
cdef inline void take_here(Books *books, int32_t zone, int32_t count) noexcept nogil:
    cdef int32_t whole = min(books.cores[zone], whole_cores(count, books.row.threads))
    books.cores[zone] -= whole
    books.pool[zone] -= whole * books.row.threads
    count -= whole * books.row.threads
    if count:
        take_singles(books, zone, count)


# Takes `count` CPUs, near ones first (mask 0: no mask), and fills what each zone gave.
cdef inline int cpu_allocate(
    Books *books, int32_t count, uint32_t mask, bint regular_init, int32_t *cpus, int32_t *cores
) noexcept nogil:
    cdef const Row *row = books.row
    cdef uint32_t everywhere = (<uint32_t>1 << row.zones) - 1
    cdef uint32_t near
    cdef int32_t zone, here
    if row.uneven and not books.split_known:
        return OPTIONS_UNDECIDED
    if row.full_pcpus_only:
        if count % row.threads or count > books.physical_high:
            return SMT_ALIGNMENT
        if count > books.physical_low:
            return OPTIONS_UNDECIDED
    near = near_zones(row, mask) if row.align_by_socket else mask
    if near and not near & (near - 1) and books.pool[lowest(near)] >= count and not (row.spread or row.uncore):
        for zone in range(row.zones):
            cpus[zone] = cores[zone] = 0
        zone = lowest(near)
        cpus[zone], cores[zone] = count, books.cores[zone]
        take_here(books, zone, count)
        cores[zone] -= books.cores[zone]
    else:
        if count > pool_of(books, everywhere):
            return OPTIONS_UNDECIDED if row.uneven else NODE_CPU_SHORT
        for zone in range(row.zones):
            cpus[zone] = books.pool[zone]
            cores[zone] = books.cores[zone]
        here = 0
        if near:
            here = <int32_t>min(<int64_t>count, pool_of(books, near))
            take(books, near, here)
        take(books, everywhere, count - here)
        for zone in range(row.zones):
            cpus[zone] -= books.pool[zone]
            cores[zone] -= books.cores[zone]
    if row.full_pcpus_only:
        book_physical(books, count, cpus, cores)
    if regular_init or books.cpu_reuse:
        settle(books, cpus, cores, regular_init)
    return FITS


cdef inline void book_physical(
    Books *books, int32_t count, const int32_t *cpus, const int32_t *cores
) noexcept nogil:
    cdef int32_t zone, forced
    cdef int64_t whole = 0, reused_most = 0, reused_least = 0, singles
    for zone in range(books.row.zones):
        forced = books.reuse_low[zone] - books.pool[zone]
        whole += cores[zone]
        reused_most += min(books.reuse_high[zone], cpus[zone])
        reused_least += max(0, forced)
    singles = count - books.row.threads * whole
    books.physical_low = max(<int64_t>0, books.physical_low - (count - reused_least))
    books.physical_high -= max(<int64_t>0, count - reused_most - max(<int64_t>0, min(singles, books.odd)))


cdef inline void settle(
    Books *books, const int32_t *cpus, const int32_t *cores, bint regular_init
) noexcept nogil:
    cdef int32_t zone, pool
    books.cpu_reuse = True
    for zone in range(books.row.zones):
        pool = books.pool[zone]
        if regular_init:
            books.reuse_low[zone] = max(books.reuse_low[zone], cpus[zone])
            books.reuse_high[zone] = min(books.reuse_high[zone] + cpus[zone], pool + cpus[zone])
            books.pool[zone] = pool + cpus[zone]
            books.cores[zone] += cores[zone]
        else:
            books.reuse_low[zone] = max(0, books.reuse_low[zone] - cpus[zone])
            books.reuse_high[zone] = min(books.reuse_high[zone], pool)
