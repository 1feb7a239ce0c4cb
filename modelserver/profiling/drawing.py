"""A picture of what was measured: throughput to the right, p99 upwards, a line for each server."""

import html
import math
from collections.abc import Callable, Sequence

from modelserver.profiling.grid import Point

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 900, 560, 80, 50, 20, 150
_COLOURS = ("#1f5fbf", "#b3261e", "#1b7f4d", "#8a5a00", "#6a3fb5", "#00788a", "#a03070", "#555555")


def draw(points: Sequence[Point], knee: Point | None, p99_seconds: float, title: str) -> str:
    """Draw an SVG picture.

    Args:
        points: everything that was measured.
        knee: the chosen one, marked.
        p99_seconds: the goal, a dashed line.
        title: what was measured.
    """
    lines: dict[str, list[Point]] = {}
    for point in points:
        lines.setdefault(describe(point), []).append(point)
    right = max(point.load.requests_per_second for point in points) * 1.05 or 1.0
    p99s = [point.load.p99_seconds for point in points]
    low, high = min(*p99s, p99_seconds), max(*p99s, p99_seconds)

    def x(point: Point) -> float:
        return _LEFT + point.load.requests_per_second / right * (_WIDTH - _LEFT - _RIGHT)

    def y(seconds: float) -> float:
        share = math.log(seconds / low) / (math.log(high / low) or 1.0)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        _text(_LEFT, 26, title, 16),
        *_axes(right, low, high, y),
        f'<path d="M{_LEFT} {y(p99_seconds):.1f}H{_WIDTH - _RIGHT}" stroke="#888" '
        'stroke-dasharray="6 4"/>',
        _text(_LEFT + 6, y(p99_seconds) - 6, f"goal {p99_seconds * 1000:g} ms"),
    ]
    for number, (name, found) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(f"{x(point):.1f},{y(point.load.p99_seconds):.1f}" for point in found)
        row, column = divmod(number, 2)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{x(point):.1f}" cy="{y(point.load.p99_seconds):.1f}" r="3.5" '
            f'fill="{colour}"/>'
            for point in found
        ]
        parts.append(_text(_LEFT + column * 410, _HEIGHT - 84 + row * 20, f"— {name}", 13, colour))
    if knee:
        parts.append(
            f'<circle cx="{x(knee):.1f}" cy="{y(knee.load.p99_seconds):.1f}" r="9" fill="none" '
            'stroke="#000" stroke-width="2"/>'
        )
    return "\n".join([*parts, "</svg>", ""])


def describe(point: Point) -> str:
    """A server's settings in few words."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in point.settings.items())


def _axes(right: float, low: float, high: float, y: Callable[[float], float]) -> list[str]:
    bottom = _HEIGHT - _BOTTOM
    parts = [
        f'<path d="M{_LEFT} {_TOP}V{bottom}H{_WIDTH - _RIGHT}" fill="none" stroke="#222"/>',
        _text((_LEFT + _WIDTH) / 2 - 60, bottom + 40, "requests a second"),
        _text(8, _TOP - 10, "p99, ms"),
    ]
    for step in range(1, 6):
        value = right * step / 5
        position = _LEFT + (_WIDTH - _LEFT - _RIGHT) * step / 5
        parts.append(_text(position - 24, bottom + 20, f"{value:.0f}"))
    for step in range(5):
        seconds = low * (high / low) ** (step / 4)
        parts.append(_text(24, y(seconds) + 4, f"{seconds * 1000:.3g}"))
    return parts


def _text(x: float, y: float, text: str, size: int = 13, colour: str = "#222") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}">'
        f"{html.escape(text)}</text>"
    )
