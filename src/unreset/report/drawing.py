"""Colours and canvases of the figures.

Every figure is drawn on its own canvas: no backend is chosen and no global figure is created, so
that drawing from inside a notebook or a training process changes nothing there.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Theme:
    """Colours of the figures and of the page; hexadecimal."""

    page: str
    panel: str
    text: str
    muted: str
    line: str
    good: str
    bad: str
    series: tuple[str, ...]


LIGHT = Theme(
    page="#ffffff",
    panel="#f5f6f7",
    text="#1d2430",
    muted="#626b78",
    line="#dfe2e6",
    good="#17803d",
    bad="#c2362b",
    series=("#2563b0", "#d1741a", "#2b8a78", "#8a4fae", "#b3395b", "#6b7a12", "#4f6d8f", "#8c5a3c"),
)

DARK = Theme(
    page="#14171c",
    panel="#1d2128",
    text="#e6e8ec",
    muted="#9aa3b0",
    line="#333943",
    good="#4cc374",
    bad="#ff7a6e",
    series=("#6aa5ee", "#f0a04b", "#55c2ab", "#bd8be0", "#ee7d9c", "#b5c44a", "#92b1d4", "#cf9a78"),
)


def canvas(width: float, height: float) -> Figure:
    """An empty transparent figure with a canvas of its own; inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.patch.set_alpha(0.0)
    return figure


def nothing(axes: Axes, theme: Theme, text: str) -> None:
    """Say on empty axes why they are empty."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color=theme.muted, fontsize=10)


def thousands(value: float, _: object = None) -> str:
    """Steps in short: 950, 12k, 1.5M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.0f}"


def to_svg(figure: Figure) -> bytes:
    """The figure as SVG in the reader's own sans-serif, the same bytes for the same figure."""
    buffer = io.StringIO()
    bare = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "unreset"}):
        figure.savefig(buffer, format="svg", metadata=bare)
    fonts = "font-family: system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"
    return re.sub(r"font-family: [^;\"]*", fonts, buffer.getvalue()).encode()


def to_png(figure: Figure, theme: Theme = LIGHT, dpi: int = 150) -> bytes:
    """The figure as PNG on the theme's page colour."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor=theme.page, metadata={"Software": None})
    return buffer.getvalue()
