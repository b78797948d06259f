"""The plain kernel's wire: cutting a scheduler call in two, reading names, writing replies."""

import json
import re
from collections.abc import Iterable, Iterator

from _fastfit.model import MAX_NAME
from _fastfit.values import Scan, ScanError

__all__ = ["MAX_DEPTH", "names_in", "scan", "spelled_name", "write_filter", "write_scores"]

#: The highest nesting that scan() can be asked to allow.
MAX_DEPTH = 256

_CACHE_HINT = "set nodeCacheCapable: true for this extender"
_SPACE = re.compile(rb"[ \t\n\r]*")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_HEX = re.compile(rb"[0-9a-fA-F]{4}")
_SCALAR = re.compile(rb"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_SIMPLE_ESCAPES = b'"\\/bfnrt'


def _error(what: str, at: int) -> ScanError:
    return ScanError(f"{what} (byte {at})")


def _check_utf8(text: bytes) -> None:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise _error("invalid UTF-8", error.start) from None


class _Reader:
    """Walks JSON text and finds where values end. Strict, except that it does not compute numbers."""

    def __init__(self, text: bytes, max_depth: int) -> None:
        self.text = text
        self.max_depth = max_depth

    def space(self, at: int) -> int:
        """Past white space."""
        match = _SPACE.match(self.text, at)
        return match.end() if match else at

    def is_at(self, at: int, byte: bytes) -> bool:
        return self.text[at : at + 1] == byte

    def string(self, at: int) -> int:
        """Past the string that begins at the quote `at`."""
        start, text = at, self.text
        if not self.is_at(at, b'"'):
            raise _error("a string was expected", at)
        at += 1
        while True:
            match = _PLAIN.match(text, at)
            at = match.end() if match else at
            if at >= len(text):
                raise _error("unfinished string", start)
            if text[at] == 0x22:
                return at + 1
            if text[at] != 0x5C:
                raise _error("control character in a string", at)
            at = self.escape(at)

    def escape(self, at: int) -> int:
        """Past the escape at the backslash `at`; the two halves of a surrogate pair count as one."""
        following = self.text[at + 1 : at + 2]
        if following and following in _SIMPLE_ESCAPES:
            return at + 2
        unit = self.code_unit(at)
        if unit is None:
            raise _error("bad escape", at)
        if 0xD800 <= unit < 0xDC00:
            other = self.code_unit(at + 6)
            if other is None or not 0xDC00 <= other < 0xE000:
                raise _error("half of a surrogate pair", at)
            return at + 12
        if 0xDC00 <= unit < 0xE000:
            raise _error("half of a surrogate pair", at)
        return at + 6

    def code_unit(self, at: int) -> int | None:
        if self.text[at : at + 2] != b"\\u":
            return None
        match = _HEX.match(self.text, at + 2)
        return int(match.group(), 16) if match else None

    def value(self, at: int, depth: int) -> int:
        """Past the value that begins at `at`; a container there has nesting `depth`."""
        first = self.text[at : at + 1]
        if first == b'"':
            return self.string(at)
        if first in {b"{", b"["}:
            return self.container(at, depth)[0]
        match = _SCALAR.match(self.text, at)
        if match is None:
            raise _error("a value was expected", at)
        return match.end()

    def container(self, at: int, depth: int) -> tuple[int, int]:
        """Past the object or array that begins at `at`, and how many members it has."""
        if depth > self.max_depth:
            raise _error(f"nested deeper than {self.max_depth}", at)
        is_object = self.is_at(at, b"{")
        closing = b"}" if is_object else b"]"
        at = self.space(at + 1)
        if self.is_at(at, closing):
            return at + 1, 0
        count = 0
        while True:
            if is_object:
                at = self.colon(self.string(at))
            at = self.space(self.value(at, depth + 1))
            count += 1
            if self.is_at(at, closing):
                return at + 1, count
            at = self.comma(at, closing)

    def colon(self, at: int) -> int:
        """Past white space, the colon after a key, and white space."""
        at = self.space(at)
        if not self.is_at(at, b":"):
            raise _error("':' was expected", at)
        return self.space(at + 1)

    def comma(self, at: int, closing: bytes) -> int:
        """Past a comma and white space."""
        if not self.is_at(at, b","):
            raise _error(f"',' or '{closing.decode()}' was expected", at)
        return self.space(at + 1)


def scan(body: bytes, max_names: int = 20000, max_depth: int = 64, known: bytes = b"") -> Scan:
    """Cuts the body of a scheduler call into the pod and the node names, both raw.

    The whole body is checked: one JSON object of valid UTF-8 with nothing behind it, nesting at most `max_depth`
    (itself at most MAX_DEPTH). Pod is an object, NodeNames an array of at most `max_names` members, Nodes null or
    absent, each at most once; other keys are checked and ignored. Raises ScanError.
    `known`: NodeNames of an earlier scan with the same limits; if the body has the same, that object is returned.
    """
    if not isinstance(body, bytes):
        raise TypeError("the body is bytes")
    if max_depth > MAX_DEPTH:
        raise ValueError(f"max_depth is at most {MAX_DEPTH}")
    _check_utf8(body)
    reader = _Reader(body, max_depth)
    at = reader.space(0)
    if not reader.is_at(at, b"{"):
        raise _error("the body is not a JSON object", at)
    if max_depth < 1:
        raise _error(f"nested deeper than {max_depth}", at)
    found: dict[str, bytes] = {}
    at = reader.space(at + 1)
    open_ = not reader.is_at(at, b"}")
    while open_:
        start = at
        at = reader.string(at)
        key = json.loads(body[start:at])
        at = reader.colon(at)
        if key in found:
            raise _error(f"{key} is given twice", start)
        end = _member(reader, key, at, max_names)
        if key in ("Pod", "Nodes", "NodeNames"):
            found[key] = body[at:end]
        at = reader.space(end)
        open_ = not reader.is_at(at, b"}")
        if open_:
            at = reader.comma(at, b"}")
    at = reader.space(at + 1)
    if at < len(body):
        raise _error("text after the object", at)
    return _parts(found, known)


def _member(reader: _Reader, key: str, at: int, max_names: int) -> int:
    """Past the value of a key of the body; checks the value as that key demands."""
    is_null = reader.text.startswith(b"null", at)
    if key == "Pod" and not reader.is_at(at, b"{") and not is_null:
        raise _error("Pod is not an object", at)
    if key == "Nodes" and not is_null:
        raise _error(f"Nodes is set: {_CACHE_HINT}", at)
    if key == "NodeNames" and not is_null:
        if not reader.is_at(at, b"["):
            raise _error("NodeNames is not an array", at)
        end, count = reader.container(at, 2)
        if count > max_names:
            raise _error(f"more than {max_names} node names", at)
        return end
    return reader.value(at, 2)


def _parts(found: dict[str, bytes], known: bytes) -> Scan:
    pod, names = found.get("Pod", b"null"), found.get("NodeNames", b"null")
    if pod == b"null":
        raise ScanError("Pod is missing")
    if names == b"null":
        raise ScanError(f"NodeNames is missing: {_CACHE_HINT}")
    return Scan(pod, known if known == names else names)


def names_in(array: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each name of a raw JSON array: its literal, and the name. Raises ScanError for a bad or repeated name."""
    reader = _Reader(array, 1)
    at = reader.space(0)
    if not reader.is_at(at, b"["):
        raise _error("NodeNames is not an array", at)
    at = reader.space(at + 1)
    open_ = not reader.is_at(at, b"]")
    seen: set[bytes] = set()
    while open_:
        start = at
        at = reader.string(at)
        literal = array[start:at]
        name = spelled_name(literal, start)
        if name in seen:
            raise _error(f"node name {name.decode()} is listed twice", start)
        seen.add(name)
        yield literal, name
        at = reader.space(at)
        open_ = not reader.is_at(at, b"]")
        if open_:
            at = reader.comma(at, b"]")
    at = reader.space(at + 1)
    if at < len(array):
        raise _error("text after the names", at)


def spelled_name(literal: bytes, start: int) -> bytes:
    """The name that a string literal at offset `start` spells. Raises ScanError for what cannot be a node's name."""
    name = literal[1:-1]
    if not name.isascii():
        try:
            name.decode()
        except UnicodeDecodeError as error:
            raise _error("invalid UTF-8", start + 1 + error.start) from None
    if b"\\" in name:
        name = str(json.loads(literal)).encode()
    if not name:
        raise _error("empty node name", start)
    if len(name) > MAX_NAME:
        raise _error(f"node name longer than {MAX_NAME} bytes", start)
    return name


def write_filter(survivors: Iterable[bytes], failures: Iterable[tuple[bytes, bytes]]) -> bytes:
    """ExtenderFilterResult: name literals that stay, (name literal, text literal) of those that do not."""
    names = b",".join(survivors)
    failed = b",".join(name + b":" + text for name, text in failures)
    return b'{"NodeNames":[' + names + b'],"FailedAndUnresolvableNodes":{' + failed + b'},"Error":""}'


def write_scores(scores: Iterable[tuple[bytes, int]]) -> bytes:
    """HostPriorityList of (name literal, score)."""
    return b"[" + b",".join(b'{"Host":%b,"Score":%d}' % score for score in scores) + b"]"
