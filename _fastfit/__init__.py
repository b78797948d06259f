"""The kernel: node names to rows, rows to verdicts, verdicts to reply bytes.

This module chooses which half runs: the compiled kernel, or the plain kernel in Python. The plain one runs where
FASTFIT_PURE=1 asks for it, and where the compiled one does not load (NOT_LOADED then says why).
"""

import os

from _fastfit.codes import FIRST_REFUSAL, LAST_UNKNOWN, Code, Mode, OnUnknown, Policy, Scope
from _fastfit.model import MAX_ZONES, Ask, CellsAsk, ContainerAsk, Row, ZoneRow
from _fastfit.values import Block, Cell, Entry, Placement, Scan, ScanError

#: Why the plain kernel runs though nobody asked for it; empty where the compiled one runs or FASTFIT_PURE is set.
NOT_LOADED = ""

if os.environ.get("FASTFIT_PURE", "") in {"", "0"}:
    try:
        from _fastfit._fit import Fit
        from _fastfit._table import Query, Table
        from _fastfit._wire import scan

        BACKEND = "cython"
    except ImportError as error:
        from _fastfit._fit_py import Fit, Query, Table  # type: ignore[assignment]
        from _fastfit._wire_py import scan

        BACKEND, NOT_LOADED = "python", str(error)
else:
    from _fastfit._fit_py import Fit, Query, Table  # type: ignore[assignment]
    from _fastfit._wire_py import scan

    BACKEND = "python"

__all__ = [
    "BACKEND",
    "FIRST_REFUSAL",
    "LAST_UNKNOWN",
    "MAX_ZONES",
    "NOT_LOADED",
    "Ask",
    "Block",
    "Cell",
    "CellsAsk",
    "Code",
    "ContainerAsk",
    "Entry",
    "Fit",
    "Mode",
    "OnUnknown",
    "Placement",
    "Policy",
    "Query",
    "Row",
    "Scan",
    "ScanError",
    "Scope",
    "Table",
    "ZoneRow",
    "scan",
]
