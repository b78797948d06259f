"""The records of decisions and the glossary are whole: form, index, links, and the files that they name."""

import re
from pathlib import Path

import pytest

ROOT = next(path for path in Path(__file__).resolve().parents if (path / "pyproject.toml").exists())
RECORDS = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
INDEX = ROOT / "docs/decisions/README.md"
GLOSSARY = ROOT / "docs/glossary.md"
SECTIONS = ["Context", "Decision", "Consequences", "Evidence"]
#: Most lines of a record: half a page, and a table.
LONGEST = 45


def test_records_are_numbered_and_indexed() -> None:
    """Numbers have no gap, and the index has every record once, in order."""
    assert [int(path.name[:4]) for path in RECORDS] == list(range(1, len(RECORDS) + 1))
    listed = re.findall(r"^\| \[(\d+)\]\(([^)]+)\) \|", INDEX.read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == [(str(int(path.name[:4])), path.name) for path in RECORDS]


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.name[:4])
def test_a_record_has_its_form(path: Path) -> None:
    """A record has its number in the title, the four sections, and is short."""
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# {int(path.name[:4])}. ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert len(text.splitlines()) <= LONGEST


@pytest.mark.parametrize("path", [*RECORDS, INDEX, GLOSSARY], ids=lambda path: path.name)
def test_what_a_document_names_exists(path: Path) -> None:
    """Relative links lead somewhere, and so do paths of the repository in code quotes."""
    text = path.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []
    named = re.findall(r"`((?:extender|_fastfit|deploy|docs|tests|tools)/[\w./-]*)`", text)
    assert [name for name in named if name != "tests/kit" and not (ROOT / name).exists()] == []


def test_the_glossary_is_in_order() -> None:
    """Words of the glossary are alphabetical, and each stands once with its meaning."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \| .*\|$", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)[1:]
    words = [word.lower() for word, _ in rows]
    assert len(words) > 100
    assert words == sorted(set(words))
