"""What a run folder holds, read for drawing, and the figures made of it.

Every figure is drawn on its own canvas: no backend is chosen and no global figure is created, so
that drawing from inside a notebook or a training process changes nothing there.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from unreset.errors import UnresetError

Table = dict[str, np.ndarray]  # every column [rows]: float64, or str for ``role``

BOOKKEEPING = frozenset({"seed", "env_steps", "wall_seconds", "steps_per_second"})
TABLES = ("metrics.csv", "eval.csv", "phases.csv", "visits.csv")
_NEUTRAL = 6  # the colour of what belongs to no role
_MOST_POINTS = 300  # of one drawn line
_MOST_MARKS = 200  # ends of phases of one kind on one map
_CELLS = 52  # of a map, per side
_WINDOWS = 24  # over the length of a run


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


@dataclass(frozen=True)
class Record:
    """The files of one run, as far as they are there. Missing tables are empty."""

    folder: Path
    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    metrics: Table
    evaluation: Table
    phases: Table
    visits: Table
    missing: tuple[str, ...]  # files that are absent, empty or unreadable

    @property
    def roles(self) -> list[str]:
        """Names of the roles in the order in which they first appear."""
        names = [*self.phases.get("role", ()), *self.visits.get("role", ())]
        return list(dict.fromkeys(str(name) for name in names if name))

    @property
    def seeds(self) -> list[int]:
        """Seeds of the run, from its summary, its tables or its configuration."""
        listed = self.summary.get("seeds")
        if isinstance(listed, list) and listed:
            return [seed for seed in listed if isinstance(seed, int)]
        for table in (self.evaluation, self.metrics, self.phases):
            found = _finite(table.get("seed", np.empty(0)))
            if len(found):
                return [int(seed) for seed in np.unique(found)]
        seed = self.config.get("seed")
        return [seed if isinstance(seed, int) else 0]


def _finite(values: np.ndarray) -> np.ndarray:
    return np.compress(np.isfinite(values), values)


def _number(cell: str | None) -> float:
    """The number in a cell; NaN for what is none, as in the last line of a run cut short."""
    try:
        return float(cell or "nan")
    except ValueError:
        return {"True": 1.0, "False": 0.0}.get(cell or "", math.nan)


def _read_table(path: Path) -> Table:
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        names = [name for name in reader.fieldnames or () if name]
    return {
        name: np.array([row[name] or "" for row in rows], dtype=str)
        if name == "role"
        else np.array([_number(row[name]) for row in rows], dtype=np.float64)
        for name in names
    }


def _read_json(path: Path) -> Mapping[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def read_record(folder: Path) -> Record:
    """Read a run folder; files other than ``config.json`` may be missing or partial.

    Raises:
        UnresetError: if the folder is no run, that is, has no readable ``config.json``.
    """
    folder = Path(folder)
    config = _read_json(folder / "config.json")
    if config is None:
        raise UnresetError(f"{folder} is no run folder: expected a readable config.json in it")
    summary = _read_json(folder / "summary.json")
    missing = [] if summary is not None else ["summary.json"]
    tables: dict[str, Table] = {}
    for name in TABLES:
        try:
            table = _read_table(folder / name)
        except (OSError, csv.Error):
            table = {}
        if not len(table.get("env_steps", ())):
            table = {}
            missing.append(name)
        tables[name] = table
    return Record(
        folder,
        config,
        summary or {},
        metrics=tables["metrics.csv"],
        evaluation=tables["eval.csv"],
        phases=tables["phases.csv"],
        visits=tables["visits.csv"],
        missing=tuple(missing),
    )


def over_seeds(table: Table, column: str) -> tuple[np.ndarray, np.ndarray]:
    """A column by seed on common steps: ``(steps [points], values [seeds, points])``.

    Seeds are interpolated where they were not measured, and NaN before their first and after their
    last value. Both arrays are empty where the table has no number in the column.
    """
    nothing = np.empty(0), np.empty((0, 0))
    if column not in table or "env_steps" not in table:
        return nothing
    steps, values = table["env_steps"], table[column]
    seeds = table.get("seed", np.zeros(len(steps)))
    valid = np.isfinite(values) & np.isfinite(steps) & np.isfinite(seeds)
    if not valid.any():
        return nothing
    grid = np.unique(steps[valid])
    if len(grid) > _MOST_POINTS:
        grid = np.linspace(grid[0], grid[-1], _MOST_POINTS)
    lines = []
    for seed in np.unique(seeds[valid]):
        mine = valid & (seeds == seed)
        order = np.argsort(steps[mine], kind="stable")
        lines.append(
            np.interp(grid, steps[mine][order], values[mine][order], left=np.nan, right=np.nan)
        )
    return grid, np.stack(lines)


def windowed_success(record: Record, role: str) -> tuple[np.ndarray, np.ndarray]:
    """Share of a role's phases that ended in success: ``(steps [windows], share [windows])``.

    Windows have equal length; those in which no phase of the role ended are left out.
    """
    table = record.phases
    if not {"role", "env_steps", "success"} <= table.keys():
        return np.empty(0), np.empty(0)
    edges = np.linspace(0.0, np.nanmax(table["env_steps"]), _WINDOWS + 1)
    mine = (table["role"] == role) & np.isfinite(table["success"] + table["env_steps"])
    ended, _ = np.histogram(table["env_steps"][mine], edges)
    won, _ = np.histogram(table["env_steps"][mine], edges, weights=table["success"][mine])
    some = ended > 0
    return ((edges[1:] + edges[:-1]) / 2)[some], won[some] / ended[some]


def metric_panels(record: Record) -> dict[str, list[tuple[str, int]]]:
    """Training metrics that vary, by name: the columns of a panel, each with its colour's index.

    Columns that differ only in a role's suffix share a panel, in the roles' colours.
    """
    roles = {name: number for number, name in enumerate(record.roles)}
    panels: dict[str, list[tuple[str, int]]] = {}
    for column, values in record.metrics.items():
        finite = _finite(values) if column not in BOOKKEEPING and column != "role" else np.empty(0)
        if len(finite) < 2 or np.ptp(finite) == 0:
            continue
        base, _, suffix = column.rpartition("_")
        name, colour = (base, roles[suffix]) if base and suffix in roles else (column, _NEUTRAL)
        panels.setdefault(name, []).append((column, colour))
    return panels


def _figure(width: float, height: float) -> Figure:
    """An empty transparent figure with a canvas of its own; inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.patch.set_alpha(0.0)
    return figure


