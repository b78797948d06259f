"""Cutting a scheduler call in two. The contract is that of the plain kernel's _wire_py.py, error texts included."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcmp, memcpy

from _fastfit._constants cimport MAX_DEPTH
from _fastfit._text cimport (
    BAD_ESCAPE, CONTROL, Cursor, HALF_PAIR, NO_PROBLEM, NO_STRING, UNFINISHED, is_at, skip_space, skip_string,
)

import json

from _fastfit.values import Scan, ScanError

__all__ = ["PROBLEMS", "scan"]

_CACHE_HINT = "set nodeCacheCapable: true for this extender"
#: The keys as Go writes them, decoded.
_KEYS = {b'"Pod"': "Pod", b'"Nodes"': "Nodes", b'"NodeNames"': "NodeNames"}
PROBLEMS = {
    NO_STRING: "a string was expected",
    UNFINISHED: "unfinished string",
    CONTROL: "control character in a string",
    BAD_ESCAPE: "bad escape",
    HALF_PAIR: "half of a surrogate pair",
}


def _error(what, Py_ssize_t at):
    return ScanError(f"{what} (byte {at})")


cdef int _string(Cursor *cursor) except -1:
    if not skip_string(cursor):
        raise _error(PROBLEMS[cursor.problem], cursor.at)
    return 0


cdef inline bint _digit(const Cursor *cursor) noexcept nogil:
    return cursor.at < cursor.length and 0x30 <= cursor.text[cursor.at] <= 0x39


cdef inline bint _word(Cursor *cursor, const char *word, Py_ssize_t length) noexcept nogil:
    if cursor.at + length > cursor.length or memcmp(cursor.text + cursor.at, word, length):
        return False
    cursor.at += length
    return True


# Past a fraction or an exponent if its digits are there; otherwise the number ends before it.
cdef inline void _digits_after(Cursor *cursor, Py_ssize_t at) noexcept nogil:
    cdef Py_ssize_t end = cursor.at
    cursor.at = at
    if not _digit(cursor):
        cursor.at = end
        return
    while _digit(cursor):
        cursor.at += 1


# Past true, false, null or a number; False if there is none.
cdef bint _skip_scalar(Cursor *cursor) noexcept nogil:
    cdef Py_ssize_t start = cursor.at
    if _word(cursor, b"true", 4) or _word(cursor, b"false", 5) or _word(cursor, b"null", 4):
        return True
    if is_at(cursor, 0x2D):
        cursor.at += 1
    if not _digit(cursor):
        cursor.at = start
        return False
    if cursor.text[cursor.at] == 0x30:
        cursor.at += 1
    else:
        while _digit(cursor):
            cursor.at += 1
    if is_at(cursor, 0x2E):
        _digits_after(cursor, cursor.at + 1)
    if is_at(cursor, 0x65) or is_at(cursor, 0x45):
        if cursor.at + 1 < cursor.length and (
            cursor.text[cursor.at + 1] == 0x2B or cursor.text[cursor.at + 1] == 0x2D
        ):
            _digits_after(cursor, cursor.at + 2)
        else:
            _digits_after(cursor, cursor.at + 1)
    return True


cdef int _value(Cursor *cursor, int depth, int max_depth) except -1:
    if is_at(cursor, 0x22):
        return _string(cursor)
    if is_at(cursor, 0x7B) or is_at(cursor, 0x5B):
        _container(cursor, depth, max_depth)
    elif not _skip_scalar(cursor):
        raise _error("a value was expected", cursor.at)
    return 0


# Past the object or array at the cursor; returns how many members it has.
cdef Py_ssize_t _container(Cursor *cursor, int depth, int max_depth) except -1:
    cdef bint is_object = is_at(cursor, 0x7B)
    cdef uint8_t closing = 0x7D if is_object else 0x5D
    cdef Py_ssize_t count = 0
    if depth > max_depth:
        raise _error(f"nested deeper than {max_depth}", cursor.at)
    cursor.at += 1
    skip_space(cursor)
    if is_at(cursor, closing):
        cursor.at += 1
        return 0
    while True:
        if is_object:
            _string(cursor)
            _colon(cursor)
        _value(cursor, depth + 1, max_depth)
        count += 1
        skip_space(cursor)
        if is_at(cursor, closing):
            cursor.at += 1
            return count
        _comma(cursor, closing)


cdef int _colon(Cursor *cursor) except -1:
    skip_space(cursor)
    if not is_at(cursor, 0x3A):
        raise _error("':' was expected", cursor.at)
    cursor.at += 1
    skip_space(cursor)
    return 0


cdef int _comma(Cursor *cursor, uint8_t closing) except -1:
    if not is_at(cursor, 0x2C):
        raise _error(f"',' or '{chr(closing)}' was expected", cursor.at)
    cursor.at += 1
    skip_space(cursor)
    return 0


cdef bint _is_ascii(const uint8_t *text, Py_ssize_t length) noexcept nogil:
    cdef uint64_t word, seen = 0
    cdef Py_ssize_t at = 0
    while at + 8 <= length:
        memcpy(&word, text + at, 8)
        seen |= word
        at += 8
    while at < length:
        seen |= text[at]
        at += 1
    return not seen & 0x8080808080808080ULL


def scan(body, Py_ssize_t max_names=20000, int max_depth=64, bytes known not None=b""):
    """Cut the body of a scheduler call into the pod and the node names, both raw; see the plain kernel."""
    cdef Cursor cursor
    cdef Py_ssize_t start, tail
    cdef bint found_any = False
    cdef bint repeats
    if not isinstance(body, bytes):
        raise TypeError("the body is bytes")
    if max_depth > MAX_DEPTH:
        raise ValueError(f"max_depth is at most {MAX_DEPTH}")
    cursor.text = <const uint8_t *>PyBytes_AS_STRING(body)
    cursor.length = PyBytes_GET_SIZE(body)
    cursor.at = 0
    cursor.problem = NO_PROBLEM
    repeats = _ends_with(body, known)
    tail = cursor.length - 1 - PyBytes_GET_SIZE(known) if repeats else cursor.length
    if not _is_ascii(cursor.text, tail):
        _check_utf8(body)
    skip_space(&cursor)
    if not is_at(&cursor, 0x7B):
        raise _error("the body is not a JSON object", cursor.at)
    if max_depth < 1:
        raise _error(f"nested deeper than {max_depth}", cursor.at)
    cursor.at += 1
    found = {}
    skip_space(&cursor)
    while not is_at(&cursor, 0x7D):
        if found_any:
            _comma(&cursor, 0x7D)
        found_any = True
        start = cursor.at
        _string(&cursor)
        literal = body[start:cursor.at]
        key = _KEYS.get(literal) or json.loads(literal)
        _colon(&cursor)
        if key in found:
            raise _error(f"{key} is given twice", start)
        start = cursor.at
        if repeats and start == tail and key == "NodeNames":
            cursor.at += PyBytes_GET_SIZE(known)
            found[key] = known
            skip_space(&cursor)
            continue
        _member(&cursor, key, max_names, max_depth)
        if key in ("Pod", "Nodes", "NodeNames"):
            found[key] = body[start:cursor.at]
        skip_space(&cursor)
    cursor.at += 1
    skip_space(&cursor)
    if cursor.at < cursor.length:
        raise _error("text after the object", cursor.at)
    return _parts(found)


cdef bint _ends_with(bytes body, bytes names):
    """Whether these names are right before the last brace, where Go writes them."""
    cdef Py_ssize_t length = PyBytes_GET_SIZE(body), size = PyBytes_GET_SIZE(names)
    cdef const char *text = PyBytes_AS_STRING(body)
    return 1 < size < length - 1 and text[length - 1] == 0x7D and not memcmp(
        text + length - 1 - size, PyBytes_AS_STRING(names), size
    )


def _check_utf8(body):
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise _error("invalid UTF-8", error.start) from None


cdef int _member(Cursor *cursor, key, Py_ssize_t max_names, int max_depth) except -1:
    cdef Py_ssize_t start = cursor.at
    cdef bint is_null = _word(cursor, b"null", 4)
    cursor.at = start
    if key == "Pod" and not is_null and not is_at(cursor, 0x7B):
        raise _error("Pod is not an object", start)
    if key == "Nodes" and not is_null:
        raise _error(f"Nodes is set: {_CACHE_HINT}", start)
    if key == "NodeNames" and not is_null:
        if not is_at(cursor, 0x5B):
            raise _error("NodeNames is not an array", start)
        if _container(cursor, 2, max_depth) > max_names:
            raise _error(f"more than {max_names} node names", start)
        return 0
    return _value(cursor, 2, max_depth)


def _parts(found):
    pod, names = found.get("Pod", b"null"), found.get("NodeNames", b"null")
    if pod == b"null":
        raise ScanError("Pod is missing")
    if names == b"null":
        raise ScanError(f"NodeNames is missing: {_CACHE_HINT}")
    return Scan(pod, names)
