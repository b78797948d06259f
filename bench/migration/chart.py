"""The chart of the migration benchmark: the outcomes of the targets by policy, one bar per contestant."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

from bench.migration.world import Outcome
from bench.shared.report import Row

__all__ = ["draw"]

_WIDTH, _LABEL, _BAR_MAX, _BAR, _STEP, _MARGIN = 760, 190, 470, 20, 28, 16
_STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-size: 15px; font-weight: 600 }
.policy { font-weight: 600 }
.note { font-size: 12px; fill: #57606a }
.symmetric { fill: #1a7f64 }
.degraded { fill: #d4a72c }
.refused { fill: #cf222e }
.waits { fill: #afb8c1 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .note { fill: #9198a1 }
  .symmetric { fill: #3fb98f }
  .refused { fill: #f85149 }
  .waits { fill: #545d68 }
}
"""
_LEGEND: Final = {
    Outcome.SYMMETRIC: "same layout",
    Outcome.DEGRADED: "works, other layout",
    Outcome.REFUSED: "fails",
    Outcome.WAITS: "waits, no node chosen",
}


def draw(rows: Sequence[Row], titles: Mapping[str, str], note: str) -> str:
    """The SVG of the rows `share/<policy>/all/<contestant>/<outcome>`; `note` says what was run."""
    shares: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        if row.name.startswith("share/") and row.name.split("/")[2] == "all":
            _, policy, _, who, outcome = row.name.split("/")
            shares.setdefault(policy, {}).setdefault(who, {})[outcome] = row.value
    body = [_text(_MARGIN, 26, "What becomes of live migrations on the node that was chosen", "title"), *_legend(52)]
    y = 60
    for policy, contestants in shares.items():
        y += 26
        body.append(_text(_MARGIN, y, f"Topology Manager policy {policy}", "policy"))
        y += 12
        for who, parts in contestants.items():
            body.extend(_bar(titles[who], parts, y))
            y += _STEP
    y += 22
    body.append(_text(_MARGIN, y, note, "note"))
    height = y + _MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" role="img">'
    )
    summary = "; ".join(
        f"{policy}, {titles[who]}: " + ", ".join(f"{value:.0f} % {outcome}" for outcome, value in parts.items())
        for policy, contestants in shares.items()
        for who, parts in contestants.items()
    )
    return "\n".join([head, f"<title>{escape(summary)}</title>", f"<style>{_STYLE}</style>", *body, "</svg>"]) + "\n"


def _bar(title: str, parts: Mapping[str, float], y: float) -> Iterator[str]:
    """One contestant: label, its parts side by side, and the share of symmetric targets."""
    yield _text(_LABEL - 10, y + 15, title, end=True)
    x = float(_LABEL)
    for outcome in Outcome:
        width = _BAR_MAX * parts.get(outcome, 0.0) / 100
        if width:
            yield f'<rect class="{outcome}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_BAR}"/>'
        x += width
    yield _text(_LABEL + _BAR_MAX + 8, y + 15, f"{parts.get(Outcome.SYMMETRIC, 0.0):.1f} %")


def _legend(y: float) -> Iterator[str]:
    x = float(_MARGIN)
    for outcome, words in _LEGEND.items():
        yield f'<rect class="{outcome}" x="{x:g}" y="{y - 11:g}" width="12" height="12"/>'
        yield _text(x + 18, y, words)
        x += 40 + 7.2 * len(words)


def _text(x: float, y: float, text: str, style: str = "", *, end: bool = False) -> str:
    extra = (f' class="{style}"' if style else "") + (' text-anchor="end"' if end else "")
    return f'<text x="{x:g}" y="{y:g}"{extra}>{escape(text)}</text>'
