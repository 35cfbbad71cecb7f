"""Small plots as SVG text: bars and lines with intervals. Nothing but the standard library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

Cell = Mapping[str, float]

COLOURS = (
    "#0b5cad", "#c2571a", "#2a7d4f", "#8b3fa0", "#b58900", "#a1261d", "#2a8a99", "#6b6b6b",
    "#d1568a", "#4d5fd1", "#7a5230", "#5a8f29",
)  # fmt: skip
_WIDTH, _LEFT, _ROW = 760, 150, 28


def bars(cells: Mapping[str, Cell]) -> str:
    """One bar a name, from 0 to the largest value (1 at least), with its interval."""
    if not cells:
        return "<p>Nothing was measured.</p>"
    top = max(1.0, *(cell["high"] for cell in cells.values()))
    scale = (_WIDTH - _LEFT - 90) / top
    height = _ROW * len(cells) + 30
    parts = [_opening(height)]
    for tick in range(5):
        x = _LEFT + scale * top * tick / 4
        parts.append(_line(x, 6, x, height - 22, "#e2e5e9"))
        parts.append(_text(x, height - 6, f"{top * tick / 4:g}", "middle"))
    for n, (name, cell) in enumerate(cells.items()):
        y = 8 + _ROW * n
        width = max(scale * cell["value"], 0)
        colour = COLOURS[n % len(COLOURS)]
        parts.append(_text(_LEFT - 8, y + 15, name, "end"))
        parts.append(
            f'<rect x="{_LEFT}" y="{y + 3}" width="{width:.1f}" height="17" rx="2" '
            f'fill="{colour}" opacity="0.75"/>'
        )
        low, high = _LEFT + scale * max(cell["low"], 0), _LEFT + scale * cell["high"]
        parts.append(_line(low, y + 11.5, high, y + 11.5, "#1b1f24", 1.6))
        parts.append(_text(high + 8, y + 16, f"{cell['value']:.3f}", "start"))
    return "".join(parts) + "</svg>"


def lines(
    curves: Mapping[str, Sequence[tuple[float, Cell]]], axis: str, *, log: bool = False
) -> str:
    """A line a name over numbers, with intervals; values are in 0..1."""
    places = sorted({x for points in curves.values() for x, _ in points})
    if not places:
        return ""
    height, bottom, right = 300, 256, _WIDTH - 170
    ordered = [math.log10(x) if log and x > 0 else x for x in places]
    span = ordered[-1] - ordered[0] or 1.0

    def at(x: float) -> float:
        value = math.log10(x) if log and x > 0 else x
        return 60 + (right - 80) * (value - ordered[0]) / span

    parts = [_opening(height)]
    for tick in range(5):
        y = bottom - 240 * tick / 4
        parts.append(_line(50, y, right, y, "#e2e5e9"))
        parts.append(_text(44, y + 4, f"{tick / 4:g}", "end"))
    parts += [_text(at(x), bottom + 18, f"{x:g}", "middle") for x in places]
    parts.append(_text((50 + right) / 2, bottom + 38, axis, "middle"))
    for n, (name, points) in enumerate(curves.items()):
        colour = COLOURS[n % len(COLOURS)]
        shift = (n - len(curves) / 2) * 2.5  # so that intervals do not hide each other
        spots = [
            (at(x) + shift, bottom - 240 * cell["value"], cell)
            for x, cell in sorted(points, key=lambda point: point[0])
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in spots)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y, cell in spots:
            low, high = bottom - 240 * max(cell["low"], 0), bottom - 240 * min(cell["high"], 1)
            parts.append(_line(x, low, x, high, colour, 1))
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{colour}"/>')
        y = 24 + 19 * n
        parts.append(_line(right + 14, y - 4, right + 34, y - 4, colour, 3))
        parts.append(_text(right + 40, y, name, "start"))
    return "".join(parts) + "</svg>"


def _opening(height: int) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" role="img" '
        'font-family="system-ui,sans-serif" font-size="13" fill="#1b1f24">'
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(x: float, y: float, to_x: float, to_y: float, colour: str, width: float = 1) -> str:
    return (
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{colour}" '
        f'stroke-width="{width}"/>'
    )
