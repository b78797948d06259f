"""Makes bodies from seeds: the n-th body of a campaign depends on its seed and n alone."""

import json
import random
from pathlib import Path
from typing import Any

__all__ = ["CORPUS", "body", "corpus"]

CORPUS = Path(__file__).parent / "corpus"

#: Pieces that parsers stumble over.
_WORDS = (
    b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b'\\"', b"\\u", b"\\u0000", b"\\ud800", b"\\ud83d\\ude00", b"\\x41",
    b"null", b"true", b"NaN", b"Infinity", b"-", b"-0", b"01", b"1e999", b"1E+", b"0.", b".5", b"9" * 400, b"\x00", b"\n",
    b"\x1f", b"\x7f", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b"\xe2\x80\xa8",
    b"/**/", b"//", b'"Pod"', b'"NodeNames"', b'"Nodes"', b'"pod":', b',"Pod":{}', b',"NodeNames":["a"]',
    b',"Nodes":{"items":[]}', b'"P\\u006fd":', b"[" * 70, b'{"a":' * 70, b"]" * 70, b"[]", b"{}", b'""', b'"' + b"n" * 300,
    b'"a","a"', b" ", b"\t", b"\r\n", b"\x0b", b"\xc2\xa0", b"'", b"#", b"1", b"-1", b"2147483648", b"18446744073709551616",
)  # fmt: skip
#: Values that fit the JSON and not the field.
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 1e300, 2**63, 2**80, "", "a", "\x00", "\ud7ff", "é", "9" * 70, "1e400", "-9", "9x",
    "1Ei", "999999999999Ei", "0.0000000001", [], {}, [[]], [{}], {"a": {}}, ["a", "a"], [None], "x" * 5000,
)  # fmt: skip


def corpus() -> list[bytes]:
    """The kept seeds, and every body that once found a fault."""
    return [path.read_bytes() for path in sorted(CORPUS.iterdir())]


def body(seeds: list[bytes], campaign: int, number: int) -> bytes:
    """Body `number` of a campaign."""
    chance = random.Random(campaign * 1_000_003 + number)
    text = chance.choice(seeds)
    if chance.random() < 0.35:
        text = _restructured(text, chance)
    if chance.random() < 0.75:
        for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
            text = _broken(text, seeds, chance)
    return text


def _broken(text: bytes, seeds: list[bytes], chance: random.Random) -> bytes:
    at = chance.randint(0, len(text))
    end = min(len(text), at + chance.choice((1, 1, 2, 4, 16, 64, 1000)))
    match chance.randrange(9):
        case 0:
            return text[:at]
        case 1:
            return text[:at] + text[end:]
        case 2:
            return text[:at] + chance.randbytes(end - at) + text[end:]
        case 3:
            return text[:at] + text[at:end] * 2 + text[end:]
        case 4:
            other = chance.choice(seeds)
            return text[:at] + other[chance.randint(0, len(other)) :]
        case 5 if at < len(text):
            return text[:at] + bytes([text[at] ^ (1 << chance.randrange(8))]) + text[at + 1 :]
        case 6:
            # Between two tokens most insertions stay JSON for a while.
            places = [place for place in range(at, min(len(text), at + 200)) if text[place] in b'{}[],:"']
            at = chance.choice(places) + chance.randint(0, 1) if places else at
            return text[:at] + chance.choice(_WORDS) + text[at:]
        case 7:
            return text[:at] + chance.choice(_WORDS) + text[end:]
        case _:
            return text[:at] + chance.choice(_WORDS) + text[at:]


def _restructured(text: bytes, chance: random.Random) -> bytes:
    """One value of the object is replaced, dropped, moved or given twice; the text stays JSON."""
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return text
    places = list(_places(tree))
    if not places:
        return text
    container, key = chance.choice(places)
    match chance.randrange(5):
        case 0:
            del container[key]
        case 1:
            source, other = chance.choice(places)
            value = json.loads(json.dumps(source[other])) if _has(source, other) else None
            container[key] = value
        case 2 if isinstance(container, list):
            container.append(container[key])
        case 3 if isinstance(container, dict):
            container[chance.choice(("a", "", key.lower(), key.upper(), "metadata", "kubevirt.io"))] = container[key]
        case _:
            container[key] = chance.choice(_VALUES)
    return json.dumps(tree, ensure_ascii=chance.random() < 0.5, indent=chance.choice((None, None, 1))).encode()


def _has(container: Any, key: Any) -> bool:
    return key in container if isinstance(container, dict) else key < len(container)


def _places(tree: Any) -> Any:
    """(container, key) of every value."""
    waiting = [tree]
    while waiting:
        container = waiting.pop()
        if isinstance(container, dict):
            keys: Any = list(container)
        elif isinstance(container, list):
            keys = range(len(container))
        else:
            continue
        for key in keys:
            yield container, key
            waiting.append(container[key])
