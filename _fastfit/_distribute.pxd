# CPU Manager's option `distribute-cpus-across-numa`. Rules, sources, and why sets are overwritten: _distribute_py.py. A
# set is an array of up to MAX_DISTRIBUTED zones; enumerations walk positions in lexicographic order.

from libc.math cimport INFINITY, floor, sqrt
from libc.stdint cimport int32_t, int64_t

from _fastfit._constants cimport MAX_DISTRIBUTED


cdef inline double rounded(double value) noexcept nogil:
    cdef double scaled = value * 1000
    cdef double whole = floor(scaled)
    return (whole + 1 if scaled - whole >= 0.5 else whole) / 1000


cdef inline double unevenness(const int32_t *values, int32_t count) noexcept nogil:
    cdef double mean, total = 0.0
    cdef int64_t whole = 0
    cdef int32_t place
    for place in range(count):
        whole += values[place]
    mean = rounded(<double>whole / count)
    for place in range(count):
        total += (values[place] - mean) * (values[place] - mean)
    return rounded(sqrt(total / count))


# Advances positions of a `size`-subset of `count`; False after the last.
cdef inline bint next_subset(int32_t *positions, int32_t size, int32_t count) noexcept nogil:
    cdef int32_t index = size - 1, later
    while index >= 0 and positions[index] == index + count - size:
        index -= 1
    if index < 0:
        return False
    positions[index] += 1
    for later in range(index + 1, size):
        positions[later] = positions[later - 1] + 1
    return True


cdef inline int32_t shared_from(int32_t size) noexcept nogil:
    return 3 if size == 4 else 5 if size >= 6 else size


# Overwrites the kept set by one that has the same beginning, as the kubelet does.
cdef inline void visit(int32_t *kept, const int32_t *members, int32_t size) noexcept nogil:
    cdef int32_t start = shared_from(size), place
    for place in range(start):
        if kept[place] != members[place]:
            return
    for place in range(start, size):
        kept[place] = members[place]


cdef inline bint hand_out(
    const int32_t *subset, int32_t size, int32_t *left, int32_t count, int32_t group
) noexcept nogil:
    cdef int32_t place
    cdef int64_t whole = 0
    for place in range(size):
        whole += left[subset[place]] // group * group
    if whole < count:
        return False
    while count > 0:
        for place in range(size):
            if count == 0:
                break
            if left[subset[place]] >= group:
                left[subset[place]] -= group
                count -= group
    return True


# All indexes below are places in `order`, not zones. Returns how uneven the node is; `kept_size` 0: no set was found.
cdef inline double find_rest(
    const int32_t *members, int32_t size, const int32_t *after, int32_t count, int32_t left_over, int32_t group,
    int32_t *kept, int32_t *kept_size
) noexcept nogil:
    cdef int32_t able[MAX_DISTRIBUTED]
    cdef int32_t subset[MAX_DISTRIBUTED]
    cdef int32_t positions[MAX_DISTRIBUTED]
    cdef int32_t final[MAX_DISTRIBUTED]
    cdef int32_t ables = 0, place, part
    cdef int64_t total
    cdef double best = INFINITY, score
    kept_size[0] = 0
    if not left_over:
        return unevenness(after, count)
    for place in range(size):
        if after[members[place]] >= group:
            able[ables] = members[place]
            ables += 1
    for part in range(ables, 0, -1):
        for place in range(part):
            positions[place] = place
        while True:
            total = 0
            for place in range(part):
                subset[place] = able[positions[place]]
                total += after[subset[place]]
            if kept_size[0] == part:
                visit(kept, subset, part)
            if total >= left_over:
                for place in range(count):
                    final[place] = after[place]
                if hand_out(subset, part, final, left_over, group):
                    score = unevenness(final, count)
                    if score < best:
                        best = score
                        kept_size[0] = part
                        for place in range(part):
                            kept[place] = subset[place]
            if not next_subset(positions, part, ables):
                break
    return best


# Fills zone and CPUs of every turn, in order of taking, and returns the number of turns; -1: no even split.
cdef inline int32_t distribution(
    const int32_t *order, int32_t count, const int32_t *pool, int32_t all_cpus, int32_t zones, int32_t need,
    int32_t group, int32_t *turn_zone, int32_t *turn_cpus
) noexcept nogil:
    cdef int32_t free[MAX_DISTRIBUTED]
    cdef int32_t after[MAX_DISTRIBUTED]
    cdef int32_t members[MAX_DISTRIBUTED]
    cdef int32_t positions[MAX_DISTRIBUTED]
    cdef int32_t kept[MAX_DISTRIBUTED]
    cdef int32_t rest[MAX_DISTRIBUTED]
    cdef int32_t extra[MAX_DISTRIBUTED]
    cdef int32_t extra_size = 0, rest_size = 0, kept_size, place, size, share, left_over, turns, progress
    cdef int32_t groups = (need + group - 1) // group
    cdef int32_t groups_per_zone = ((all_cpus + group - 1) // group + zones - 1) // zones
    cdef int64_t total, whole
    cdef bint able
    cdef double best, score
    for place in range(count):
        free[place] = pool[order[place]]
    for size in range((groups + groups_per_zone - 1) // groups_per_zone, min(groups, count) + 1):
        best = INFINITY
        kept_size = 0
        share = need // size // group * group
        left_over = need - share * size
        for place in range(size):
            positions[place] = place
        while True:
            total = whole = 0
            able = True
            for place in range(size):
                members[place] = positions[place]
                total += free[members[place]]
                whole += free[members[place]] // group * group
                able = able and free[members[place]] >= share
            if kept_size:
                visit(kept, members, size)
            if best == 0:
                break
            if able and total >= need and whole >= need:
                for place in range(count):
                    after[place] = free[place]
                for place in range(size):
                    after[members[place]] -= share
                score = find_rest(members, size, after, count, left_over, group, extra, &extra_size)
                if score < best:
                    best = score
                    kept_size = size
                    rest_size = extra_size
                    for place in range(size):
                        kept[place] = members[place]
                    for place in range(extra_size):
                        rest[place] = extra[place]
            if not next_subset(positions, size, count):
                break
        if not kept_size:
            continue
        turns = 0
        for place in range(size):
            if free[kept[place]] < share:
                return -1
            free[kept[place]] -= share
            if share:
                turn_zone[turns] = order[kept[place]]
                turn_cpus[turns] = share
                turns += 1
        while left_over > 0:
            progress = 0
            for place in range(rest_size):
                if left_over > 0 and free[rest[place]] >= group:
                    free[rest[place]] -= group
                    left_over -= group
                    turn_zone[turns] = order[rest[place]]
                    turn_cpus[turns] = group
                    turns += 1
                    progress = 1
            if not progress:
                return -1
        return turns
    return -1
