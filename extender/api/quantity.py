"""Quantities of the Kubernetes API (apimachinery `resource.Quantity`), all suffix forms, as exact integers."""

import math
import re
from decimal import Decimal
from functools import lru_cache

from extender.errors import BadObject

__all__ = ["milli", "whole", "whole_down"]

_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_FORM = re.compile(r"([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE])|[eE]([+-]?\d{1,3}))?")
#: Longest text that is accepted; the API server never writes a longer one.
_MAX_TEXT = 64
_MAX = 2**63 - 1


@lru_cache(maxsize=8192)
def _parse(text: str) -> Decimal:
    match = _FORM.fullmatch(text) if len(text) <= _MAX_TEXT else None
    if match is None:
        raise BadObject(f"quantity {text[:_MAX_TEXT]!r} is not one of the API's forms (such as 9, 15m, 60M, 16Gi, 1e3)")
    sign, digits, suffix, exponent = match.groups()
    if exponent is not None:
        scale = Decimal(10) ** max(-30, min(30, int(exponent)))
    elif suffix in _BINARY:
        scale = Decimal(2 ** _BINARY[suffix])
    else:
        scale = Decimal(10) ** _DECIMAL[suffix or ""]
    value = Decimal(digits) * scale
    return -value if sign == "-" else value


def _ceil(value: Decimal, text: str) -> int:
    whole_part = int(value)
    return _in_range(whole_part + (1 if value > whole_part else 0), text)


def _in_range(result: int, text: str) -> int:
    if not -_MAX <= result <= _MAX:
        raise BadObject(f"quantity {text!r} is out of range (63 bits)")
    return result


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else repr(value)


def whole(value: str | float) -> int:
    """`value` in units (bytes, devices), rounded up as Quantity.Value() does. Raises BadObject."""
    text = _text(value)
    return _ceil(_parse(text), text)


def whole_down(value: str | float) -> int:
    """`value` in units, rounded down: what a zone offers is not more than it says. Raises BadObject."""
    text = _text(value)
    return _in_range(math.floor(_parse(text)), text)


def milli(value: str | float) -> int:
    """`value` in thousandths (CPU), rounded up as Quantity.MilliValue() does. Raises BadObject."""
    text = _text(value)
    return _ceil(_parse(text) * 1000, text)
