# Numbers of the Python modules, for the compiled kernel. Made by `python tools/generate_constants.py`: to change one,
# change it in the module and run that.

# codes.Code
cdef enum:
    FITS = 0
    NODE_NOT_SEEN = 1
    ZONES_NOT_REPORTED = 2
    REPORT_STALE = 3
    POLICY_NOT_KNOWN = 4
    TOO_MANY_ZONES = 5
    REPORT_CONTRADICTS_PODS = 6
    OPTIONS_UNDECIDED = 7
    POD_LEVEL_RESOURCES = 8
    GROUPS_NOT_KNOWN = 9
    FACTS_UNREADABLE = 10
    PAGES_NOT_REPORTED = 11
    INIT_CONTAINER_CPUS = 12
    TOO_MANY_RESOURCES = 13
    DEMAND_UNREADABLE = 14
    FACTS_CONTRADICT = 15
    MOVER_NOT_KNOWN = 16
    DEVICE_ZONE_OPEN = 17
    CPU_MANAGER_NOT_KNOWN = 18
    NOT_CHECKED = 19
    CPUS_NOT_REPORTED = 20
    MEMORY_NOT_REPORTED = 21
    MEMORY_MANAGER_NOT_KNOWN = 22
    OPTION_NOT_KNOWN = 23
    REPORT_UNREADABLE = 24
    NO_EXCLUSIVE_CPUS = 25
    NOT_SCHEDULABLE = 32
    CPU_MANAGER_NOT_STATIC = 33
    NO_PAGES_OF_SIZE = 34
    KUBELET_CANNOT_START = 35
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
    REFUSED_BEFORE = 47
    MORE_ZONES_THAN_CELLS = 48
    NOT_SYMMETRIC = 49
    ORDER_UNDECIDED = 62
    PROBE_UNDER_WAY = 63
    LAUNCHER_CPUS_SHORT = 65
    MIGRATION_FAILED_BEFORE = 66
    DEVICE_OUTSIDE_CELLS = 67
    NOT_GUARANTEED = 68
    NODE_RESOURCES_SHORT = 70
    LAUNCHER_PAGES_SHORT = 71

# codes.Policy
cdef enum:
    POLICY_NONE = 0
    POLICY_BEST_EFFORT = 1
    POLICY_RESTRICTED = 2
    POLICY_SINGLE_NUMA_NODE = 3

# codes.Scope
cdef enum:
    SCOPE_CONTAINER = 0
    SCOPE_POD = 1

# codes.Mode
cdef enum:
    MODE_ENFORCE = 0
    MODE_SCORE = 1
    MODE_OBSERVE = 2

# codes.OnUnknown
cdef enum:
    ON_UNKNOWN_KEEP = 0
    ON_UNKNOWN_REFUSE = 1
    ON_UNKNOWN_ERROR = 2

# codes.ContainerKind
cdef enum:
    KIND_INIT = 0
    KIND_SIDECAR = 1
    KIND_APP = 2

# codes.py
cdef enum:
    FIRST_REFUSAL = 32
    ACTION_BITS = 2

# model.py
cdef enum:
    MAX_ZONES = 31
    MAX_SET_ZONES = 16
    MAX_NAME = 253

# _demand.py
cdef enum:
    MAX_CONTAINERS = 64
    MAX_RESOURCES = 8
    MAX_MEMORIES = 9

# _cpus_py.py
cdef enum:
    MAX_DISTRIBUTED = 8

# _cells_py.py
cdef enum:
    SPLIT_FACTOR = 506952113

# _key_py.py
cdef enum:
    CPUS_AT = 25
    DEVICES_AT = 39
    DISTANCE_AT = 40
    LAYOUT_AT = 48
    CELLS_AT = 50
    LOCALITY_AT = 55
    PAGES_TOP = 33554431
    CPUS_TOP = 16383
    DISTANCE_TOP = 255
    LAYOUT_TOP = 3
    CELLS_TOP = 31
    LOCALITY_TOP = 255
    LAYOUT_UNEVEN = 1
    LAYOUT_EVEN = 2
    LAYOUT_REPEATED = 3

# _possible_py.py
cdef enum:
    UNTOLD = 1125899906842624

# _fit_py.py
cdef enum:
    QUERIES_KEPT = 64
    SCORED = 100

# _wire_py.py
cdef enum:
    MAX_DEPTH = 256
