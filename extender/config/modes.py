"""The modes of the configuration as the codes that rows of the table carry, and back."""

from collections.abc import Mapping
from typing import Final, cast, get_args

from _fastfit import codes
from extender.config.settings import Mode

__all__ = ["mode_code", "mode_name"]

_CODES: Final[Mapping[Mode, codes.Mode]] = {name: codes.Mode[name.upper()] for name in get_args(Mode)}
_NAMES: Final[Mapping[int, Mode]] = {int(code): cast(Mode, code.name.lower()) for code in codes.Mode}


def mode_code(name: Mode) -> codes.Mode:
    """The code of a mode."""
    return _CODES[name]


def mode_name(code: int) -> Mode:
    """The mode of a code, as it stands in the configuration. Raises KeyError if there is no such code."""
    return _NAMES[code]