def thousands(value: float, _: object = None) -> str:
    """Steps in short: 950, 12k, 1.5M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.0f}"


def _calm(axes: Axes, theme: Theme, size: float = 9.0) -> None:
    """Horizontal hairlines only, no frame."""
    axes.set_facecolor("none")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(theme.line)
    axes.tick_params(colors=theme.muted, labelsize=size, length=0, which="both")
    axes.grid(axis="y", color=theme.line, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter(FuncFormatter(thousands))
    axes.xaxis.set_major_locator(MaxNLocator(5))


def _nothing(axes: Axes, theme: Theme, text: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color=theme.muted, fontsize=10)


def _band(
    axes: Axes,
    drawn: tuple[np.ndarray, np.ndarray],
    colour: str,
    label: str,
    *,
    limits: tuple[float, float] = (-np.inf, np.inf),
    each: bool = False,
    style: str = "-",
    width: float = 2.0,
) -> None:
    """The mean over seeds, one standard deviation around it, and on demand every seed."""
    steps, values = drawn
    counted = np.isfinite(values).sum(axis=0)
    steps, values = steps[counted > 0], values[:, counted > 0]
    mean, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    if len(values) > 1:
        low, high = np.clip([mean - spread, mean + spread], *limits)
        axes.fill_between(steps, low, high, color=colour, alpha=0.16, linewidth=0)
        if each:
            axes.plot(steps, values.T, color=colour, alpha=0.35, linewidth=0.7)
    alone = "o" if len(steps) == 1 else ""
    axes.plot(steps, mean, style, marker=alone, color=colour, linewidth=width, label=label)


def _draw_success(axes: Axes, theme: Theme, records: Sequence[Record], labels: list[str]) -> None:
    drawn = False
    for number, (record, label) in enumerate(zip(records, labels, strict=True)):
        colour = theme.series[number % len(theme.series)]
        style = ("-", "--", ":")[number // len(theme.series) % 3]
        curve = over_seeds(record.evaluation, "success")
        single = len(records) == 1
        if len(curve[0]):
            _band(axes, curve, colour, label, limits=(0, 1), each=single, style=style)
            drawn = True
        wide = over_seeds(record.evaluation, "wide_success")
        if single and len(wide[0]):
            _band(axes, wide, theme.series[2], "from wide starts", limits=(0, 1), style="--")
            drawn = True
    if not drawn:
        return _nothing(axes, theme, "no evaluation yet")
    _calm(axes, theme, 10)
    axes.set_ylim(-0.02, 1.04)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])
    axes.axhline(0.95, color=theme.muted, linewidth=0.8, linestyle=(0, (1, 3)))
    longest = max(np.nanmax(r.evaluation.get("env_steps", np.zeros(1))) for r in records)
    axes.set_xlim(0, max(float(longest), 1.0))
    axes.set_xlabel("environment steps", color=theme.muted, fontsize=10)


def _draw_metric(
    axes: Axes, theme: Theme, record: Record, name: str, columns: Sequence[tuple[str, int]]
) -> None:
    values = np.concatenate([_finite(record.metrics[column]) for column, _ in columns])
    for column, number in columns:
        label = column.removeprefix(f"{name}_")
        curve = over_seeds(record.metrics, column)
        _band(axes, curve, theme.series[number % len(theme.series)], label, width=1.4)
    _calm(axes, theme)
    if values.min() > 0 and np.percentile(values, 99) > 30 * np.median(values):
        axes.set_yscale("log")
    else:
        axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.set_xlim(0, max(float(np.nanmax(record.metrics["env_steps"])), 1.0))


def success_figure(records: Sequence[Record], labels: Sequence[str], theme: Theme) -> Figure:
    """Success of the deployed policy over environment steps, one colour per run."""
    figure = _figure(9.6, 3.9)
    _draw_success(figure.add_subplot(), theme, records, list(labels))
    return figure


def phases_figure(record: Record, roles: Mapping[str, int], theme: Theme) -> Figure:
    """Share of phases that ended in success over environment steps; roles and their colours."""
    figure = _figure(9.6, 2.7)
    axes = figure.add_subplot()
    for role, number in roles.items():
        steps, share = windowed_success(record, role)
        colour = theme.series[number % len(theme.series)]
        axes.plot(steps, share, color=colour, linewidth=2.0, marker="o", markersize=3.2)
    _calm(axes, theme, 10)
    axes.set_ylim(-0.04, 1.06)
    axes.set_yticks([0, 0.5, 1], ["0", ".5", "1"])
    axes.set_xlim(0, max(float(np.nanmax(record.phases.get("env_steps", np.ones(1)))), 1.0))
    axes.set_xlabel("environment steps", color=theme.muted, fontsize=10)
    return figure


def metric_figure(
    record: Record, name: str, columns: Sequence[tuple[str, int]], theme: Theme
) -> Figure:
    """One panel of :func:`metric_panels`: the mean over seeds and its spread."""
    figure = _figure(3.3, 1.9)
    _draw_metric(figure.add_subplot(), theme, record, name, columns)
    return figure


def _sparse(points: np.ndarray) -> np.ndarray:
    """At most ``_MOST_MARKS`` of the points [points, 2], evenly over time."""
    if len(points) <= _MOST_MARKS:
        return points
    chosen = np.linspace(0, len(points) - 1, _MOST_MARKS).astype(int)
    return np.take(points, chosen, axis=0)


def _positions(table: Table, role: str | None = None) -> np.ndarray:
    """Positions [points, 2] of a table's rows, of one role or of all."""
    if not {"x", "y", "role"} <= table.keys():
        return np.empty((0, 2))
    points = np.stack([table["x"], table["y"]], axis=-1)
    valid = np.isfinite(points).all(axis=-1) & (table["role"] == role if role else True)
    return np.compress(valid, points, axis=0)


