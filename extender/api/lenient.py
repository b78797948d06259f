"""Decodes an API object of which a field is not of its type: one such field does not make the object unreadable.

Objects come from files that people edit and from programs that write loosely (`1.0` for 1, `true` for "true"). What
says the same in another type is taken; an amount that is none becomes text, so that its reader names it; any other
field is left out. Each is told with its path.
"""

import re
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from extender.api.objects import NodeResourceTopology, Pod, Vmi

__all__ = ["decode_leniently", "decode_object"]

_Record = TypeVar("_Record", bound=msgspec.Struct)

#: "Expected `int | null`, got `float` - at `$.spec.x[0]`"
_FAULT = re.compile(r"Expected `([^`]+)`, got `([^`]+)` - at `\$([^`]*)`")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\[(\.\.\.)\]")
_TYPES = {bool: "bool", int: "int", float: "float", str: "str", list: "array", dict: "object", type(None): "null"}
_AMOUNT = {"str", "int", "float"}
#: Faults that are mended in one object.
_MOST = 16
_SHOWN = 64
_LEFT_OUT = "; left out"


def decode_leniently(
    text: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[_Record]
) -> tuple[_Record, tuple[str, ...], bool]:
    """The record, what was mended, and whether a field was left out. Raises msgspec.DecodeError where it cannot be read."""
    try:
        return decoder.decode(text), (), False
    except msgspec.ValidationError as fault:
        error = fault
    content = msgspec.json.decode(text)
    notes: list[str] = []
    left_out = False
    while len(notes) < _MOST:
        mended = _mend(content, str(error), lists=decoder.type is not Pod)
        if mended is None:
            break
        notes.append(mended[0])
        left_out = left_out or mended[1]
        try:
            return decoder.decode(msgspec.json.encode(content)), tuple(notes), left_out
        except msgspec.ValidationError as fault:
            error = fault
    raise error


def decode_object(text: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[_Record]) -> tuple[_Record, tuple[str, ...]]:
    """The record of an API object, and what was mended. Raises msgspec.DecodeError where it cannot be read.

    A report without one of its fields is another report, a VM without one another VM: they are marked `unreadable`. A
    pod without one would hold something else, and cannot be read at all.
    """
    record, notes, left_out = decode_leniently(text, decoder)
    if left_out and isinstance(record, Pod):
        return decoder.decode(text), ()  # raises, and names the fault
    if left_out and isinstance(record, NodeResourceTopology | Vmi):
        fault = next(note for note in notes if note.endswith(_LEFT_OUT))
        return msgspec.structs.replace(record, unreadable=fault), notes
    return record, notes


def _mend(content: object, message: str, *, lists: bool) -> tuple[str, bool] | None:
    """Mends what the message complains of, in place: what was done, and whether a field was left out.

    `lists`: for the sake of one element its whole list may be left out.
    """
    found = _FAULT.fullmatch(message)
    if found is None:
        return None
    expected, got, path = set(found[1].split(" | ")), found[2], found[3]
    steps = [(name, index, every) for name, index, every in _STEP.findall(path)]
    if steps and steps[-1][1]:
        return _drop_list(content, steps, f"${path}") if lists else None
    if not steps:
        return None
    name, _, every = steps[-1]
    for place in _places(content, steps[:-1]):
        if not isinstance(place, dict):
            continue
        for key in [name] if not every else list(place):
            if key in place and _TYPES.get(type(place[key])) == got:
                return _replace(place, key, expected, f"${path}", free=bool(every))
    return None


def _drop_list(content: object, steps: list[tuple[str, str, str]], path: str) -> tuple[str, bool] | None:
    """Leaves out a whole list: without one element it would say something else."""
    while steps and not steps[-1][0]:
        steps.pop()
    for place in _places(content, steps[:-1]) if steps else ():
        if isinstance(place, dict) and place.pop(steps[-1][0], None) is not None:
            return f"{path}: is not of the type of its list, {steps[-1][0]}{_LEFT_OUT}", True
    return None


def _replace(place: dict[str, Any], key: str, expected: set[str], path: str, *, free: bool) -> tuple[str, bool]:
    """`free`: a value of a map, such as a label or an amount."""
    value = place[key]
    where = path.removesuffix("[...]") + f"[{key[:_SHOWN]}]" if free else path
    shown = msgspec.json.encode(value).decode()[:_SHOWN]
    if "int" in expected and "str" not in expected:
        number = _number(value)
        if number is not None:
            place[key] = number
            return f"{where}: {shown} is read as {number}", False
    if free and "str" in expected and (isinstance(value, bool | int | float) or expected >= _AMOUNT):
        place[key] = shown
        return f"{where}: {shown} is read as text", False
    del place[key]
    return f"{where}: {shown} is not of type {' or '.join(sorted(expected - {'null'}))}{_LEFT_OUT}", True


def _number(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value):
        return int(value)
    return None


def _places(content: object, steps: list[tuple[str, str, str]]) -> Iterator[object]:
    """Everything that a path leads to; `[...]` is every value of a map or list."""
    if not steps:
        yield content
        return
    (name, index, _), rest = steps[0], steps[1:]
    if name and isinstance(content, dict):
        values = [content[name]] if name in content else []
    elif index and isinstance(content, list):
        values = content[int(index) : int(index) + 1]
    elif not name and not index and isinstance(content, dict | list):
        values = list(content.values() if isinstance(content, dict) else content)
    else:
        values = []
    for value in values:
        yield from _places(value, rest)
