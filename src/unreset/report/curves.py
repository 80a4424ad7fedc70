"""Figures over environment steps: success, phases and training metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from unreset.report.drawing import LIGHT, Theme, canvas, nothing, thousands, to_png
from unreset.report.record import (
    WINDOWS,
    Record,
    finite,
    metric_panels,
    over_seeds,
    read_record,
    windowed,
)
from unreset.runs.files import write_bytes

#: Why a phase ended, as phases.csv has it: what it means, and its colour's index.
ENDINGS = {
    "success": ("success", 2),
    "timeout": ("its time was up", 6),
    "reset": ("a reset", 4),
    "early": ("another rule", 3),
}
_AT_END = (0, (1, 1.2))  # dots: success at the end of episodes
_BETWEEN = "--"  # success at any step of phases
_MOST_BANDS = 3  # lines of one panel whose spread over seeds can still be told apart


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
    spread: bool = True,
) -> None:
    """The mean over seeds, its standard deviation unless unwanted, and on demand every seed."""
    steps, values = drawn
    counted = np.isfinite(values).sum(axis=0)
    steps, values = steps[counted > 0], values[:, counted > 0]
    mean, deviation = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    if len(values) > 1 and spread:
        low, high = np.clip([mean - deviation, mean + deviation], *limits)
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
        _draw_at_end(axes, record, "success_at_end", colour)
        if single:
            _draw_at_end(axes, record, "wide_success_at_end", theme.series[2])
    if not drawn:
        return nothing(axes, theme, "no evaluation yet")
    _calm(axes, theme, 10)
    axes.set_ylim(-0.02, 1.04)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])
    axes.axhline(0.95, color=theme.muted, linewidth=0.8, linestyle=(0, (1, 3)))
    longest = max(np.nanmax(r.evaluation.get("env_steps", np.zeros(1))) for r in records)
    axes.set_xlim(0, max(float(longest), 1.0))
    axes.set_xlabel("environment steps", color=theme.muted, fontsize=10)


def _draw_at_end(axes: Axes, record: Record, column: str, colour: str) -> None:
    """Success at the end of episodes, where it was measured: dotted, the mean over seeds."""
    steps, values = over_seeds(record.evaluation, column)
    if len(steps):
        mean = np.nanmean(values, axis=0)
        marker = "." if len(steps) == 1 else ""
        axes.plot(steps, mean, color=colour, linestyle=_AT_END, marker=marker, linewidth=1.6)


def _draw_metric(
    axes: Axes, theme: Theme, record: Record, name: str, columns: Sequence[tuple[str, int]]
) -> None:
    values = np.concatenate([finite(record.metrics[column]) for column, _ in columns])
    for column, number in columns:
        label = column.removeprefix(f"{name}_")
        curve = over_seeds(record.metrics, column)
        colour = theme.series[number % len(theme.series)]
        _band(axes, curve, colour, label, width=1.4, spread=len(columns) <= _MOST_BANDS)
    _calm(axes, theme)
    if name.endswith("accuracy"):
        axes.axhline(0.5, color=theme.muted, linewidth=0.8, linestyle=(0, (1, 3)))
        axes.set_ylim(-0.04, 1.06)
        axes.set_yticks([0, 0.5, 1], ["0", ".5", "1"])
    elif values.min() > 0 and np.percentile(values, 99) > 30 * np.median(values):
        axes.set_yscale("log")
    else:
        axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.set_xlim(0, max(float(np.nanmax(record.metrics["env_steps"])), 1.0))


def success_figure(records: Sequence[Record], labels: Sequence[str], theme: Theme) -> Figure:
    """Success of the deployed policy over environment steps, one colour per run."""
    figure = canvas(9.6, 3.9)
    _draw_success(figure.add_subplot(), theme, records, list(labels))
    return figure


def phases_figure(record: Record, roles: Mapping[str, int], theme: Theme) -> Figure:
    """Share of phases that ended in success over environment steps; roles and their colours."""
    figure = canvas(9.6, 2.7)
    axes = figure.add_subplot()
    _draw_phases(axes, theme, record, "success", roles)
    if any(lost(record, role) for role in roles):
        _draw_phases(axes, theme, record, "reached", roles, _BETWEEN)
    axes.set_ylim(-0.04, 1.06)
    axes.set_yticks([0, 0.5, 1], ["0", ".5", "1"])
    return figure


def lengths_figure(record: Record, theme: Theme) -> Figure:
    """Mean length of every role's phases over environment steps."""
    figure = canvas(9.6, 2.2)
    axes = figure.add_subplot()
    roles = {role: number for number, role in enumerate(record.roles)}
    _draw_phases(axes, theme, record, "steps", roles)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    return figure


