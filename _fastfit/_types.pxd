# The flat form of rows and asks, which _pack.pxd fills. Loops over these check nothing: _rows.within_bounds() and
# _demand.derive() guarantee sizes and signs (MAX_ZONES, MAX_RESOURCES of a kind, amounts far from 64 bits).

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from _fastfit._constants cimport MAX_CONTAINERS, MAX_MEMORIES, MAX_RESOURCES, MAX_ZONES

# One host NUMA node. `socket` is the rank of its socket among those with CPUs, -1 without CPUs.
cdef struct Zone:
    int32_t total
    int32_t free
    int32_t cores
    int32_t reserved
    int32_t socket
    int32_t blocks
    uint32_t group
    uint32_t pages_known

# A node. The arrays behind the pointers lie in the same allocation; columns are [resource][zone].
cdef struct Row:
    uint64_t stamp
    uint64_t actions        # see codes.pack_actions
    int32_t zones
    int32_t schema
    uint8_t code
    uint8_t policy
    uint8_t pod_scope
    uint8_t mode
    uint8_t prefer_closest
    uint8_t cpu_static
    uint8_t cpu_policy_open     # CPU Manager's policy is not known
    uint8_t memory_static
    uint8_t memory_open         # see model.Row
    uint8_t full_pcpus_only
    uint8_t align_by_socket
    uint8_t spread
    uint8_t distribute
    uint8_t uncore
    uint8_t uneven
    uint8_t devices_every_zone
    uint8_t sockets_first
    uint8_t has_distances
    uint8_t too_many_zones
    uint8_t single_zone_row     # only CPUs are pinned to zones, no option changes which: for admit_single_zone()
    int32_t threads
    int32_t physical_free
    int32_t sockets
    int32_t socket_unit
    int32_t total
    int32_t reserved
    uint32_t zones_with_cpus
    int32_t zones_with_cpus_count
    int32_t name_length
    const char *name
    Zone *zone
    int32_t *widest         # [k]: CPUs of the k+1 largest zones
    int64_t *allocatable
    int64_t *free
    int64_t *pages          # free for certain
    int64_t *pages_most     # free at most
    int64_t *pages_together     # [resource]: of all zones; -1: not known
    int32_t *device_total
    int32_t *device_free
    int32_t *distance

# A container's request. Resources are indexes into the ask's sorted names.
cdef struct Part:
    int32_t kind
    int32_t cpus
    int32_t memories
    int32_t devices
    int32_t memory_name[MAX_RESOURCES]
    int64_t memory[MAX_RESOURCES]
    int32_t device_name[MAX_RESOURCES]
    int32_t device[MAX_RESOURCES]

cdef struct Ask:
    int32_t code
    int32_t dedicated
    int32_t wants_cpus          # dedicated, or a container asks for exclusive CPUs
    int32_t parts
    int32_t main
    int32_t memories
    int32_t asks_memory     # more than nothing of some memory resource
    int32_t devices
    int32_t single_zone_cpus    # CPUs of the main container if no other asks for CPUs and none for devices; else 0
    int32_t rank_memory     # the resource that ranks, as index into the memory names; it may not be asked for
    int64_t rank_unit
    int32_t rank_shift      # binary logarithm of rank_unit, -1 where it is no power of two
    int32_t has_cells
    int64_t cell_cores
    int64_t cell_threads
    int64_t page_bytes
    int64_t guest_pages
    int64_t partial_page_bytes  # guest memory beyond whole pages
    int64_t guest_bytes
    int64_t moving_cores    # 0: a boot
    int32_t boots           # cells of a moving guest's boot, or of a boot's last layout; 0: not known
    int32_t symmetric_only
    uint32_t strict         # devices, by index, that must lie in zones with a vCPU
    int32_t page_sizes      # of the whole pod's huge pages
    int64_t pages[MAX_RESOURCES]
    int64_t boot_vcpus[MAX_ZONES]
    int64_t boot_bytes[MAX_ZONES]
    Part pod
    Part part[MAX_CONTAINERS]

