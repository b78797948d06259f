"""Both implementations of the kernel behind one shape. Every test takes the fixture `backend` and runs on each."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from _fastfit import Code, Scan, _fit_py, _wire_py

__all__ = ["PYTHON", "TEXTS", "Backend", "compiled"]

#: A short distinct text per code, as the failure map carries it.
TEXTS = [b'"code %d"' % code for code in range(max(Code) + 1)]


@dataclass(frozen=True)
class Backend:
    """One implementation."""

    name: str
    Table: type[Any]
    scan: Callable[..., Scan]

    def table(self, *rows: Any) -> Any:
        """A table with these rows."""
        table = self.Table(TEXTS)
        for row in rows:
            table.put(row)
        return table


PYTHON = Backend("python", _fit_py.Table, _wire_py.scan)


def compiled() -> Backend:
    """The compiled kernel. Where it is not built the test is skipped, in CI it fails."""
    try:
        from _fastfit import _table, _wire
    except ImportError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"the compiled kernel is not built ({error}): run `make install`")
    return Backend("cython", _table.Table, _wire.scan)
