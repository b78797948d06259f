# The verdict on a node as a whole. Rules: _judge_py.py.

from _fastfit._constants cimport (
    CPU_MANAGER_NOT_KNOWN, CPU_MANAGER_NOT_STATIC, FIRST_REFUSAL, FITS, MAX_SET_ZONES, NO_PAGES_OF_SIZE,
    POLICY_NONE, TOO_MANY_ZONES, ZONES_NOT_REPORTED,
)
from _fastfit._types cimport Ask, Columns, Row


# The verdict that does not depend on the zones, or FITS.
cdef inline int node_code(const Row *row, const Ask *ask, const Columns *columns) noexcept nogil:
    if ask.code:
        return ask.code
    if row.code >= FIRST_REFUSAL:
        return row.code
    if row.code:
        return NO_PAGES_OF_SIZE if columns.lacks_pages and columns.knows_pages else row.code
    if row.cpu_policy_open and ask.wants_cpus:
        return NO_PAGES_OF_SIZE if columns.lacks_pages and columns.knows_pages else CPU_MANAGER_NOT_KNOWN
    if ask.dedicated and not row.cpu_static:
        return CPU_MANAGER_NOT_STATIC
    if columns.lacks_pages:
        return NO_PAGES_OF_SIZE
    if row.too_many_zones or (row.zones > MAX_SET_ZONES and (row.policy != POLICY_NONE or row.memory_static)):
        return TOO_MANY_ZONES
    if not row.zones:
        return ZONES_NOT_REPORTED
    return columns.unlisted if row.memory_static else FITS