# The columns of an ask's resources in all rows that list the same resources; -1: such rows do not list it.
cdef struct Columns:
    int32_t memory[MAX_MEMORIES]
    int32_t device[MAX_RESOURCES]
    int32_t memory_pages[MAX_MEMORIES]  # columns of huge pages by memory name
    int32_t asked_pages[MAX_RESOURCES]
    int32_t cell_pages
    int32_t rank_pages
    int32_t lacks_pages
    int32_t knows_pages
    int32_t unlisted        # the code of a memory resource that is asked for and that such rows do not list, or FITS

# Memory that a regular init container leaves to later containers on the same mask.
cdef struct Reuse:
    uint32_t mask
    int32_t name
    int64_t bytes

# What the row's zones still have while one pod is being admitted; fields as in the plain kernel's *Accounting.
cdef struct Accounting:
    const Row *row
    const Ask *ask
    const Columns *columns
    int32_t pool[MAX_ZONES]
    int32_t cores[MAX_ZONES]
    int32_t reuse_low[MAX_ZONES]
    int32_t reuse_high[MAX_ZONES]
    int64_t physical_low
    int64_t physical_high
    int64_t beside_reserved
    bint split_known
    bint cores_known
    bint cpu_reuse
    const int64_t *allocatable[MAX_MEMORIES]
    int64_t free[MAX_MEMORIES][MAX_ZONES]
    int32_t blocks[MAX_ZONES]
    uint32_t group[MAX_ZONES]
    int32_t reuses
    Reuse reuse[MAX_CONTAINERS * MAX_RESOURCES]
    int32_t has_device[MAX_RESOURCES]
    const int32_t *device_total[MAX_RESOURCES]
    int32_t device_free[MAX_RESOURCES][MAX_ZONES]
    int32_t device_reuse[MAX_RESOURCES][MAX_ZONES]
    int32_t main_cpus[MAX_ZONES]
    int32_t main_cores[MAX_ZONES]
    bint pages_doubtful
    uint32_t main_memory
    uint32_t main_mask      # the mask that Device Manager was given for the main container; 0: none
    int32_t main_devices[MAX_RESOURCES][MAX_ZONES]  # the devices it could choose from
    int64_t no_bytes[MAX_ZONES]

# A verdict. All fields but code and stamp mean something only where the pod fits.
cdef struct Answer:
    int64_t key
    uint64_t stamp
    uint32_t split      # of a boot's guest cells, see _cells_py.split_of
    uint32_t mask
    uint8_t code
    uint8_t cells

cdef struct BlockOut:
    int32_t part
    int32_t name
    uint32_t mask
    int64_t bytes

cdef struct CellOut:
    int32_t zone
    int64_t vcpus
    int64_t bytes

# What a pod would get, for Placement; not filled in the loop over a table.
cdef struct Detail:
    int32_t held[MAX_ZONES]
    int32_t has_device[MAX_RESOURCES]
    int32_t devices[MAX_RESOURCES][MAX_ZONES]
    bint exact
    int32_t blocks
    BlockOut block[MAX_CONTAINERS * MAX_RESOURCES]
    int32_t cells
    CellOut cell[MAX_ZONES]

cdef extern from *:
    int __builtin_popcount(unsigned int) noexcept nogil
    int __builtin_ctz(unsigned int) noexcept nogil


cdef inline int32_t popcount(uint32_t mask) noexcept nogil:
    return __builtin_popcount(mask)


# Position of the lowest bit; the mask is not 0.
cdef inline int32_t lowest(uint32_t mask) noexcept nogil:
    return __builtin_ctz(mask)


# The next larger mask with as many bits; the mask is not 0.
cdef inline uint32_t next_mask(uint32_t mask) noexcept nogil:
    cdef uint32_t low = mask & (~mask + 1)
    cdef uint32_t ripple = mask + low
    return (((ripple ^ mask) >> 2) >> __builtin_ctz(low)) | ripple
