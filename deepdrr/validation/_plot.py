"""A figure of the report as SVG, drawn by matplotlib (the extra `plot`)."""

import io
from collections.abc import Callable, Sequence
from typing import Any

from deepdrr._extras import require
from deepdrr.validation._check import Curve, Figure

__all__ = ["figure_svg"]

_COLORS = ("#1f5fa8", "#c4561c", "#2f8f4e", "#8a3fa0", "#a8871f", "#3b3b3b")
_SIZE_INCHES = (8.0, 4.2)
# Text stays text, to be searched and read aloud; the salt makes the names of clip paths the same in each run.
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "deepdrr",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "figure.titlesize": 9.5,
    "figure.titleweight": "bold",
    "axes.edgecolor": "#777777",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "legend.fontsize": 8.0,
    "legend.frameon": False,
}


def figure_svg(figure: Figure) -> str:
    """The figure as one `<svg>` element: the same text for the same numbers, without script or outside reference.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    matplotlib = require("matplotlib", "plot", "a figure")
    canvas = require("matplotlib.figure", "plot", "a figure")
    buffer = io.StringIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a user's matplotlibrc does not count
        matplotlib.rcParams.update(_STYLE)
        drawing = canvas.Figure(figsize=_SIZE_INCHES, layout="constrained")
        drawing.suptitle(figure.title, x=0.01, horizontalalignment="left")
        _draw(drawing.subplots(), figure)
        drawing.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :].rstrip()


def _draw(axes: Any, figure: Figure) -> None:
    axes.set(xlabel=figure.x_label, ylabel=figure.y_label)
    axes.margins(x=0.03, y=0.03)
    for curve, color in zip(figure.curves, _colors(figure.curves), strict=True):
        style = {"marker": "o", "markersize": 3.2, "linestyle": ""} if curve.dots else {"linewidth": 1.5}
        axes.plot(curve.x, curve.y, color=color, label=curve.label or "_unnamed", **style)
    if figure.log_x:
        _make_logarithmic(axes.xaxis, axes.set_xscale)
    if figure.log_y:
        _make_logarithmic(axes.yaxis, axes.set_yscale)
    if any(curve.label for curve in figure.curves):
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _make_logarithmic(axis: Any, set_scale: Callable[..., None]) -> None:
    """Mask what has no logarithm; tick powers of ten, and 2 and 5 between them where the span is short."""
    ticker = require("matplotlib.ticker", "plot", "a figure")
    set_scale("log", nonpositive="mask")
    low, high = axis.get_view_interval()
    axis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0) if high < 1000.0 * low else (1.0,)))
    axis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
    axis.set_minor_locator(ticker.NullLocator())


def _colors(curves: Sequence[Curve]) -> list[str]:
    """A color for each curve; one without a label has that of the curve before it."""
    named = 0
    colors = []
    for curve in curves:
        named += bool(curve.label)
        colors.append(_COLORS[(named - 1) % len(_COLORS)])
    return colors
