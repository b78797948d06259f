"""SECURITY.md names tests that exist, and settings, ports and commands as they are."""

import re
from pathlib import Path

import pytest

from extender.cli.snapshot import snapshot
from extender.config import describe
from extender.names import CELLS_ANNOTATION

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)`", TEXT)))


@pytest.mark.parametrize("path", TESTS)
def test_what_holds_a_promise_exists(path: str) -> None:
    """A file with tests."""
    assert "def test_" in (ROOT / path).read_text(encoding="utf-8")


def test_every_writer_has_a_test_that_holds_it() -> None:
    """Each row of the table ends with at least one."""
    rows = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith(("| who |", "|---"))]
    assert len(rows) >= 9
    assert all("`tests/" in row.split("|")[-2] for row in rows)


def test_names_are_those_of_the_program() -> None:
    """The settings, the annotation and the flag that it names."""
    settings = {row.path.removeprefix("$.") for row in describe()}
    assert {"migrationFromOwners", "charges.promiseSeconds"} <= settings
    assert CELLS_ANNOTATION in TEXT
    assert "--anonymise" in {flag for parameter in snapshot.params for flag in parameter.opts}
    for link in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (ROOT / link).exists(), link
