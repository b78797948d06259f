# CPU Manager `static` on counts. Rules and sources: _cpus_py.py.

from libc.stdint cimport int32_t, int64_t, uint32_t

from _fastfit._constants cimport FITS, MAX_DISTRIBUTED, MAX_ZONES, NODE_CPU_SHORT, OPTIONS_UNDECIDED, SMT_ALIGNMENT
from _fastfit._distribute cimport distribution
from _fastfit._types cimport Accounting, Row, lowest, popcount


cdef inline int64_t pool_of(const Accounting *acct, uint32_t mask) noexcept nogil:
    cdef int64_t total = 0
    while mask:
        total += acct.pool[lowest(mask)]
        mask &= mask - 1
    return total


# Zones that every mask must include; -1 where counts do not decide which.
cdef inline int64_t held_zones(const Accounting *acct) noexcept nogil:
    cdef int32_t zone
    cdef uint32_t held = 0
    if not acct.cpu_reuse:
        return 0
    for zone in range(acct.row.zones):
        if acct.reuse_low[zone]:
            held |= <uint32_t>1 << zone
        elif acct.reuse_high[zone]:
            return -1
    return held


# The smallest number of zones whose CPUs, reserved ones included, are enough; all of them where even those are not.
cdef inline int32_t cpu_width(const Row *row, int32_t count) noexcept nogil:
    cdef int32_t width
    for width in range(row.zones_with_cpus_count):
        if row.widest[width] >= count:
            return width + 1
    return row.zones_with_cpus_count


cdef inline int32_t sockets_of(const Row *row, uint32_t mask) noexcept nogil:
    cdef uint32_t sockets = 0
    mask &= row.zones_with_cpus  # a zone without CPUs has no socket
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
    per_socket = row.zones_with_cpus_count // row.sockets
    return sockets_of(row, mask) == (width + per_socket - 1) // per_socket


cdef inline bint cpu_offers(const Accounting *acct, uint32_t mask, int32_t count, uint32_t held) noexcept nogil:
    return not (mask & ~acct.row.zones_with_cpus) and not (held & ~mask) and pool_of(acct, mask) >= count


# Zones of the mask that have CPUs in the pool, in the allocator's order; returns how many.
cdef inline int32_t zone_order(const Accounting *acct, uint32_t mask, int32_t *order) noexcept nogil:
    cdef const Row *row = acct.row
    cdef int64_t keys[MAX_ZONES]
    cdef int32_t in_socket[MAX_ZONES]
    cdef int32_t zone, place, count = 0
    cdef uint32_t left = mask
    cdef int64_t key
    if row.sockets_first:
        for zone in range(row.sockets):
            in_socket[zone] = 0
        while left:
            zone = lowest(left)
            left &= left - 1
            if acct.pool[zone]:
                in_socket[row.zone[zone].socket] += acct.pool[zone]
    left = mask
    while left:
        zone = lowest(left)
        left &= left - 1
        if not acct.pool[zone]:
            continue
        # Five bits tell MAX_ZONES zones and sockets apart; CPUs of a zone need 17 (_rows.py).
        key = (<int64_t>acct.pool[zone] << 5) | zone
        if row.sockets_first:
            key |= ((<int64_t>in_socket[row.zone[zone].socket] << 5) | row.zone[zone].socket) << 26
        place = count
        while place and keys[place - 1] > key:
            keys[place] = keys[place - 1]
            place -= 1
        keys[place] = key
        count += 1
    for place in range(count):
        order[place] = keys[place] & 31
    return count


cdef inline int32_t whole_cores(int32_t cpus, int32_t threads) noexcept nogil:
    if threads == 2:
        return cpus >> 1
    return cpus if threads == 1 else cpus // threads


cdef inline void take_singles(Accounting *acct, int32_t zone, int32_t count) noexcept nogil:
    cdef int32_t threads = acct.row.threads
    cdef int32_t partly = acct.pool[zone] - acct.cores[zone] * threads
    acct.pool[zone] -= count
    if count > partly:
        acct.cores[zone] -= whole_cores(count - partly + threads - 1, threads)