def map_figure(
    record: Record,
    role: str,
    theme: Theme,
    goals: np.ndarray | None = None,
    initial: np.ndarray | None = None,
    *,
    judged: bool = True,
) -> Figure:
    """Where a role has been and where its phases ended, with goals and initial states marked.

    ``goals`` and ``initial`` are positions [n, 2] in the units of the task, if they are known. The
    limits are the same for all roles of a run. Unless ``judged``, no success is told apart.
    """
    figure = _figure(4.2, 4.2)
    axes = figure.add_subplot()
    none = np.empty((0, 2))
    goals, initial = (none if marks is None else marks for marks in (goals, initial))
    everything = np.concatenate(
        [_positions(record.visits), _positions(record.phases), goals, initial]
    )
    if not len(everything):
        _nothing(axes, theme, "no positions")
        return figure
    low, high = everything.min(axis=0), everything.max(axis=0)
    middle, half = (low + high) / 2, 0.54 * max(float((high - low).max()), 1e-6)
    (left, bottom), (right, top) = middle - half, middle + half
    colour = theme.series[record.roles.index(role) % len(theme.series)]
    visits = _positions(record.visits, role)
    if len(visits):
        extent = (float(left), float(right), float(bottom), float(top))
        limits = np.reshape(extent, (2, 2))
        counts, _, _ = np.histogram2d(visits[:, 0], visits[:, 1], bins=_CELLS, range=limits)
        density = LinearSegmentedColormap.from_list("visits", [theme.panel, colour])
        axes.imshow(
            np.ma.masked_equal(np.log1p(counts.T), 0.0),
            origin="lower",
            extent=extent,
            cmap=density,
            vmin=0.0,
            interpolation="none",
        )
    ends = _positions(record.phases, role)
    if len(ends) and not judged:
        some = _sparse(ends)
        axes.scatter(some[:, 0], some[:, 1], s=17, marker="+", color=theme.text, linewidths=0.9)
    elif len(ends):
        table = record.phases
        mine = (table["role"] == role) & np.isfinite(table["x"] + table["y"])
        won = table.get("success", np.zeros(len(table["x"])))[mine] > 0.5
        failed, reached = _sparse(ends[~won]), _sparse(ends[won])
        axes.scatter(failed[:, 0], failed[:, 1], s=17, marker="x", color=theme.bad, linewidths=1)
        axes.scatter(
            reached[:, 0],
            reached[:, 1],
            s=17,
            color=theme.good,
            edgecolors=theme.page,
            linewidths=0.6,
            zorder=3,
        )
    for marks, shape, area in ((goals, "o", 190), (initial, "s", 170)):
        axes.scatter(
            marks[:, 0],
            marks[:, 1],
            s=area,
            marker=shape,
            facecolors="none",
            edgecolors=theme.text,
            linewidths=1.5,
            zorder=4,
        )
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    axes.set_facecolor("none")
    for spine in axes.spines.values():
        spine.set_color(theme.line)
    axes.tick_params(colors=theme.muted, labelsize=9, length=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    return figure


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


def write_curves(folder: Path) -> Path:
    """Draw success and the first training metrics of a run into ``curves.png``.

    Raises:
        UnresetError: if the folder is no run.
    """
    record = read_record(folder)
    panels = list(metric_panels(record).items())[:4]
    figure = _figure(12.0 if panels else 7.0, 4.6)
    figure.patch.set_alpha(1.0)
    config = record.config
    name = " · ".join(str(config.get(k, "?")) for k in ("method", "task", "preset"))
    figure.suptitle(name, x=0.01, ha="left", color=LIGHT.text, fontsize=13, parse_math=False)
    layout = figure.add_gridspec(2, 4 if panels else 2)
    axes = figure.add_subplot(layout[:, :2])
    _draw_success(axes, LIGHT, [record], ["fixed start"])
    axes.set_title("success", loc="left", color=LIGHT.text, fontsize=11)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, labelcolor=LIGHT.text, fontsize=9, loc="lower right")
    for number, (metric, columns) in enumerate(panels):
        axes = figure.add_subplot(layout[number // 2, 2 + number % 2])
        _draw_metric(axes, LIGHT, record, metric, columns)
        axes.set_title(metric.replace("_", " "), loc="left", color=LIGHT.text, fontsize=11)
        if len(columns) > 1:
            axes.legend(frameon=False, labelcolor=LIGHT.text, fontsize=8)
    path = record.folder / "curves.png"
    path.write_bytes(to_png(figure))
    return path