def _draw_phases(
    axes: Axes,
    theme: Theme,
    record: Record,
    column: str,
    roles: Mapping[str, int],
    style: str = "-",
) -> None:
    """Windowed means of a column of ``phases.csv``, a line for each role."""
    for role, number in roles.items():
        steps, mean = windowed(record, role, column)
        colour = theme.series[number % len(theme.series)]
        axes.plot(steps, mean, style, color=colour, linewidth=2.0, marker="o", markersize=3.2)
    _calm(axes, theme, 10)
    _over_run(axes, record)
    axes.set_xlabel("environment steps", color=theme.muted, fontsize=10)


def lost(record: Record, role: str) -> bool:
    """Whether phases of a role reached their goal and were elsewhere in their last step."""
    table = record.phases
    if not {"reached", "success", "role"} <= table.keys():
        return False
    return bool((table["reached"] > table["success"])[table["role"] == role].any())


def _over_run(axes: Axes, record: Record) -> None:
    """Limits from the first to the last environment step of the phases."""
    axes.set_xlim(0, max(float(np.nanmax(record.phases.get("env_steps", np.ones(1)))), 1.0))


def endings_figure(record: Record, role: str, theme: Theme) -> Figure:
    """Shares of the reasons for which a role's phases ended, stacked, over environment steps."""
    figure = canvas(3.3, 1.9)
    axes = figure.add_subplot()
    ended = record.phases["ended"]
    kinds = np.where(ended == "", np.nan, 1.0)
    bottom: np.ndarray | float = 0.0
    width = 0.9 * float(np.nanmax(record.phases["env_steps"])) / WINDOWS
    for reason, (_, number) in ENDINGS.items():
        steps, share = windowed(record, role, kinds * (ended == reason))
        axes.bar(steps, share, width, bottom, color=theme.series[number], linewidth=0)
        bottom = bottom + share
    _calm(axes, theme)
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], ["0", ".5", "1"])
    axes.xaxis.set_major_locator(MaxNLocator(3))
    _over_run(axes, record)
    return figure


def values_figure(record: Record, role: str, theme: Theme) -> Figure:
    """Q where a role's phases began (solid) and the returns they had (dashed), windowed."""
    figure = canvas(4.2, 2.3)
    axes = figure.add_subplot()
    colour = theme.series[record.roles.index(role) % len(theme.series)]
    for column, style in (("value", "-"), ("return", "--")):
        steps, mean = windowed(record, role, column)
        alone = "o" if len(steps) == 1 else ""
        axes.plot(steps, mean, style, marker=alone, color=colour, linewidth=1.8)
    _calm(axes, theme)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    _over_run(axes, record)
    return figure


def metric_figure(
    record: Record, name: str, columns: Sequence[tuple[str, int]], theme: Theme
) -> Figure:
    """A panel of metrics or of learned signals: the mean over seeds and its spread."""
    figure = canvas(3.3, 1.9)
    _draw_metric(figure.add_subplot(), theme, record, name, columns)
    return figure


def write_curves(folder: Path) -> Path:
    """Draw success and the first training metrics of a run into ``curves.png``.

    Raises:
        UnresetError: if the folder is no run.
    """
    record = read_record(folder)
    panels = list(metric_panels(record).items())[:4]
    figure = canvas(12.0 if panels else 7.0, 4.6)
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
        handles, names = axes.get_legend_handles_labels()
        if 1 < len(columns) <= _MOST_BANDS:
            axes.legend(handles, names, frameon=False, labelcolor=LIGHT.text, fontsize=8)
        elif len(columns) > 1 and not figure.legends:  # too many for a panel: once for all
            figure.legend(
                handles,
                names,
                loc="outside lower right",
                ncols=len(columns),
                frameon=False,
                labelcolor=LIGHT.text,
                fontsize=9,
            )
    path = record.folder / "curves.png"
    return write_bytes(path, to_png(figure))
