"""Draws the busiest backend's load over time as an SVG that is readable on light and dark pages."""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape

WIDTH: Final = 860
HEIGHT: Final = 120
LEFT: Final = 48
TOP: Final = 52
MOST: Final = 3.0  # load at the top; what is above is cut off

ROLE: Final = 'role="img" aria-label="Load of the busiest backend over an hour, for four laws"'
TITLE: Final = (
    "Load of the busiest of 8 backends; dashed: full. TTL 15 s, reports every 10 s.",
    "Demand 60 % of capacity, 78 % from minute 20 to 40; one backend is away from 30 to 40.",
)
STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.axis { stroke: #8c959f; stroke-width: 1 }
.full { stroke: #cf222e; stroke-width: 1; stroke-dasharray: 4 3 }
.line { fill: none; stroke: #0969da; stroke-width: 1.3 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .axis { stroke: #6e7681 }
  .full { stroke: #ff7b72 }
  .line { stroke: #58a6ff }
}
"""


def plot(runs: dict[str, list[float]]) -> str:
    """One panel a law, one above the other, all to the same scale."""
    panel = HEIGHT + 44
    height = TOP + panel * len(runs) + 24
    box = f"0 0 {WIDTH + LEFT + 32} {height}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" {ROLE}>',
        f"<style>{STYLE}</style>",
        *(f'<text x="{LEFT}" y="{16 + 18 * at}">{line}</text>' for at, line in enumerate(TITLE)),
    ]
    for row, (name, loads) in enumerate(runs.items()):
        top = TOP + row * panel + 18
        parts += _panel(name, loads, top)
    bottom = TOP + panel * len(runs) - 6
    parts += [
        f'<text x="{_x(minute * 60, len(loads)):.0f}" y="{bottom + 8}" text-anchor="middle">'
        f"{minute} min</text>"
        for minute in range(0, 61, 10)
    ]
    return "\n".join([*parts, "</svg>", ""])


def _panel(name: str, loads: list[float], top: int) -> list[str]:
    points = " ".join(
        f"{_x(second, len(loads)):.1f},{_y(load, top):.1f}"
        for second, load in enumerate(loads)
        if second % 4 == 0
    )
    right, full = LEFT + WIDTH, _y(1, top)
    return [
        f'<text x="{LEFT}" y="{top - 4}" font-weight="600">{escape(name)}</text>',
        *(
            f'<text x="{LEFT - 6}" y="{_y(mark, top) + 4:.0f}" text-anchor="end">{mark}</text>'
            for mark in (0, 1, 2, 3)
        ),
        f'<line class="axis" x1="{LEFT}" y1="{top + HEIGHT}" x2="{right}" y2="{top + HEIGHT}"/>',
        f'<line class="full" x1="{LEFT}" y1="{full:.1f}" x2="{right}" y2="{full:.1f}"/>',
        f'<polyline class="line" points="{points}"/>',
    ]


def _x(second: float, seconds: int) -> float:
    return LEFT + WIDTH * second / seconds


def _y(load: float, top: int) -> float:
    return top + HEIGHT * (1 - min(load, MOST) / MOST)
