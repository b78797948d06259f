"""The kernel: node names to rows, rows to verdicts, verdicts to reply bytes.

This module only chooses: the compiled kernel, or its plain twin with FASTFIT_PURE=1 and where it was not built.
"""

import os

from _fastfit.codes import FIRST_REFUSAL, LAST_UNKNOWN, Code, Mode, OnUnknown, Policy, Scope
from _fastfit.model import MAX_ZONES, Ask, CellsAsk, ContainerAsk, Row, ZoneRow
from _fastfit.values import Block, Cell, Entry, Placement, Scan, ScanError

if os.environ.get("FASTFIT_PURE", "") in {"", "0"}:
    try:
        from _fastfit._fit import Fit
        from _fastfit._table import Query, Table
        from _fastfit._wire import scan

        BACKEND = "cython"
    except ImportError:
        from _fastfit._fit_py import Fit, Query, Table  # type: ignore[assignment]
        from _fastfit._wire_py import scan

        BACKEND = "python"
else:
    from _fastfit._fit_py import Fit, Query, Table  # type: ignore[assignment]
    from _fastfit._wire_py import scan

    BACKEND = "python"

__all__ = [
    "BACKEND",
    "FIRST_REFUSAL",
    "LAST_UNKNOWN",
    "MAX_ZONES",
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
