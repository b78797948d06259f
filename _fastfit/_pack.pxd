# Rows and asks as Python objects into their flat form; called once per change, not per fit.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Malloc
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from _fastfit._constants cimport (
    FITS, KIND_INIT, MAX_ZONES, MEMORY_NOT_REPORTED, PAGES_NOT_REPORTED, POLICY_NONE, SCOPE_POD,
)
from _fastfit._types cimport Ask, Columns, Part, Row, Zone


# Names that any zone lists, sorted: (memory, devices, pages, page sizes of the node).
cdef inline tuple schema_of(row):
    memory, devices, pages = set(), set(), set()
    for zone in row.zones:
        memory.update(zone.memory_allocatable, zone.memory_free)
        devices.update(zone.device_total)
        if zone.pages_free is not None:
            pages.update(zone.pages_free, zone.pages_most or ())
    pages.update(row.pages_together)
    return tuple(sorted(memory)), tuple(sorted(devices)), tuple(sorted(pages)), row.page_sizes


cdef inline void fill_sockets(Row *packed, row):
    cdef int32_t zone, place
    cdef int32_t[MAX_ZONES] totals
    cdef int32_t count = 0
    ranks = {socket: rank for rank, socket in enumerate(sorted({own.socket for own in row.zones if own.cpu_total}))}
    packed.sockets = <int32_t>len(ranks)
    packed.total = packed.reserved = 0
    packed.zones_with_cpus = 0
    for zone, own in enumerate(row.zones):
        packed.zone[zone].socket = ranks[own.socket] if own.cpu_total else -1
        packed.total += packed.zone[zone].total
        packed.reserved += packed.zone[zone].reserved
        if not own.cpu_total:
            continue
        packed.zones_with_cpus |= <uint32_t>1 << zone
        place = count
        while place and totals[place - 1] < packed.zone[zone].total:
            totals[place] = totals[place - 1]
            place -= 1
        totals[place] = packed.zone[zone].total
        count += 1
    packed.zones_with_cpus_count = count
    packed.sockets_first = packed.sockets < count
    packed.socket_unit = packed.total // packed.sockets if packed.sockets else 0
    for place in range(count):
        packed.widest[place] = totals[place] + (packed.widest[place - 1] if place else 0)


