# Reply bytes from the names of a fit, each in one allocation. Plain kernel: write_filter() and write_scores().

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, uint32_t
from libc.string cimport memcpy

from _fastfit._names cimport CODES, Name, SURVIVES


cdef inline char *copy(char *out, const char *source, Py_ssize_t length) noexcept nogil:
    memcpy(out, source, length)
    return out + length


cdef inline char *put(char *out, char byte) noexcept nogil:
    out[0] = byte
    return out + 1


# The survivors' literals; those that are adjacent in the request are copied together.
cdef inline char *put_names(char *out, const char *request, const Name *names, int32_t total) noexcept nogil:
    cdef int32_t index
    cdef uint32_t start = 0, end = 0
    cdef bint more = False
    for index in range(total):
        if not names[index].state & SURVIVES:
            continue
        if more and names[index].start == end + 1:
            end = names[index].start + names[index].length
            continue
        if more:
            out = put(copy(out, request + start, end - start), 0x2C)
        start, end, more = names[index].start, names[index].start + names[index].length, True
    return copy(out, request + start, end - start)


cdef inline char *put_failures(
    char *out, const char *request, const Name *names, int32_t total, const char **texts, const Py_ssize_t *lengths
) noexcept nogil:
    cdef int32_t index
    cdef bint more = False
    for index in range(total):
        if names[index].state & SURVIVES:
            continue
        if more:
            out = put(out, 0x2C)
        more = True
        out = put(copy(out, request + names[index].start, names[index].length), 0x3A)
        out = copy(out, texts[names[index].code], lengths[names[index].code])
    return out


# ExtenderFilterResult; `texts` has a JSON string for every code.
cdef inline bytes filter_bytes(
    const char *request, const Name *names, int32_t total, int32_t survivors, list texts, bint failures
):
    cdef const char *head = b'{"NodeNames":['
    cdef const char *middle = b'],"FailedAndUnresolvableNodes":{'
    cdef const char *tail = b'},"Error":""}'
    cdef const char *text[CODES]
    cdef Py_ssize_t length[CODES]
    cdef Py_ssize_t size = 14 + 32 + 13
    cdef int32_t index
    cdef bytes one, reply
    cdef char *out
    for index in range(CODES):
        one = texts[index]
        text[index] = PyBytes_AS_STRING(one)
        length[index] = PyBytes_GET_SIZE(one)
    for index in range(total):
        if names[index].state & SURVIVES:
            size += names[index].length + 1
        elif failures:
            size += names[index].length + length[names[index].code] + 2
    # One comma too many for each list that is not empty.
    size -= (survivors > 0) + (failures and survivors < total)
    reply = PyBytes_FromStringAndSize(NULL, size)
    out = copy(PyBytes_AS_STRING(reply), head, 14)
    out = copy(put_names(out, request, names, total), middle, 32)
    if failures:
        out = put_failures(out, request, names, total, text, length)
    copy(out, tail, 13)
    return reply


# HostPriorityList of (place of the name, score 1 to 10).
cdef inline bytes score_bytes(const char *request, const Name *names, list scores):
    cdef const char *head = b'{"Host":'
    cdef const char *middle = b',"Score":'
    cdef Py_ssize_t size = 1
    cdef int32_t index, score
    cdef bytes reply
    cdef char *out
    for index, score in scores:
        size += names[index].length + 8 + 9 + 1 + (score == 10) + 2
    reply = PyBytes_FromStringAndSize(NULL, size + (not scores))
    out = put(PyBytes_AS_STRING(reply), 0x5B)
    for index, score in scores:
        out = copy(out, head, 8)
        out = copy(out, request + names[index].start, names[index].length)
        out = copy(out, middle, 9)
        if score == 10:
            out = put(out, 0x31)
        out = put(put(put(out, <char>(0x30 + score % 10)), 0x7D), 0x2C)
    # The last comma becomes the bracket.
    put(out - 1 if scores else out, 0x5D)
    return reply
