"""YAML text to plain data, restricted to what JSON can express.

These are objects, lists, strings, whole and decimal numbers, true, false, null. `off`, `yes` and `1:30` stay strings
(YAML 1.1 reads them as False, True and 90). A key that is given twice is a mistake. Aliases are refused, so that a
small file stays small in memory.
"""

import re
from typing import Any, Final

import yaml

from extender.config.check import Mistake, shown, step

__all__ = ["plain_data"]

#: Characters of the largest file that is read: what a ConfigMap can hold.
_MAX_CHARACTERS: Final = 1 << 20


class _Loader(yaml.SafeLoader):
    """Resolves plain scalars by the rules of JSON; used to compose nodes, never to construct objects."""


# All loaders share the parent's table; adding to it would change them.
_Loader.yaml_implicit_resolvers = {}

_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:null|~|)$"), ["n", "~", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), ["t", "f"])
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^-?(?:0|[1-9][0-9]{0,17})$"), list("-0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?(?:[eE][-+]?[0-9]{1,2})?$"),
    list("-0123456789"),
)


def plain_data(text: str) -> tuple[Any, list[Mistake]]:
    """Dicts, lists and scalars of one YAML (or JSON) document, and what is wrong with its text."""
    if len(text) > _MAX_CHARACTERS:
        return None, [Mistake("$", f"{len(text)} characters", "too long", f"stay below {_MAX_CHARACTERS}")]
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark is not None else "the text"
        return None, [Mistake("$", where, f"not YAML: {error.problem}", "correct the text there")]
    except yaml.YAMLError as error:
        reason = str(error).splitlines()[0]
        return None, [Mistake("$", "the text", f"not YAML: {reason}", "save the file as UTF-8 text")]
    except RecursionError:
        return None, [Mistake("$", "the text", "nested too deep", "write it flat")]
    if root is None:
        return None, [Mistake("$", "nothing", "the file is empty", "begin with apiVersion and kind")]
    mistakes: list[Mistake] = []
    return _value(root, "$", set(), mistakes), mistakes


def _value(node: yaml.Node, path: str, seen: set[int], mistakes: list[Mistake]) -> Any:
    if id(node) in seen:
        mistakes.append(Mistake(path, "an alias (*)", "aliases are not read", "write the value out"))
        return None
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, seen, mistakes)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, f"{path}[{at}]", seen, mistakes) for at, item in enumerate(node.value)]
    return _scalar(node)


def _mapping(node: yaml.MappingNode, path: str, seen: set[int], mistakes: list[Mistake]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            mistakes.append(Mistake(path, "a key that is not a word", "keys are words", "write the key as a word"))
            continue
        key = str(key_node.value)
        at = step(path, key)
        value = _value(value_node, at, seen, mistakes)
        if key in data:
            line = key_node.start_mark.line + 1
            mistakes.append(Mistake(at, shown(value), f"given twice, again in line {line}", "keep one of them"))
        data[key] = value
    return data


def _scalar(node: yaml.Node) -> Any:
    text = str(node.value)
    match node.tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool" if text in ("true", "false"):
            return text == "true"
        case "int" | "float" as kind:
            try:
                return int(text) if kind == "int" else float(text)
            except ValueError:
                return text
    return text