# A row from within_bounds() in one allocation; the caller frees it with PyMem_Free.
cdef inline Row *pack_row(row, int32_t schema, tuple names, uint64_t stamp) except NULL:
    cdef bytes name = row.name.encode()
    cdef bint too_many = len(row.zones) > MAX_ZONES
    cdef int32_t zones = 0 if too_many else <int32_t>len(row.zones)
    cdef Py_ssize_t memory = len(names[0]), devices = len(names[1]), pages = len(names[2])
    cdef Py_ssize_t wide = (2 * memory + 2 * pages) * zones + pages
    cdef Py_ssize_t narrow = (1 + 2 * devices + zones) * zones
    cdef Py_ssize_t size = sizeof(Row) + zones * sizeof(Zone) + wide * 8 + narrow * 4 + PyBytes_GET_SIZE(name)
    cdef Row *packed = <Row *>PyMem_Malloc(size)
    cdef char *place
    cdef int32_t zone, column, other
    if packed == NULL:
        raise MemoryError
    memset(packed, 0, size)
    place = <char *>packed + sizeof(Row)
    packed.allocatable = <int64_t *>place
    packed.free = packed.allocatable + memory * zones
    packed.pages = packed.free + memory * zones
    packed.pages_most = packed.pages + pages * zones
    packed.pages_together = packed.pages_most + pages * zones
    place += wide * 8
    packed.zone = <Zone *>place
    place += zones * sizeof(Zone)
    packed.widest = <int32_t *>place
    packed.device_total = packed.widest + zones
    packed.device_free = packed.device_total + devices * zones
    packed.distance = packed.device_free + devices * zones
    place += narrow * 4
    memcpy(place, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
    packed.name = place
    packed.name_length = <int32_t>PyBytes_GET_SIZE(name)
    packed.stamp = stamp
    packed.zones = zones
    packed.schema = schema
    packed.code = row.node_code
    packed.policy = row.policy
    packed.pod_scope = row.scope == SCOPE_POD
    packed.mode = row.mode
    packed.actions = row.actions
    packed.prefer_closest = row.prefer_closest
    packed.cpu_static = row.cpu_static
    packed.cpu_policy_open = not row.cpu_policy_known
    packed.memory_static = row.memory_static
    packed.memory_open = row.memory_open
    packed.full_pcpus_only = row.full_pcpus_only
    packed.align_by_socket = row.align_by_socket
    packed.spread = row.spread
    packed.distribute = row.distribute
    packed.uncore = row.uncore
    packed.uneven = row.uneven
    packed.devices_every_zone = row.devices_every_zone
    packed.too_many_zones = too_many
    packed.threads = row.threads_per_core
    packed.physical_free = row.physical_free
    packed.has_distances = zones > 0 and len(row.distances) > 0
    packed.single_zone_row = row.cpu_static and not row.memory_static and row.policy != POLICY_NONE and not (
        row.full_pcpus_only or row.align_by_socket or row.spread or row.uncore or row.uneven or row.prefer_closest
    )
    for column, key in enumerate(names[2]):
        packed.pages_together[column] = row.pages_together.get(key, -1)
    if too_many:
        return packed
    for zone, own in enumerate(row.zones):
        packed.zone[zone].total = own.cpu_total
        packed.zone[zone].free = own.cpu_free
        packed.zone[zone].cores = own.cores_free
        packed.zone[zone].reserved = own.cpu_reserved
        packed.zone[zone].blocks = own.blocks
        packed.zone[zone].group = own.group or 1 << zone
        packed.zone[zone].pages_known = own.pages_free is not None
        for column, key in enumerate(names[0]):
            packed.allocatable[column * zones + zone] = own.memory_allocatable.get(key, 0)
            packed.free[column * zones + zone] = own.memory_free.get(key, 0)
        for column, key in enumerate(names[2]):
            packed.pages[column * zones + zone] = (own.pages_free or {}).get(key, 0)
            most = own.pages_free if own.pages_most is None else own.pages_most
            packed.pages_most[column * zones + zone] = (most or {}).get(key, 0)
        for column, key in enumerate(names[1]):
            packed.device_total[column * zones + zone] = own.device_total.get(key, 0)
            packed.device_free[column * zones + zone] = own.device_free.get(key, 0)
        if packed.has_distances:
            for other in range(zones):
                packed.distance[zone * zones + other] = row.distances[zone][other]
    fill_sockets(packed, row)
    return packed


cdef inline int pack_part(Part *packed, part, tuple memory, tuple devices) except -1:
    cdef int32_t place
    packed.kind = part.kind
    packed.cpus = part.cpus
    packed.memories = <int32_t>len(part.memory)
    packed.devices = <int32_t>len(part.devices)
    for place, (name, amount) in enumerate(part.memory):
        packed.memory_name[place] = memory.index(name)
        packed.memory[place] = amount
    for place, (name, count) in enumerate(part.devices):
        packed.device_name[place] = devices.index(name)
        packed.device[place] = count
    return 0


# A derived ask; the caller frees it with PyMem_Free. Where derive() gave the verdict, only that is filled.
cdef inline Ask *pack_ask(demand, tuple memory) except NULL:
    cdef Ask *packed = <Ask *>PyMem_Malloc(sizeof(Ask))
    cdef int32_t place
    if packed == NULL:
        raise MemoryError
    memset(packed, 0, sizeof(Ask))
    packed.code = demand.code
    if packed.code:
        return packed
    ask = demand.ask
    packed.dedicated = ask.dedicated
    packed.wants_cpus = demand.wants_cpus
    packed.parts = <int32_t>len(ask.containers)
    packed.main = demand.main
    packed.memories = <int32_t>len(memory)
    packed.asks_memory = len(demand.asked_memory) > 0
    packed.devices = <int32_t>len(demand.device_names)
    packed.rank_memory = memory.index(demand.rank_name)
    packed.rank_unit = demand.rank_unit
    packed.rank_shift = demand.rank_unit.bit_length() - 1 if demand.rank_unit.bit_count() == 1 else -1
    pack_part(&packed.pod, demand.pod, memory, demand.device_names)
    for place, part in enumerate(ask.containers):
        pack_part(&packed.part[place], part, memory, demand.device_names)
    wanting = [part for part in ask.containers if part.cpus or part.devices]
    if [demand.main] == [ask.containers.index(part) for part in wanting] and not demand.pod.devices:
        if wanting[0].kind != KIND_INIT and demand.pod.cpus == wanting[0].cpus:
            packed.single_zone_cpus = wanting[0].cpus
    packed.page_sizes = <int32_t>len(ask.pages)
    for place, (_, amount) in enumerate(ask.pages):
        packed.pages[place] = amount
    if ask.cells is not None:
        packed.has_cells = 1
        packed.cell_cores = ask.cells.cores
        packed.cell_threads = ask.cells.threads
        packed.page_bytes = ask.cells.page_bytes
        packed.guest_pages, packed.partial_page_bytes = divmod(ask.cells.memory_bytes, ask.cells.page_bytes)
        packed.guest_bytes = ask.cells.memory_bytes
        packed.moving_cores = ask.cells.moving
        packed.symmetric_only = ask.cells.symmetric_only
        for name in ask.cells.strict:
            packed.strict |= <uint32_t>1 << <int32_t>demand.device_names.index(name)
        packed.boots = <int32_t>len(ask.cells.boot)
        for place, cell in enumerate(ask.cells.boot):
            packed.boot_vcpus[place], packed.boot_bytes[place] = cell
    return packed


cdef inline int32_t column_of(tuple names, name):
    return names.index(name) if name in names else -1


# The columns of an ask's resources in rows of one schema.
cdef inline void fill_columns(Columns *columns, demand, tuple memory, tuple schema):
    cdef int32_t place
    if demand.code:
        return
    for place, name in enumerate(memory):
        columns.memory[place] = column_of(schema[0], name)
        columns.memory_pages[place] = column_of(schema[2], name)
    for place, (name, _) in enumerate(demand.ask.pages):
        columns.asked_pages[place] = column_of(schema[2], name)
    for place, name in enumerate(demand.device_names):
        columns.device[place] = column_of(schema[1], name)
    columns.rank_pages = column_of(schema[2], demand.rank_name)
    columns.cell_pages = -1
    if demand.ask.cells is not None:
        columns.cell_pages = column_of(schema[2], demand.ask.cells.pages)
    columns.lacks_pages = not schema[3].issuperset(demand.page_names)
    columns.knows_pages = len(schema[3]) > 0
    columns.unlisted = FITS
    for name in demand.asked_memory:
        if name not in schema[0]:
            columns.unlisted = PAGES_NOT_REPORTED if name in demand.page_names else MEMORY_NOT_REPORTED
            break
