"""Results as a chart: an SVG for light and dark backgrounds. Pure.

There is one panel for each of the chosen measures, with a bar for each server. The bar is as long
as the median; a line goes from the lowest figure to the highest. All bars of a panel begin at zero
and share one scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from benchmarks.peers.table import LABELS, TRIONET
from benchmarks.report import shown
from benchmarks.results import Measure, Results

WIDTH = 760
LABEL_WIDTH = 170
FIGURE_WIDTH = 130
BAR = 16
GAP = 6
TITLE = 34
MARGIN = 16

# The colours outside the media queries are for viewers that do not know the queries.
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #768390 }
  .title { font-weight: 600 }
  .note { font-size: 12px }
  .peer { fill: #9aa4b2 }
  .ours { fill: #1f6feb }
  .spread { stroke: #57606a; stroke-width: 1.5 }
  @media (prefers-color-scheme: light) {
    text, .title { fill: #1f2328 }
    .note { fill: #656d76 }
    .spread { stroke: #1f2328 }
  }
  @media (prefers-color-scheme: dark) {
    text, .title { fill: #e6edf3 }
    .note { fill: #9198a1 }
    .peer { fill: #57606a }
    .ours { fill: #4493f8 }
    .spread { stroke: #e6edf3 }
  }
"""


def chart(results: Results, keys: Sequence[str]) -> str:
    """Return a chart of the chosen measures that have figures."""
    parts: list[str] = []
    y = float(MARGIN)
    for key in keys:
        if any(results.spread(key, peer) for peer in results.peers(key)):
            y = _panel(parts, y, results, results.measures[key])
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y:.0f}" '
        f'width="{WIDTH}" height="{y:.0f}" role="img">\n'
        f"<style>{_STYLE}</style>\n{body}\n</svg>\n"
    )


def _panel(parts: list[str], y: float, results: Results, measure: Measure) -> float:
    peers = results.peers(measure.key)
    spreads = [results.spread(measure.key, peer) for peer in peers]
    most = max(spread.high for spread in spreads if spread) or 1.0
    scale = (WIDTH - LABEL_WIDTH - FIGURE_WIDTH - MARGIN) / most
    better = "longer is better" if measure.more_is_better else "shorter is better"
    parts.append(_text(MARGIN, y + 16, f"{measure.title}: {measure.unit}", "title"))
    parts.append(_text(WIDTH - MARGIN, y + 16, better, "note", anchor="end"))
    y += TITLE
    # Servers without a figure come last, with the reason.
    for peer, spread in sorted(
        zip(peers, spreads, strict=True),
        key=lambda item: (
            item[1] is None,
            (item[1].median if item[1] else 0) * (-1 if measure.more_is_better else 1),
        ),
    ):
        middle = y + BAR / 2
        parts.append(_text(LABEL_WIDTH - 8, middle + 4.5, LABELS.get(peer, peer), anchor="end"))
        if spread is None:
            note = results.notes[measure.key][peer]
            parts.append(_text(LABEL_WIDTH, middle + 4.5, note, "note"))
        else:
            kind = "ours" if peer == TRIONET else "peer"
            parts.append(
                f'<rect class="{kind}" x="{LABEL_WIDTH}" y="{y:.1f}" '
                f'width="{max(1.0, spread.median * scale):.1f}" height="{BAR}" rx="2"/>'
            )
            low, high = LABEL_WIDTH + spread.low * scale, LABEL_WIDTH + spread.high * scale
            parts.append(
                f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" '
                f'y1="{middle:.1f}" y2="{middle:.1f}"/>'
            )
            parts.append(_text(high + 8, middle + 4.5, shown(spread.median)))
        y += BAR + GAP
    return y + MARGIN


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(text)}</text>'
    )
