# Walking JSON text, eight bytes at a time where none of them is special. Plain kernel: _wire_py.py.

cimport cython
from libc.stdint cimport uint8_t, uint64_t

cdef enum Problem:
    NO_PROBLEM = 0
    NO_STRING = 1
    UNFINISHED = 2
    CONTROL = 3
    BAD_ESCAPE = 4
    HALF_PAIR = 5

# A cursor over text of known length. After a problem `at` is the offset for the error's text.
cdef struct Cursor:
    const uint8_t *text
    Py_ssize_t length
    Py_ssize_t at
    int problem
    bint escaped        # the last string had an escape
    bint wide           # the last string had a byte beyond ASCII


cdef inline void skip_space(Cursor *cursor) noexcept nogil:
    cdef uint8_t byte
    while cursor.at < cursor.length:
        byte = cursor.text[cursor.at]
        if byte != 0x20 and byte != 0x0A and byte != 0x0D and byte != 0x09:
            return
        cursor.at += 1


cdef inline bint is_at(const Cursor *cursor, uint8_t byte) noexcept nogil:
    return cursor.at < cursor.length and cursor.text[cursor.at] == byte


cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    /* Eight bytes of text, the first of them lowest on every machine. */
    static inline uint64_t fastfit_word(const uint8_t *text) {
        uint64_t word;
        memcpy(&word, text, 8);
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
    #endif
        return word;
    }
    """
    uint64_t word_at "fastfit_word" (const uint8_t *text) noexcept nogil
    int __builtin_ctzll(unsigned long long) noexcept nogil


# Flags quotes, backslashes and bytes below 0x20 among eight bytes. Borrows may wrongly flag a byte above a true hit,
# never one below it; so the lowest flag is right.
@cython.overflowcheck(False)
cdef inline uint64_t special(uint64_t word) noexcept nogil:
    cdef uint64_t ones = 0x0101010101010101ULL
    cdef uint64_t quote = word ^ 0x2222222222222222ULL
    cdef uint64_t slash = word ^ 0x5C5C5C5C5C5C5C5CULL
    return (
        ((quote - ones) & ~quote) | ((slash - ones) & ~slash) | ((word - 0x2020202020202020ULL) & ~word)
    ) & 0x8080808080808080ULL


cdef inline int hex_digit(uint8_t byte) noexcept nogil:
    if 0x30 <= byte <= 0x39:
        return byte - 0x30
    byte |= 0x20
    return byte - 0x57 if 0x61 <= byte <= 0x66 else -1


# The UTF-16 code unit of the escape \uXXXX at `at`; -1 if there is none.
cdef inline int code_unit(const Cursor *cursor, Py_ssize_t at) noexcept nogil:
    cdef int unit = 0, digit, place
    if at + 6 > cursor.length or cursor.text[at] != 0x5C or cursor.text[at + 1] != 0x75:
        return -1
    for place in range(2, 6):
        digit = hex_digit(cursor.text[at + place])
        if digit < 0:
            return -1
        unit = unit << 4 | digit
    return unit


cdef inline bint skip_escape(Cursor *cursor) noexcept nogil:
    cdef uint8_t byte = cursor.text[cursor.at + 1] if cursor.at + 1 < cursor.length else 0
    cdef int unit, other
    cursor.escaped = True
    if (
        byte == 0x22 or byte == 0x5C or byte == 0x2F or byte == 0x62 or byte == 0x66 or byte == 0x6E or byte == 0x72
        or byte == 0x74
    ):
        cursor.at += 2
        return True
    unit = code_unit(cursor, cursor.at)
    if unit < 0:
        cursor.problem = BAD_ESCAPE
        return False
    if 0xD800 <= unit < 0xDC00:
        other = code_unit(cursor, cursor.at + 6)
        if other < 0xDC00 or other >= 0xE000:
            cursor.problem = HALF_PAIR
            return False
        cursor.at += 12
        return True
    if 0xDC00 <= unit < 0xE000:
        cursor.problem = HALF_PAIR
        return False
    cursor.at += 6
    return True


# Past the string that begins at the cursor; False with a problem.
cdef inline bint skip_string(Cursor *cursor) noexcept nogil:
    cdef Py_ssize_t start = cursor.at
    cdef uint64_t word, flags, seen = 0
    cdef uint8_t byte
    cursor.escaped = cursor.wide = False
    if not is_at(cursor, 0x22):
        cursor.problem = NO_STRING
        return False
    cursor.at += 1
    while True:
        flags = 0
        while cursor.at + 8 <= cursor.length:
            word = word_at(cursor.text + cursor.at)
            flags = special(word)
            if flags:
                # The bytes below the flagged one belong to the string.
                seen |= word & ((flags & (~flags + 1)) >> 7) - 1
                cursor.at += __builtin_ctzll(flags) >> 3
                break
            seen |= word
            cursor.at += 8
        while not flags:
            if cursor.at >= cursor.length:
                cursor.problem = UNFINISHED
                cursor.at = start
                return False
            byte = cursor.text[cursor.at]
            if byte == 0x22 or byte == 0x5C or byte < 0x20:
                break
            seen |= byte
            cursor.at += 1
        byte = cursor.text[cursor.at]
        if byte == 0x22:
            cursor.at += 1
            cursor.wide = (seen & 0x8080808080808080ULL) != 0
            return True
        if byte != 0x5C:
            cursor.problem = CONTROL
            return False
        if not skip_escape(cursor):
            return False