cdef inline int32_t take_sockets(Accounting *acct, uint32_t mask, int32_t need) noexcept nogil:
    cdef const Row *row = acct.row
    cdef int32_t socket, zone, total
    cdef int64_t pool
    for socket in range(row.sockets):
        pool = total = 0
        for zone in range(row.zones):
            if row.zone[zone].socket == socket:
                total += row.zone[zone].total
                if mask >> zone & 1:
                    pool += acct.pool[zone]
        if pool == row.socket_unit and total == row.socket_unit and need >= total:
            need -= total
            for zone in range(row.zones):
                if row.zone[zone].socket == socket and mask >> zone & 1:
                    acct.pool[zone] = acct.cores[zone] = 0
    return need


cdef inline bint share_sockets(const Row *row, const int32_t *zones, int32_t count) noexcept nogil:
    cdef uint32_t sockets = 0
    cdef int32_t place
    for place in range(count):
        sockets |= <uint32_t>1 << row.zone[zones[place]].socket
    return popcount(sockets) < count


cdef inline void pack(Accounting *acct, uint32_t mask, int32_t need, bint uncore) noexcept nogil:
    cdef const Row *row = acct.row
    cdef int32_t order[MAX_ZONES]
    cdef int32_t count, place, zone, got
    cdef bint whole = False
    if not need:
        return
    if row.uneven and (mask & (mask - 1) or row.uncore):
        acct.split_known = False
    if row.sockets_first:
        need = take_sockets(acct, mask, need)
    count = zone_order(acct, mask, order)
    for place in range(count):
        zone = order[place]
        if acct.pool[zone] == row.zone[zone].total and need >= row.zone[zone].total:
            need -= row.zone[zone].total
            acct.pool[zone] = acct.cores[zone] = 0
            whole = True
    if not need:
        return
    if whole:
        count = zone_order(acct, mask, order)
    if count > 1 and need < pool_of(acct, mask):
        if row.spread:
            acct.split_known = acct.split_known and not uncore and not share_sockets(row, order, count)
        else:
            acct.split_known = acct.split_known and acct.cores_known and not uncore
    if uncore or row.spread:
        acct.cores_known = False
    if not row.spread:
        for place in range(count):
            zone = order[place]
            got = min(acct.cores[zone], whole_cores(need, row.threads))
            acct.cores[zone] -= got
            acct.pool[zone] -= got * row.threads
            need -= got * row.threads
        if not need:
            return
        count = zone_order(acct, mask, order)
    for place in range(count):
        zone = order[place]
        got = min(need, acct.pool[zone])
        need -= got
        take_singles(acct, zone, got)


cdef inline void take(Accounting *acct, uint32_t mask, int32_t need) noexcept nogil:
    cdef const Row *row = acct.row
    cdef int32_t order[MAX_ZONES]
    cdef int32_t count, place, turns
    cdef int32_t turn_zone[3 * MAX_ZONES]
    cdef int32_t turn_cpus[3 * MAX_ZONES]
    cdef int32_t group
    if not need:
        return
    if row.distribute:
        group = row.threads if row.full_pcpus_only else 1
        count = zone_order(acct, mask, order)
        if count > MAX_DISTRIBUTED:
            if need % group == 0:
                acct.split_known = False
        elif need % group == 0:
            turns = distribution(
                order, count, acct.pool, row.total, row.zones_with_cpus_count, need, group, turn_zone, turn_cpus
            )
            acct.split_known = acct.split_known and not (row.align_by_socket and count > 1)
            if turns >= 0:
                for place in range(turns):
                    pack(acct, <uint32_t>1 << turn_zone[place], turn_cpus[place], False)
                return
    pack(acct, mask, need, row.uncore and not row.distribute)


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
cdef inline void take_in_zone(Accounting *acct, int32_t zone, int32_t count) noexcept nogil:
    cdef int32_t whole = min(acct.cores[zone], whole_cores(count, acct.row.threads))
    acct.cores[zone] -= whole
    acct.pool[zone] -= whole * acct.row.threads
    count -= whole * acct.row.threads
    if count:
        take_singles(acct, zone, count)


