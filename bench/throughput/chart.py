"""The chart of the throughput benchmark: one bar per contestant and size, as SVG for light and dark pages."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

from bench.shared.report import Row

__all__ = ["draw"]

_WIDTH, _LABEL, _BAR_MAX, _BAR, _STEP, _MARGIN = 760, 290, 340, 20, 28, 16
_STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-size: 15px; font-weight: 600 }
.size { font-weight: 600 }
.note { font-size: 12px; fill: #57606a }
.other { fill: #afb8c1 }
.ours { fill: #1a7f64 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .note { fill: #9198a1 }
  .other { fill: #545d68 }
  .ours { fill: #3fb98f }
}
"""


def draw(rows: Sequence[Row], titles: Mapping[str, str]) -> str:
    """The SVG of the rows `throughput/<nodes>/<name>` whose name is in `titles`, largest cluster first."""
    sizes: dict[int, list[tuple[str, Row]]] = {}
    for row in rows:
        _, size, name = row.name.split("/")
        if name in titles:
            sizes.setdefault(int(size), []).append((name, row))
    body = [_text(_MARGIN, 26, "VM pods that the real kube-scheduler binds per second", "title")]
    fastest = max(row.value for group in sizes.values() for _, row in group)
    y = 34
    for nodes, group in sorted(sizes.items(), reverse=True):
        y += 26
        body.append(_text(_MARGIN, y, f"{nodes:,} nodes, all of them scored", "size"))
        y += 12
        body.extend(_bars(group, titles, y, fastest))
        y += _STEP * len(group)
    y += 22
    body.append(
        _text(_MARGIN, y, "Medians; in brackets the ratio over kube-scheduler alone in the same round.", "note")
    )
    height = y + _MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" role="img">'
    )
    summary = "; ".join(f"{row.name.partition('/')[2]} {row.value:.1f}" for group in sizes.values() for _, row in group)
    title = f"<title>Pods bound per second: {escape(summary)}</title>"
    return "\n".join([head, title, f"<style>{_STYLE}</style>", *body, "</svg>"]) + "\n"


def _bars(group: Sequence[tuple[str, Row]], titles: Mapping[str, str], top: int, fastest: float) -> Iterator[str]:
    """Label, bar and figure of each row of one size; all sizes share one scale."""
    for k, (name, row) in enumerate(group):
        y = top + _STEP * k
        width = max(1.0, _BAR_MAX * row.value / fastest)
        colour = "ours" if name.startswith("fastfit") else "other"
        yield _text(_LABEL - 10, y + 15, titles[name], end=True)
        yield f'<rect class="{colour}" x="{_LABEL}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2"/>'
        yield _text(_LABEL + width + 8, y + 15, f"{row.value:.1f}  ({row.ratio:.2f}\u00d7)")


def _text(x: float, y: float, text: str, style: str = "", *, end: bool = False) -> str:
    extra = (f' class="{style}"' if style else "") + (' text-anchor="end"' if end else "")
    return f'<text x="{x:g}" y="{y:g}"{extra}>{escape(text)}</text>'
