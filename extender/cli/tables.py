"""Plain-text tables: aligned columns, one column that wraps, colour only on terminals.

Cells are untrusted, since names come from API objects and files: control and formatting characters are replaced before
they reach the terminal, and cells have no markup.
"""

import os
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

__all__ = ["Cell", "Column", "Terminal", "clean", "render", "terminal_for", "wrap"]

_GAP = "  "
#: Least width of a wrapping column; on narrower terminals the terminal itself wraps.
_MIN_WRAP = 18
_REPLACEMENT = "?"
_COLOURS = {"green": "32", "yellow": "33", "red": "31", "bold": "1", "dim": "2"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column's title; `right` aligns numbers; at most one column of a table has `wraps`."""

    title: str
    right: bool = False
    wraps: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A text with the name of a colour; a plain str is a cell without colour."""

    text: str
    colour: str = ""


@dataclass(frozen=True, slots=True)
class Terminal:
    """The output of a table: columns of the terminal (None: no terminal, no wrapping), and whether it shows colour."""

    width: int | None = None
    colour: bool = False

    def paint(self, text: str, colour: str) -> str:
        """`text` in the colour, if the output shows colour."""
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self.colour and colour else text


def terminal_for(stream: TextIO | None = None) -> Terminal:
    """Width and colour of a stream (default: standard output). NO_COLOR and TERM=dumb switch colour off."""
    stream = stream or sys.stdout
    if not stream.isatty():
        return Terminal()
    colour = not os.environ.get("NO_COLOR") and os.environ.get("TERM", "") not in ("", "dumb")
    return Terminal(width=shutil.get_terminal_size().columns, colour=colour)


def clean(text: str) -> str:
    """`text` with a question mark for every character that could control a terminal or hide text."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_REPLACEMENT if _is_control(char) else char for char in text)


def _is_control(char: str) -> bool:
    # Cc: controls and escape; Cf: bidirectional overrides, zero width; Cs/Co/Cn: no character; Zl/Zp: line breaks.
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def _columns(text: str) -> int:
    """Terminal columns that `text` takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def wrap(text: str, terminal: Terminal, indent: str = "") -> str:
    """A cleaned paragraph, indented and wrapped to the width."""
    text = clean(text)
    if terminal.width is None:
        return indent + text
    width = max(_MIN_WRAP, terminal.width)
    return textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def render(
    columns: Sequence[Column], rows: Sequence[Sequence[str | Cell]], terminal: Terminal, indent: str = ""
) -> str:
    """The table as text, one line per row (more where the wrapping column wraps), no line feed at the end.

    A column in which no row has a text is left out.
    """
    cells = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
    cells = [[Cell(clean(cell.text), cell.colour) for cell in row] for row in cells]
    used = [i for i in range(len(columns)) if not rows or any(row[i].text for row in cells)]
    widths = {i: max([_columns(columns[i].title), *(_columns(row[i].text) for row in cells)]) for i in used}
    for i in used:
        if columns[i].wraps and terminal.width is not None:
            others = len(indent) + sum(widths[k] + len(_GAP) for k in used if k != i)
            widths[i] = max(_MIN_WRAP, min(widths[i], terminal.width - others))
    lines = [_line(columns, used, widths, [Cell(column.title, "bold") for column in columns], terminal, indent)]
    for row in cells:
        lines += _lines(columns, used, widths, row, terminal, indent)
    return "\n".join(lines)


def _lines(
    columns: Sequence[Column],
    used: Sequence[int],
    widths: dict[int, int],
    row: Sequence[Cell],
    terminal: Terminal,
    indent: str,
) -> list[str]:
    first, more = list(row), []
    for i in used:
        if columns[i].wraps and terminal.width is not None:
            parts = textwrap.wrap(row[i].text, widths[i], break_on_hyphens=False) or [""]
            first[i] = Cell(parts[0], row[i].colour)
            more = [[Cell(part, row[i].colour) if k == i else Cell("") for k in range(len(row))] for part in parts[1:]]
    return [_line(columns, used, widths, cells, terminal, indent) for cells in (first, *more)]


def _line(
    columns: Sequence[Column],
    used: Sequence[int],
    widths: dict[int, int],
    row: Sequence[Cell],
    terminal: Terminal,
    indent: str,
) -> str:
    parts = []
    for i in used:
        padding = " " * max(0, widths[i] - _columns(row[i].text))
        painted = terminal.paint(row[i].text, row[i].colour) if row[i].text else ""
        last = i == used[-1]
        parts.append(padding + painted if columns[i].right else painted + ("" if last else padding))
    return (indent + _GAP.join(parts)).rstrip(" ")
