"""All mistakes of a configuration at once: path, value, problem and remedy of each.

msgspec's decoder stops at the first mistake. This check follows the same type information and continues, so that an
operator corrects all mistakes before the next start.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

import msgspec
import orjson
from msgspec import inspect

from extender.config.settings import Pool, Settings
from extender.errors import FastfitError
from extender.names import API_VERSION, CONFIG_KIND

__all__ = ["FactsReader", "Mistake", "mistakes_in", "shown", "step"]

#: Reads the `kubelet` or `machine` object of a pool. Raises FastfitError or ValueError.
FactsReader = Callable[[Literal["kubelet", "machine"], dict[str, Any]], object]

#: Longest excerpt of a value in a message.
_SHOWN: Final = 60

_NULL_REMEDY: Final = "leave the field out to get its default"

#: Fields that are often expected where they do not exist, and the remedy.
_EXPECTED_ELSEWHERE: Final = {
    "$.sources.nodes": "nodes are always required; remove it",
    "$.sources.pods": "pods are always required; remove it",
    "$.metadata": "this object is a file, not an API object; remove it",
    "$.spec": "the settings stand at the top level; move them up",
}


class Mistake(NamedTuple):
    """One mistake. `path` is like `$.pools[1].mode`; `value` is an excerpt of the value."""

    path: str
    value: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path} = {self.value}: {self.problem}; {self.remedy}"


def shown(value: object) -> str:
    """A value as JSON on one line, shortened."""
    try:
        text = orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        text = ascii(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def step(path: str, key: str) -> str:
    """The path of `key` below `path`, on one line for every key."""
    return f"{path}.{key}" if key.isprintable() and key else f"{path}[{key!a}]"


def mistakes_in(data: object, facts: FactsReader | None) -> list[Mistake]:
    """All mistakes of a decoded file; `facts` reads the pools' `kubelet` and `machine` objects."""
    if not isinstance(data, dict):
        return [Mistake("$", shown(data), "not an object", f"begin with apiVersion: {API_VERSION}")]
    found = list(_identity(data))
    found += _walk(data, inspect.type_info(Settings), "$", "")
    found += _pools(data.get("pools"), facts)
    return found


def _identity(data: Mapping[str, Any]) -> Iterator[Mistake]:
    for key, right in (("apiVersion", API_VERSION), ("kind", CONFIG_KIND)):
        if key not in data:
            yield Mistake(f"$.{key}", "nothing", "missing", f"add {key}: {right}")
        elif isinstance(data[key], str) and data[key] != right:
            yield Mistake(f"$.{key}", shown(data[key]), "not what this version reads", f"write {key}: {right}")


# --- checks by type ----------------------------------------------------------------------


def _walk(value: object, kind: inspect.Type, path: str, form: str) -> Iterator[Mistake]:
    """Mistakes of `value` for the type `kind`; `form` describes a pattern in words."""
    if isinstance(kind, inspect.Metadata):
        yield from _walk(value, kind.type, path, (kind.extra or {}).get("form", form))
    elif value is None:
        yield Mistake(path, "null", "no value given", _NULL_REMEDY)
    elif isinstance(kind, inspect.UnionType):
        # the only unions of the tree are `T | None`, and None was handled above
        chosen = next(member for member in kind.types if not isinstance(member, inspect.NoneType))
        yield from _walk(value, chosen, path, form)
    elif isinstance(kind, inspect.StructType):
        yield from _object(value, kind, path)
    elif isinstance(kind, inspect.DictType):
        yield from _map(value, kind, path)
    elif isinstance(kind, inspect.VarTupleType):
        yield from _list(value, kind, path)
    else:
        yield from _scalar(value, kind, path, form)


def _scalar(value: object, kind: inspect.Type, path: str, form: str) -> Iterator[Mistake]:
    if isinstance(kind, inspect.LiteralType):
        if value not in kind.values:
            yield _not_one_of(path, value, [str(v) for v in kind.values])
    elif isinstance(kind, inspect.BoolType):
        if not isinstance(value, bool):
            yield Mistake(path, shown(value), "not true or false", "write true or false, without quotes")
    elif isinstance(kind, inspect.IntType):
        yield from _integer(value, kind, path)
    elif isinstance(kind, inspect.StrType):
        yield from _string(value, kind, path, form)


def _integer(value: object, kind: inspect.IntType, path: str) -> Iterator[Mistake]:
    allowed = f"write a whole number from {kind.ge} to {kind.le}"
    if isinstance(value, bool) or not isinstance(value, int):
        yield Mistake(path, shown(value), "not a whole number", allowed)
    elif kind.ge is not None and value < kind.ge:
        yield Mistake(path, shown(value), "too small", allowed)
    elif kind.le is not None and value > kind.le:
        yield Mistake(path, shown(value), "too large", allowed)


def _string(value: object, kind: inspect.StrType, path: str, form: str) -> Iterator[Mistake]:
    if not isinstance(value, str):
        yield Mistake(path, shown(value), "not a string", f'put it in quotes: "{shown(value)}"')
    elif kind.min_length and len(value) < kind.min_length:
        yield Mistake(path, shown(value), "empty", "give it a value")
    elif kind.pattern and not re.search(kind.pattern, value):
        yield Mistake(path, shown(value), "not of the right form", f"write {form}")


def _object(value: object, kind: inspect.StructType, path: str) -> Iterator[Mistake]:
    fields = {field.encode_name: field for field in kind.fields}
    if not isinstance(value, dict):
        yield Mistake(path, shown(value), "not an object", f"give it fields: {', '.join(fields)}")
        return
    for key, item in value.items():
        field = fields.get(key)
        if field is not None:
            yield from _walk(item, field.type, step(path, key), "")
        else:
            yield _unknown(step(path, key), key, item, list(fields))
    for name, field in fields.items():
        if field.required and name not in value:
            yield Mistake(f"{path}.{name}", "nothing", "missing", f"add it: {_why(field.type)}")


def _map(value: object, kind: inspect.DictType, path: str) -> Iterator[Mistake]:
    if not isinstance(value, dict):
        yield Mistake(path, shown(value), "not an object", "write key: value lines under it")
        return
    keys: inspect.Type = kind.key_type
    form = ""
    if isinstance(keys, inspect.Metadata):
        form = (keys.extra or {}).get("form", "")
        keys = keys.type
    for key, item in value.items():
        at = step(path, key)
        if isinstance(keys, inspect.LiteralType) and key not in keys.values:
            yield _unknown(at, key, item, [str(v) for v in keys.values])
            continue
        if isinstance(keys, inspect.StrType) and keys.pattern and not re.search(keys.pattern, key):
            yield Mistake(at, shown(item), f"the key {shown(key)} is not of the right form", f"write {form}")
        if not isinstance(kind.value_type, inspect.AnyType):
            yield from _walk(item, kind.value_type, at, "")


def _list(value: object, kind: inspect.VarTupleType, path: str) -> Iterator[Mistake]:
    if not isinstance(value, list):
        yield Mistake(path, shown(value), "not a list", "begin each entry with '- '")
        return
    for at, item in enumerate(value):
        yield from _walk(item, kind.item_type, f"{path}[{at}]", "")


# --- remedies --------------------------------------------------------------------------------------


def _nearest(name: str, names: Iterable[str]) -> str | None:
    """The most similar name, ignoring case, `_` and `-`; None if none is similar."""
    plain = {_folded(n): n for n in names}
    close = difflib.get_close_matches(_folded(name), plain, n=1, cutoff=0.6)
    return plain[close[0]] if close else None


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _unknown(path: str, key: str, value: object, names: list[str]) -> Mistake:
    near = _nearest(key, names)
    remedy = _EXPECTED_ELSEWHERE.get(path) or (f"did you mean {near}?" if near else f"known: {', '.join(names)}")
    return Mistake(path, shown(value), "unknown field", remedy)


def _not_one_of(path: str, value: object, values: list[str]) -> Mistake:
    near = _nearest(value, values) if isinstance(value, str) else None
    remedy = f"did you mean {near}?" if near else f"write one of {', '.join(values)}"
    return Mistake(path, shown(value), f"not one of {', '.join(values)}", remedy)


def _why(kind: inspect.Type) -> str:
    schema = kind.extra_json_schema if isinstance(kind, inspect.Metadata) else None
    return str((schema or {}).get("description", "it has no default"))


# --- rules between fields --------------------------------------------------------------------------


def _pools(pools: object, facts: FactsReader | None) -> Iterator[Mistake]:
    """Pools have unique names, can match a node, and state facts that can be read. Skips what is not well formed."""
    names: dict[str, int] = {}
    earlier: list[tuple[int, set[tuple[str, str]]]] = []
    for at, pool in enumerate(pools if isinstance(pools, list) else ()):
        if not isinstance(pool, dict):
            continue
        name = pool.get("name")
        if isinstance(name, str) and names.setdefault(name, at) != at:
            yield Mistake(f"$.pools[{at}].name", shown(name), f"also the name of pools[{names[name]}]", "rename one")
        labels = _well_formed_labels(pool)
        if labels is not None:
            hider = next((i for i, others in earlier if others <= labels), None)
            if hider is not None:
                yield Mistake(
                    f"$.pools[{at}].selector",
                    shown(dict(labels)),
                    f"never used: pools[{hider}] stands before it and takes all its nodes",
                    "put the narrower pool first",
                )
            earlier.append((at, labels))
        for which in ("kubelet", "machine"):
            yield from _facts(which, pool.get(which), f"$.pools[{at}].{which}", facts)


def _well_formed_labels(pool: Mapping[str, Any]) -> set[tuple[str, str]] | None:
    try:
        selector = msgspec.convert({"name": "x", "selector": pool.get("selector")}, Pool).selector
    except msgspec.ValidationError:
        return None
    return set(selector.match_labels.items())


def _facts(
    which: Literal["kubelet", "machine"], value: object, path: str, facts: FactsReader | None
) -> Iterator[Mistake]:
    """Mistakes in a pool's `kubelet` or `machine` object."""
    if facts is None or not isinstance(value, dict):
        return
    try:
        facts(which, value)
    except (FastfitError, ValueError) as error:
        yield Mistake(path, shown(value), str(error), "use the format of the annotation of the same name")
