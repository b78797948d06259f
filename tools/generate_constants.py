"""Writes _fastfit/_constants.pxd: the numbers that the compiled kernel shares with the Python modules.

`python tools/generate_constants.py` writes; `--check` exits 1 where the file is not what would be written.
"""

import re
import sys
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from types import ModuleType

from _fastfit import _cells_py, _cpus_py, _demand, _fit_py, _key_py, _possible_py, _wire_py, codes, model

PATH = Path(__file__).resolve().parent.parent / "_fastfit" / "_constants.pxd"

#: Enumerations of codes.py, each with the prefix of its names in C.
ENUMS: tuple[tuple[type[IntEnum], str], ...] = (
    (codes.Code, ""),
    (codes.Policy, "POLICY_"),
    (codes.Scope, "SCOPE_"),
    (codes.Mode, "MODE_"),
    (codes.OnUnknown, "ON_UNKNOWN_"),
    (codes.ContainerKind, "KIND_"),
)

#: Constants by module.
NUMBERS: tuple[tuple[ModuleType, tuple[str, ...]], ...] = (
    (codes, ("FIRST_REFUSAL", "ACTION_BITS")),
    (model, ("MAX_ZONES", "MAX_SET_ZONES", "MAX_NAME")),
    (_demand, ("MAX_CONTAINERS", "MAX_RESOURCES", "MAX_MEMORIES")),
    (_cpus_py, ("MAX_DISTRIBUTED",)),
    (_cells_py, ("SPLIT_FACTOR",)),
    (
        _key_py,
        (
            *("CPUS_AT", "DEVICES_AT", "DISTANCE_AT", "LAYOUT_AT", "CELLS_AT", "LOCALITY_AT"),
            *("PAGES_TOP", "CPUS_TOP", "DISTANCE_TOP", "LAYOUT_TOP", "CELLS_TOP", "LOCALITY_TOP"),
            *("LAYOUT_UNEVEN", "LAYOUT_EVEN", "LAYOUT_REPEATED"),
        ),
    ),
    (_possible_py, ("UNTOLD",)),
    (_fit_py, ("QUERIES_KEPT", "SCORED")),
    (_wire_py, ("MAX_DEPTH",)),
)


def _upper(name: str) -> str:
    """`NodeCpuShort` as NODE_CPU_SHORT; what is upper case stays."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()


def _lines() -> Iterator[str]:
    yield "# Numbers of the Python modules, for the compiled kernel. Made by `python tools/generate_constants.py`: to change one,"
    yield "# change it in the module and run that."
    for enum, prefix in ENUMS:
        yield f"\n# codes.{enum.__name__}\ncdef enum:"
        yield from (f"    {prefix}{_upper(member.name)} = {member.value}" for member in enum)
    for module, names in NUMBERS:
        yield f"\n# {module.__name__.removeprefix('_fastfit.')}.py\ncdef enum:"
        yield from (f"    {name} = {getattr(module, name)}" for name in names)


def constants() -> str:
    """The file's text."""
    return "\n".join(_lines()) + "\n"


def main() -> int:
    """Writes or checks; the exit code."""
    text = constants()
    if PATH.exists() and PATH.read_text(encoding="utf-8") == text:
        return 0
    if "--check" in sys.argv[1:]:
        print("_fastfit/_constants.pxd is not current: run `python tools/generate_constants.py`", file=sys.stderr)
        return 1
    PATH.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
