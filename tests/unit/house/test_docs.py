"""Generated documents are current, and what the README names exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from _fastfit.codes import Code
from extender.reasons import REASONS, wire_texts
from tests.kit import migration_rows as rows
from tools.outcomes_page import RULES, outcomes

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = (
    "README.md", "CONTRIBUTING.md", "deploy/README.md", "docs/scoring.md", "docs/migration.md",
    "docs/kubevirt-states.md", "docs/field-cases.md",
)  # fmt: skip


def test_generated_documents_are_current() -> None:
    """docs/reasons.md, settings.md, outcomes.md and kubelet-versions.md are what their tables say."""
    done = subprocess.run(
        [sys.executable, "tools/generate_docs.py", "--check"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_every_outcome_has_its_rule() -> None:
    """The page of outcomes: a rule for every row of the tests, none for another, and all twelve cells filled."""
    known = [row.id for row in rows.ALL] + [name for name, *_ in rows.NEVER_STARTS]
    assert sorted(RULES) == sorted(known)
    table = [line for line in outcomes().splitlines() if line.count("documented: ")]
    assert [line.count("**symmetric**") + line.count("**does not start**") > 3 for line in table] == [True] * 3
    assert all("**" in cell for line in table for cell in line.split("|")[2:-1])


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    """Relative links of the documents name files that exist."""
    path = ROOT / document
    for target in re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{document}: {target}"


def test_every_code_has_its_words() -> None:
    """One table of reasons: each code once, texts distinct, short and without digits or names."""
    assert set(REASONS) == set(Code)
    texts = [reason.text for reason in REASONS.values()]
    assert len(set(texts)) == len(texts)
    for code, reason in REASONS.items():
        assert len(reason.text) <= 64, code
        assert not re.search(r"\d", reason.text), code
        assert bool(reason.doubt) == (0 < code < 32), code
    assert all(wire_texts()[code] != b'""' for code in Code)