# Takes `count` CPUs, those of the mask first (0: no mask), and fills what each zone gave.
cdef inline int cpu_allocate(
    Accounting *acct, int32_t count, uint32_t mask, bint regular_init, int32_t *cpus, int32_t *cores
) noexcept nogil:
    cdef const Row *row = acct.row
    cdef uint32_t everywhere = (<uint32_t>1 << row.zones) - 1
    cdef uint32_t near
    cdef int32_t zone, here
    cdef bint decided = not row.uneven or count > row.total
    if not decided and not acct.split_known:
        return OPTIONS_UNDECIDED
    if row.full_pcpus_only:
        if count % row.threads or count > acct.physical_high:
            return SMT_ALIGNMENT
        if count > acct.physical_low:
            return OPTIONS_UNDECIDED
    near = near_zones(row, mask) if row.align_by_socket else mask
    if near and not near & (near - 1) and acct.pool[lowest(near)] >= count and not (row.spread or row.uncore):
        for zone in range(row.zones):
            cpus[zone] = cores[zone] = 0
        zone = lowest(near)
        cpus[zone], cores[zone] = count, acct.cores[zone]
        take_in_zone(acct, zone, count)
        cores[zone] -= acct.cores[zone]
    else:
        if count > pool_of(acct, everywhere):
            return NODE_CPU_SHORT if decided else OPTIONS_UNDECIDED
        for zone in range(row.zones):
            cpus[zone] = acct.pool[zone]
            cores[zone] = acct.cores[zone]
        here = 0
        if near:
            here = <int32_t>min(<int64_t>count, pool_of(acct, near))
            take(acct, near, here)
        take(acct, everywhere, count - here)
        for zone in range(row.zones):
            cpus[zone] -= acct.pool[zone]
            cores[zone] -= acct.cores[zone]
    if row.full_pcpus_only:
        narrow_physical(acct, count, cpus, cores)
    if regular_init or acct.cpu_reuse:
        pass_on(acct, cpus, cores, regular_init)
    return FITS


cdef inline void narrow_physical(
    Accounting *acct, int32_t count, const int32_t *cpus, const int32_t *cores
) noexcept nogil:
    cdef int32_t zone, forced
    cdef int64_t whole = 0, reused_most = 0, reused_least = 0, singles
    for zone in range(acct.row.zones):
        forced = acct.reuse_low[zone] - acct.pool[zone]
        whole += cores[zone]
        reused_most += min(acct.reuse_high[zone], cpus[zone])
        reused_least += max(0, forced)
    singles = count - acct.row.threads * whole
    acct.physical_low = max(<int64_t>0, acct.physical_low - (count - reused_least))
    acct.physical_high -= max(<int64_t>0, count - reused_most - max(<int64_t>0, min(singles, acct.beside_reserved)))


cdef inline void pass_on(
    Accounting *acct, const int32_t *cpus, const int32_t *cores, bint regular_init
) noexcept nogil:
    cdef int32_t zone, pool
    acct.cpu_reuse = True
    for zone in range(acct.row.zones):
        pool = acct.pool[zone]
        if regular_init:
            acct.reuse_low[zone] = max(acct.reuse_low[zone], cpus[zone])
            acct.reuse_high[zone] = min(acct.reuse_high[zone] + cpus[zone], pool + cpus[zone])
            acct.pool[zone] = pool + cpus[zone]
            acct.cores[zone] += cores[zone]
        else:
            acct.reuse_low[zone] = max(0, acct.reuse_low[zone] - cpus[zone])
            acct.reuse_high[zone] = min(acct.reuse_high[zone], pool)
