"""Writes reasons.md, settings.md, outcomes.md and kubelet-versions.md in docs from the one table each of them comes from.

`python tools/generate_docs.py` writes; `--check` exits 1 where a file is not what would be written.
"""

import sys
from pathlib import Path

from _fastfit.codes import Code
from extender.config import describe
from extender.reasons import REASONS, verdict_of
from tools.kubelet_versions_page import kubelet_versions
from tools.outcomes_page import outcomes

DOCS = Path(__file__).resolve().parent.parent / "docs"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def reasons() -> str:
    """Every outcome code with its text on the wire and its remedy."""
    lines = [
        "# Reasons",
        "",
        "Code: stable, in metrics, decisions and `explain -o json`. Text: what kube-scheduler shows in the pod's event.",
        "Doubt: the key of `onUnknown` that says what the verdict unknown does, be it found in what is known of the node, in its",
        "zones, or in the pod (`pod`: then on every node, those included that have not been seen).",
        "",
        "| code | verdict | text | what to do | doubt |",
        "|---|---|---|---|---|",
    ]
    for code in Code:
        reason = REASONS[code]
        cells = (f"`{code.name}`", verdict_of(code), reason.text, reason.advice, reason.doubt)
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join(lines) + "\n"


def settings() -> str:
    """Every field of the configuration file."""
    lines = [
        "# Settings",
        "",
        "The file given with `--config`. `fastfit check-config FILE` names every mistake with its path and remedy.",
        "`mode`, `onUnknown`, `migration`, `migrationFromOwners` and `pools` are taken over while running; other changes wait for a restart, which is said.",
        "",
        "| field | type | default | unit | why |",
        "|---|---|---|---|---|",
    ]
    for row in describe():
        cells = (f"`{row.path.removeprefix('$.')}`", row.type, row.default, row.unit, row.reason)
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Writes or checks."""
    check = "--check" in sys.argv[1:]
    stale = []
    pages = {
        "reasons.md": reasons(),
        "settings.md": settings(),
        "outcomes.md": outcomes(),
        "kubelet-versions.md": kubelet_versions(),
    }
    for name, text in pages.items():
        path = DOCS / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if check:
            stale.append(name)
        else:
            path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"docs/{name} is not current: run `python tools/generate_docs.py`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
