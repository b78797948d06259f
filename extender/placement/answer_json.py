"""A PodAnswer as JSON, for programs: the same fields as the dataclass, in camelCase."""

import dataclasses
from typing import Any

import orjson

from extender import names
from extender.placement.answers import PodAnswer

__all__ = ["ANSWER_KIND", "as_json"]

ANSWER_KIND = "FastfitAnswer"


def as_json(answer: PodAnswer) -> bytes:
    """The answer as one JSON object, camelCase as the API's objects are; what the pod is stands under `role`."""
    fields = _camel(answer)
    head = {"apiVersion": names.API_VERSION, "kind": ANSWER_KIND, "role": fields.pop("kind")}
    return orjson.dumps(head | fields, option=orjson.OPT_INDENT_2)


def _camel(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {_camel_name(field.name): _camel(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, list | tuple):
        return [_camel(item) for item in value]
    return value


def _camel_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
