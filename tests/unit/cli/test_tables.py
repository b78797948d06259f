"""Tables for people: alignment, wrapping, colour, and names that try to steer the terminal."""

import io

import pytest

from extender.cli.tables import Cell, Column, Terminal, clean, render, terminal_for, wrap

COLUMNS = [Column("NODE"), Column("SCORE", right=True), Column("REASON", wraps=True)]


def test_columns_align_and_no_line_ends_in_blanks() -> None:
    """Left and right columns line up under their titles; the last column is not padded."""
    text = render(COLUMNS, [["xeon-1", "10", "fits"], ["a", "7", "fits too"]], Terminal())
    assert text.splitlines() == [
        "NODE    SCORE  REASON",
        "xeon-1     10  fits",
        "a           7  fits too",
    ]


def test_without_a_terminal_nothing_wraps_and_nothing_is_coloured() -> None:
    """A pipe gets one line per row, whatever its length, so that grep works."""
    reason = "no NUMA zone has enough free CPUs " * 20
    text = render(COLUMNS, [["n", "", Cell(reason.strip(), "red")]], Terminal())
    assert len(text.splitlines()) == 2
    assert "\x1b" not in text


def test_the_reason_wraps_below_itself() -> None:
    """On a terminal the wrapping column continues in its own column, and no line is wider than the terminal."""
    reason = "no NUMA zone has enough free CPUs for the container"
    lines = render(COLUMNS, [["node-1", "3", reason]], Terminal(width=45)).splitlines()
    assert max(map(len, lines)) <= 45
    start = lines[0].index("REASON")
    assert " ".join(line[start:].strip() for line in lines[1:]) == reason
    assert all(not line[:start].strip() for line in lines[2:])


def test_colour_surrounds_the_text_and_not_the_padding() -> None:
    """Widths are counted without the escape sequences."""
    text = render([Column("A"), Column("B")], [[Cell("x", "green"), "y"]], Terminal(width=80, colour=True))
    assert text.splitlines()[1] == "\x1b[32mx\x1b[0m  y"


def test_a_column_without_a_text_is_left_out() -> None:
    """An ordinary VM has no zones: the column is not shown."""
    text = render([Column("NODE"), Column("ZONES"), Column("R")], [["a", "", "r"]], Terminal())
    assert text.splitlines() == ["NODE  R", "a     r"]


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("a\x1b[31mred", "a?[31mred"),
        ("a\nb\tc\r", "a?b?c?"),
        ("a\u202egpj.exe", "a?gpj.exe"),
        ("zero\u200bwidth", "zero?width"),
        ("c1\x9b31m", "c1?31m"),
        ("line\u2028break", "line?break"),
        ("lone\ud800", "lone?"),
        ("[bold]plain[/bold]", "[bold]plain[/bold]"),
        ("größe", "größe"),
    ],
)
def test_untrusted_text_cannot_steer_the_terminal(hostile: str, shown: str) -> None:
    """Escapes, line breaks, bidirectional overrides and invisible characters become question marks."""
    assert clean(hostile) == shown
    assert shown in render([Column("NODE")], [[hostile]], Terminal(width=80, colour=True))
    assert wrap(hostile, Terminal()) == shown


def test_wide_characters_count_two_columns() -> None:
    """East Asian names keep the next column aligned."""
    lines = render([Column("N"), Column("M")], [["節点", "x"], ["ab", "y"]], Terminal()).splitlines()
    assert lines[1] == "節点  x"
    assert lines[2] == "ab    y"


def test_width_and_colour_of_a_pipe_and_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a terminal has a width and colour, and NO_COLOR takes the colour away."""

    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "77")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert terminal_for(io.StringIO()) == Terminal()
    assert terminal_for(Tty()) == Terminal(width=77, colour=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert terminal_for(Tty()) == Terminal(width=77, colour=False)
