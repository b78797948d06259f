"""Decides what a body is, with parsers that are not ours: orjson says whether it is JSON, json who is in it twice."""

import json
from dataclasses import dataclass
from typing import Any

import orjson

__all__ = ["MAX_DEPTH", "MAX_NAMES", "Finding", "Truth", "truth"]

MAX_NAMES = 20000
MAX_DEPTH = 64
MAX_NAME = 253


class Finding(AssertionError):
    """An answer that the oracle contradicts."""


@dataclass(frozen=True)
class Truth:
    """`fault`: why the body cannot be used as ExtenderArgs, "" when it can; then `names` are those of its nodes.

    `names` is None where NodeNames has members that are no names. `pod` is what msgspec must be able to read.
    """

    fault: str
    pod: Any = None
    names: list[str] | None = None


def truth(body: bytes) -> Truth:
    """What the body is."""
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # A number too large for a double is JSON all the same.
        if "number" not in str(error) or not _is_json(body):
            return Truth(f"not JSON: {error}")
    # Counting every bracket is quick, finding which of them are in strings is not.
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and (depth := _depth(body)) > MAX_DEPTH:
        return Truth(f"nested {depth} deep")
    pairs = json.loads(body, object_pairs_hook=_Pairs)
    if not isinstance(pairs, _Pairs):
        return Truth("not an object")
    keys = [key for key, _ in pairs.items]
    if any(keys.count(key) > 1 for key in ("Pod", "Nodes", "NodeNames")):
        return Truth("a key twice")
    found = dict(pairs.items)
    if not isinstance(found.get("Pod"), _Pairs):
        return Truth("no Pod object")
    if found.get("Nodes") is not None:
        return Truth("Nodes is set")
    names = found.get("NodeNames")
    if not isinstance(names, list) or len(names) > MAX_NAMES:
        return Truth("no list of at most as many names as are allowed")
    good = all(isinstance(name, str) and 0 < len(name.encode()) <= MAX_NAME for name in names)
    good = good and len(set(map(str, names))) == len(names)
    return Truth("", found["Pod"], names if good else None)


class _Pairs:
    """An object as its pairs, so that keys given twice can be seen."""

    def __init__(self, items: list[tuple[str, Any]]) -> None:
        self.items = items


def _is_json(body: bytes) -> bool:
    """The same question to the other parser, which reads numbers of any size but also what is no JSON."""
    try:
        text = body.decode()
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return not text.startswith("\ufeff")


def _refuse(word: str) -> None:
    raise ValueError(word)


def _depth(body: bytes) -> int:
    """Deepest nesting of valid JSON."""
    depth = deepest = 0
    inside = escaped = False
    for byte in body:
        if inside:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                inside = False
        elif byte == 0x22:
            inside = True
        elif byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest
