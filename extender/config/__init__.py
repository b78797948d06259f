"""The configuration: the settings tree (`settings`), YAML to plain data (`text`), all mistakes at once (`check`)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from extender.config.check import FactsReader, Mistake, mistakes_in, shown
from extender.config.settings import (
    DOUBTS,
    Action,
    Charges,
    Debug,
    Doubt,
    Limits,
    Logs,
    Mode,
    Pool,
    Reply,
    Selector,
    Server,
    Settings,
    Sources,
    Tls,
    Use,
)
from extender.config.text import plain_data
from extender.errors import ConfigError

__all__ = [
    "DOUBTS",
    "Action",
    "Charges",
    "Debug",
    "Doubt",
    "FactsReader",
    "Limits",
    "Logs",
    "Mistake",
    "Mode",
    "Pool",
    "Reply",
    "Row",
    "Selector",
    "Server",
    "Settings",
    "Sources",
    "Tls",
    "Use",
    "describe",
    "load",
    "mistakes",
    "needs_restart",
    "parse",
]

#: Fields that a running process applies; all others need a restart.
_LIVE = frozenset(
    {
        "mode",
        "on_unknown",
        "migration",
        "migration_from_owners",
        "pools",
        "charges",
        "reply",
        "report_stale_after_seconds",
    }
)


class Row(NamedTuple):
    """One field for the documentation; `default` is JSON, or "" where the field is required."""

    path: str
    type: str
    default: str
    unit: str
    reason: str


def load(path: str | None, facts: FactsReader | None = None) -> Settings:
    """The settings in a file (None: all defaults). Raises ConfigError with every mistake."""
    if path is None:
        return Settings()
    try:
        text = Path(path).read_bytes().decode()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check --config and the mount") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text at byte {error.start}; save the file as UTF-8") from error
    return parse(text, path, facts)


def parse(text: str, where: str, facts: FactsReader | None = None) -> Settings:
    """The settings in `text`; `where` names it in errors. Raises ConfigError with every mistake.

    `facts` reads the pools' `kubelet` and `machine` objects; without it they are not checked.
    """
    data, found = _judged(text, facts)
    if found:
        count = "1 mistake" if len(found) == 1 else f"{len(found)} mistakes"
        lines = "\n".join(f"  {mistake}" for mistake in found)
        raise ConfigError(f"{where}: {count}\n{lines}")
    return msgspec.convert(data, Settings)


def mistakes(text: str, facts: FactsReader | None = None) -> list[Mistake]:
    """Every mistake in `text`; empty if `parse` would accept it."""
    return _judged(text, facts)[1]


def _judged(text: str, facts: FactsReader | None) -> tuple[Any, list[Mistake]]:
    data, found = plain_data(text)
    if data is not None or not found:
        found += mistakes_in(data, facts)
    return data, found


def needs_restart(old: Settings, new: Settings) -> tuple[str, ...]:
    """Names (as in the file) of changed fields that need a restart."""
    fields = zip(Settings.__struct_fields__, Settings.__struct_encode_fields__, strict=True)
    return tuple(wire for name, wire in fields if name not in _LIVE and getattr(old, name) != getattr(new, name))


def describe() -> list[Row]:
    """Every field of the file in order, for the documentation."""
    return list(_rows(inspect.type_info(Settings), "$"))


def _rows(kind: inspect.Type, path: str) -> Iterator[Row]:
    for field in kind.fields if isinstance(kind, inspect.StructType) else ():
        at = f"{path}.{field.encode_name}"
        outer, unit, reason = _unwrapped(field.type)
        yield Row(at, _type_name(outer), _default(field), unit, reason)
        inner = outer
        if isinstance(outer, inspect.VarTupleType):
            inner, at = outer.item_type, f"{at}[]"
        yield from _rows(inner, at)


def _unwrapped(kind: inspect.Type) -> tuple[inspect.Type, str, str]:
    """The type without its metadata and without `| None`, its unit and its reason."""
    unit, reason = "", ""
    while isinstance(kind, inspect.Metadata | inspect.UnionType):
        if isinstance(kind, inspect.Metadata):
            unit = str((kind.extra or {}).get("unit", unit))
            reason = str((kind.extra_json_schema or {}).get("description", reason))
            kind = kind.type
        else:
            kind = next(member for member in kind.types if not isinstance(member, inspect.NoneType))
    return kind, unit, reason


def _type_name(kind: inspect.Type) -> str:
    kind = _unwrapped(kind)[0]
    name = "string"
    match kind:
        case inspect.LiteralType():
            name = " | ".join(str(value) for value in kind.values)
        case inspect.IntType():
            name = f"integer {kind.ge}..{kind.le}"
        case inspect.BoolType():
            name = "boolean"
        case inspect.DictType():
            name = f"map of {_type_name(kind.key_type)} to {_type_name(kind.value_type)}"
        case inspect.VarTupleType():
            name = "list"
        case inspect.StructType():
            name = "object"
        case inspect.AnyType():
            name = "anything"
    return name


def _default(field: inspect.Field) -> str:
    if field.required:
        return ""
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return shown(msgspec.to_builtins(value)) if not isinstance(value, msgspec.Struct) else "{}"
