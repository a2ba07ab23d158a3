"""A figure as SVG: lines and dots over two axes, linear or logarithmic. Enough for the report, and no dependency."""

import math
from collections.abc import Sequence
from html import escape

from deepdrr.validation._check import Curve, Figure

__all__ = ["figure_svg"]

_WIDTH, _HEIGHT = 640, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 150, 34, 48
_COLOURS = ("#1f5fa8", "#c4561c", "#2f8f4e", "#8a3fa0", "#a8871f", "#3b3b3b")


class _Axis:
    """One axis: data to pixels, and where the ticks are."""

    def __init__(self, values: Sequence[float], start: float, end: float, log: bool) -> None:
        self.log, self.start, self.end = log, start, end
        scaled = [self.scaled(v) for v in values]
        low, high = min(scaled), max(scaled)
        margin = 0.03 * (high - low) or 0.5
        self.low, self.high = low - (margin if log or low else 0.0), high + margin

    def scaled(self, value: float) -> float:
        """The value, or its decimal logarithm."""
        return math.log10(value) if self.log else value

    def at(self, value: float) -> float:
        """Position in pixels."""
        return self.start + (self.scaled(value) - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Powers of ten, with 2 and 5 where the span is short; or steps of 1, 2 or 5."""
        if self.log:
            mantissas = (1, 2, 5) if self.high - self.low < 3 else (1,)
            powers = range(math.floor(self.low), math.ceil(self.high) + 1)
            found = [m * 10.0**p for p in powers for m in mantissas]
            return [v for v in found if self.low <= math.log10(v) <= self.high]
        rough = (self.high - self.low) / 6
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
        first = math.ceil(self.low / step)
        return [i * step for i in range(first, math.floor(self.high / step) + 1)]


def figure_svg(figure: Figure) -> str:
    """The figure as one `<svg>` element, without script or outside reference."""
    drawn = [_finite(curve, figure) for curve in figure.curves]
    x = _Axis([v for c in drawn for v in c.x], _LEFT, _WIDTH - _RIGHT, figure.log_x)
    y = _Axis([v for c in drawn for v in c.y], _HEIGHT - _BOTTOM, _TOP, figure.log_y)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        'font-family="sans-serif" font-size="12" fill="#222">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="20" font-weight="bold">{escape(figure.title)}</text>',
        *_frame(x, y, figure),
        *_curves(drawn, x, y),
        "</svg>",
    ]
    return "\n".join(parts)


def _finite(curve: Curve, figure: Figure) -> Curve:
    """The curve without the points that have no place on these axes."""
    points = zip(curve.x, curve.y, strict=True)
    kept = [(a, b) for a, b in points if (a > 0 or not figure.log_x) and (b > 0 or not figure.log_y)]
    return Curve(curve.label, tuple(a for a, _ in kept), tuple(b for _, b in kept), curve.dots)


def _frame(x: _Axis, y: _Axis, figure: Figure) -> list[str]:
    parts = []
    for value in x.ticks():
        at = x.at(value)
        parts.append(f'<path d="M{at:.1f} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="#e3e3e3"/>')
        parts.append(f'<text x="{at:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{value:g}</text>')
    for value in y.ticks():
        at = y.at(value)
        parts.append(f'<path d="M{_LEFT} {at:.1f}H{_WIDTH - _RIGHT}" stroke="#e3e3e3"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{value:g}</text>')
    middle_x, middle_y = (_LEFT + _WIDTH - _RIGHT) / 2, (_TOP + _HEIGHT - _BOTTOM) / 2
    parts.append(f'<text x="{middle_x}" y="{_HEIGHT - 10}" text-anchor="middle">{escape(figure.x_label)}</text>')
    parts.append(
        f'<text transform="translate(16 {middle_y}) rotate(-90)" text-anchor="middle">{escape(figure.y_label)}</text>'
    )
    box = f'x="{_LEFT}" y="{_TOP}" width="{_WIDTH - _RIGHT - _LEFT}" height="{_HEIGHT - _BOTTOM - _TOP}"'
    return [*parts, f'<rect {box} fill="none" stroke="#777"/>']


def _curves(curves: Sequence[Curve], x: _Axis, y: _Axis) -> list[str]:
    """Lines and dots; a curve without a label has the colour of the one before it."""
    parts, count = [], 0
    for curve in curves:
        count += bool(curve.label)
        colour = _COLOURS[(count - 1) % len(_COLOURS)]
        places = [(x.at(a), y.at(b)) for a, b in zip(curve.x, curve.y, strict=True)]
        if curve.dots:
            parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.4" fill="{colour}"/>' for a, b in places]
        else:
            path = "L".join(f"{a:.1f} {b:.1f}" for a, b in places)
            parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        if curve.label:
            height = _TOP + 14 * count
            parts.append(f'<rect x="{_WIDTH - _RIGHT + 8}" y="{height - 8}" width="10" height="4" fill="{colour}"/>')
            parts.append(f'<text x="{_WIDTH - _RIGHT + 23}" y="{height}" font-size="11">{escape(curve.label)}</text>')
    return parts
