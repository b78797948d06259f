# The flat form of rows and asks, as _fit.pyx packs them. All loops over these trust the sizes and signs that
# _rows.trusted() and _demand.derive() guarantee: at most 16 zones, 8 resources of a kind, amounts far from 64 bits.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    ZONES = 16
    RESOURCES = 8
    MEMORIES = 9        # asked memory resources and the one that ranks
    CONTAINERS = 64

cdef enum:
    FITS = 0
    ZONES_NOT_REPORTED = 2
    TOO_MANY_ZONES = 5
    OPTIONS_UNDECIDED = 7
    PAGES_NOT_REPORTED = 11
    INIT_CONTAINER_CPUS = 12
    DEVICE_ZONE_OPEN = 17
    FIRST_REFUSED = 32
    CPU_MANAGER_NOT_STATIC = 33
    NO_PAGES_OF_SIZE = 34
    NODE_CPU_SHORT = 36
    ZONE_CPU_SHORT = 37
    NEVER_FITS_ZONE = 38
    ZONES_DISAGREE = 39
    ZONE_MEMORY_SHORT = 40
    MEMORY_GROUP_CONFLICT = 41
    SMT_ALIGNMENT = 42
    DEVICE_ZONE_SHORT = 43
    ZONE_PAGES_SHORT = 44
    CORE_SPLIT = 45
    GUEST_MEMORY_PAGES = 46
    MORE_ZONES_THAN_CELLS = 48
    NOT_SYMMETRIC = 49
    DEVICE_OUTSIDE_CELLS = 67

cdef enum:
    NONE = 0
    BEST_EFFORT = 1
    RESTRICTED = 2
    SINGLE_NUMA_NODE = 3

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
    uint64_t actions        # two bits per unknown code, see codes.pack_actions
    int32_t zones
    int32_t schema
    uint8_t code
    uint8_t policy
    uint8_t pod_scope
    uint8_t mode
    uint8_t prefer_closest
    uint8_t cpu_static
    uint8_t memory_static
    uint8_t full_pcpus_only
    uint8_t align_by_socket
    uint8_t spread
    uint8_t distribute
    uint8_t uncore
    uint8_t uneven
    uint8_t sockets_first
    uint8_t has_distances
    uint8_t too_many_zones
    uint8_t lone            # zones bind CPUs alone here, and no option changes which are taken
    int32_t threads
    int32_t physical_free
    int32_t sockets
    int32_t socket_unit
    int32_t total
    int32_t reserved
    uint32_t bearing
    int32_t bearing_count
    int32_t name_length
    const char *name
    Zone *zone
    int32_t *widest         # [k]: CPUs of the k+1 largest zones
    int64_t *allocatable
    int64_t *free
    int64_t *pages
    int32_t *device_total
    int32_t *device_free
    int32_t *distance

# The kind of a regular init container, see model.ContainerAsk.
cdef enum:
    INIT = 0

# A container's request. Resources are indexes into the ask's sorted names.
cdef struct Part:
    int32_t kind
    int32_t cpus
    int32_t memories
    int32_t devices
    int32_t memory_name[RESOURCES]
    int64_t memory[RESOURCES]
    int32_t device_name[RESOURCES]
    int32_t device[RESOURCES]

cdef struct Ask:
    int32_t code
    int32_t dedicated
    int32_t parts
    int32_t main
    int32_t memories
    int32_t devices
    int32_t lone_cpus       # of the only container that wants CPUs, the main one, where no device is wanted; else 0
    int32_t rank_memory     # index into the memory names, the last of which may be only ranked
    int64_t rank_unit
    int32_t rank_shift      # its logarithm, -1 where it is no power of two
    int32_t has_cells
    int64_t cell_cores
    int64_t cell_threads
    int64_t page_bytes
    int64_t guest_pages
    int64_t odd_bytes       # guest memory beyond whole pages
    int64_t guest_bytes
    int64_t moving_cores    # 0: a boot
    int32_t boots           # cells of a moving guest's boot, or of the run before a boot; 0: not known
    int32_t symmetric_only
    uint32_t strict         # devices, by index, that must lie in zones with a vCPU
    int64_t boot_vcpus[ZONES]
    int64_t boot_bytes[ZONES]
    Part pod
    Part part[CONTAINERS]

# Where the names of an ask stand in the columns of all rows that list the same resources; -1: not there.
cdef struct Columns:
    int32_t memory[MEMORIES]
    int32_t device[RESOURCES]
    int32_t cell_pages
    int32_t rank_pages
    int32_t lacks_pages
    int32_t knows_pages

# Memory that a regular init container leaves to later ones on the same mask.
cdef struct Reuse:
    uint32_t mask
    int32_t name
    int64_t bytes

# What the row's zones still have while one pod is being admitted; see the twins' *Books.
cdef struct Books:
    const Row *row
    const Ask *ask
    const Columns *columns
    int32_t pool[ZONES]
    int32_t cores[ZONES]
    int32_t reuse_low[ZONES]
    int32_t reuse_high[ZONES]
    int64_t physical_low
    int64_t physical_high
    int64_t odd
    bint split_known
    bint cores_known
    bint cpu_reuse
    const int64_t *allocatable[MEMORIES]
    int64_t free[MEMORIES][ZONES]
    int32_t blocks[ZONES]
    uint32_t group[ZONES]
    int32_t reuses
    Reuse reuse[CONTAINERS * RESOURCES]
    int32_t has_device[RESOURCES]
    const int32_t *device_total[RESOURCES]
    int32_t device_free[RESOURCES][ZONES]
    int32_t device_reuse[RESOURCES][ZONES]
    int32_t main_cpus[ZONES]
    int32_t main_cores[ZONES]
    uint32_t main_memory
    uint32_t main_mask      # what the Device Manager was told for the main container; 0: nothing
    int32_t main_devices[RESOURCES][ZONES]  # what it could choose from
    int64_t no_bytes[ZONES]

# A verdict. Beyond the code it means something only where the pod fits.
cdef struct Answer:
    int64_t key
    uint64_t stamp
    uint32_t split      # of a boot's guest cells, see _cells_py.split_of
    uint16_t mask
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

# Where a pod lands, for placements; not filled in the loop over a table.
cdef struct Detail:
    int32_t held[ZONES]
    int32_t has_device[RESOURCES]
    int32_t devices[RESOURCES][ZONES]
    bint exact
    int32_t blocks
    BlockOut block[CONTAINERS * RESOURCES]
    int32_t cells
    CellOut cell[ZONES]

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
