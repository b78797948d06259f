# Device Manager on counts. Rules and sources: _devices_py.py.

from libc.stdint cimport int32_t, int64_t, uint32_t

from _fastfit._constants cimport DEVICE_OUTSIDE_CELLS, DEVICE_ZONE_OPEN, FITS, MAX_ZONES
from _fastfit._types cimport Accounting


# The smallest number of zones whose devices, those in use included, are enough; all zones with devices where even those
# are not.
cdef inline int32_t device_width(const Accounting *acct, int32_t name, int32_t count) noexcept nogil:
    cdef int32_t sorted_[MAX_ZONES]
    cdef int32_t zone, place, total, hosts = 0, width
    cdef int64_t together = 0
    for zone in range(acct.row.zones):
        total = acct.device_total[name][zone]
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


cdef inline bint device_offers(const Accounting *acct, int32_t name, int32_t count, uint32_t mask) noexcept nogil:
    cdef int32_t zone
    cdef int64_t available = 0
    for zone in range(acct.row.zones):
        if mask >> zone & 1:
            if not acct.device_total[name][zone] and not acct.row.devices_every_zone:
                return False
            available += acct.device_free[name][zone] + acct.device_reuse[name][zone]
        elif acct.device_reuse[name][zone]:
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
    Accounting *acct, int32_t name, int32_t count, uint32_t mask, bint regular_init
) noexcept nogil:
    cdef int32_t taken[MAX_ZONES]
    cdef int32_t zone, zones = acct.row.zones
    cdef int64_t available = 0
    cdef uint32_t everywhere = (<uint32_t>1 << zones) - 1
    for zone in range(zones):
        taken[zone] = 0
        available += acct.device_free[name][zone] + acct.device_reuse[name][zone]
    if available < count:
        return False
    count = give(acct.device_reuse[name], taken, zones, everywhere, count)
    if mask:
        count = give(acct.device_free[name], taken, zones, mask, count)
    give(acct.device_free[name], taken, zones, everywhere, count)
    if regular_init:
        for zone in range(zones):
            acct.device_reuse[name][zone] += taken[zone]
    return True


# Whether all of `count` devices come from the zones of the mask `cells`, given what was free by zone.
cdef inline int cells_code(
    const int32_t *free, int32_t zones, int32_t count, uint32_t mask, uint32_t cells
) noexcept nogil:
    cdef int64_t held, inside, taken, missing = count
    cdef int32_t zone, turn
    cdef bint sure = True
    if not mask:
        mask = (<uint32_t>1 << zones) - 1
    for turn in range(2):
        held = inside = 0
        for zone in range(zones):
            if (mask >> zone & 1) == (turn == 0):
                held += free[zone]
                if cells >> zone & 1:
                    inside += free[zone]
        taken = min(missing, held)
        if taken > inside:
            return DEVICE_OUTSIDE_CELLS
        if missing and inside != held:
            sure = False
        missing -= taken
    return FITS if sure else DEVICE_ZONE_OPEN


# See _judge_py._strict_code.
cdef inline int strict_code(const Accounting *acct, uint32_t cells) noexcept nogil:
    cdef int32_t item, name
    cdef int code, worst = FITS
    for item in range(acct.ask.part[acct.ask.main].devices):
        name = acct.ask.part[acct.ask.main].device_name[item]
        if not acct.ask.strict >> name & 1:
            continue
        code = DEVICE_ZONE_OPEN
        if acct.has_device[name]:
            code = cells_code(
                acct.main_devices[name], acct.row.zones, acct.ask.part[acct.ask.main].device[item],
                acct.main_mask, cells,
            )
        worst = max(worst, code)
    return worst


# Zones that gave a device.
cdef inline uint32_t device_zones(const Accounting *acct) noexcept nogil:
    cdef uint32_t mask = 0
    cdef int32_t item, zone, zones = acct.row.zones
    for item in range(acct.ask.devices):
        for zone in range(zones if acct.has_device[item] else 0):
            if acct.row.device_free[acct.columns.device[item] * zones + zone] > acct.device_free[item][zone]:
                mask |= <uint32_t>1 << zone
    return mask
