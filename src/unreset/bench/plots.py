"""The figures of a bench: curves, intervals, time, and what rare resets do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from unreset.bench import published
from unreset.bench.results import CellResult, interval
from unreset.bench.suites import RESET_EVERY
from unreset.evaluation.statistics import WINDOW, interquartile_mean, trailing_mean
from unreset.report.drawing import LIGHT, canvas, nothing, thousands

_RESAMPLES = 1000  # of a curve's band
_MANY = 5  # bands of one panel; more are drawn faintly
_WHAT = f"mean of {WINDOW} evaluations, IQM over seeds, 95% interval"
_STYLES = ("-", "--", ":")
_PUBLISHED = {"-": "--", "--": ":", ":": "-."}  # dashed, whatever the number of colours


def tasks(cells: Sequence[CellResult]) -> list[str]:
    """The tasks in their order."""
    return list(dict.fromkeys(cell.cell.task for cell in cells))


def _looks(labels: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and line style of each variant, the same in every panel."""
    colours = len(LIGHT.series)
    return {
        label: (LIGHT.series[number % colours], _STYLES[number // colours % len(_STYLES)])
        for number, label in enumerate(dict.fromkeys(labels))
    }


def _labels(cells: Sequence[CellResult]) -> list[str]:
    return [cell.cell.label for cell in cells]


def _calm(axes: Axes, title: str, below: str) -> None:
    """Horizontal hairlines only, no frame."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(LIGHT.line)
    axes.tick_params(colors=LIGHT.muted, labelsize=9, length=0, which="both")
    axes.grid(axis="y", color=LIGHT.line, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_title(title, loc="left", color=LIGHT.text, fontsize=11)
    axes.set_xlabel(below, color=LIGHT.muted, fontsize=9)


def _success_axis(axes: Axes) -> None:
    axes.set_ylim(-0.02, 1.04)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])


def _legend(axes: Axes) -> None:
    axes.legend(
        frameon=False, labelcolor=LIGHT.text, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1)
    )


def _middle(success: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The interquartile mean over seeds [seeds, points] and its interval, each [points]."""
    recent = trailing_mean(success)
    low, high = interval([recent], _RESAMPLES)
    return interquartile_mean(recent, axis=0), low, high


def _draw(
    axes: Axes,
    cells: Sequence[CellResult],
    looks: Mapping[str, tuple[str, str]],
    x: Callable[[CellResult], np.ndarray],
    success: Callable[[CellResult], np.ndarray] = lambda cell: cell.success,
) -> None:
    for cell in cells:
        colour, style = looks[cell.cell.label]
        middle, low, high = _middle(success(cell))
        alpha = 0.16 if len(cells) <= _MANY else 0.06
        axes.fill_between(x(cell), low, high, color=colour, alpha=alpha, linewidth=0)
        marker = "o" if len(middle) == 1 else ""
        axes.plot(
            x(cell), middle, style, color=colour, marker=marker, linewidth=2, label=cell.cell.label
        )
    _success_axis(axes)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(thousands))
    _legend(axes)


def curves(cells: Sequence[CellResult]) -> Figure:
    """Success over environment steps, a row for each task, published curves beside ours.

    At any step of an episode, and at its end.
    """
    names = tasks(cells)
    figure = canvas(19.0, 3.6 * len(names))
    for row, name in enumerate(names):
        mine, looks = [cell for cell in cells if cell.cell.task == name], _looks(_labels(cells))
        axes = figure.add_subplot(len(names), 3, 3 * row + 1)
        _draw(axes, mine, looks, lambda cell: cell.steps)
        _calm(axes, f"{name}: success at any step", f"environment steps; {_WHAT}")
        axes = figure.add_subplot(len(names), 3, 3 * row + 2)
        kept = [cell for cell in mine if np.isfinite(cell.at_end).all()]
        if kept:
            _draw(axes, kept, looks, lambda cell: cell.steps, lambda cell: cell.at_end)
            _calm(axes, f"{name}: success at the end", f"environment steps; {_WHAT}")
        else:
            nothing(axes, LIGHT, "success at the end was not measured")
        axes = figure.add_subplot(len(names), 3, 3 * row + 3)
        known = published.curves(name)
        if not known:
            nothing(axes, LIGHT, "no published curves")
            continue
        # In the colours of ours where the names are the same.
        looks = _looks([*_labels(cells), *(curve.method for curve in known)])
        for curve in known:
            colour, style = looks[curve.method]
            drawn = axes.plot(curve.steps / 1e6, curve.success, _PUBLISHED[style], color=colour)
            drawn[0].set(linewidth=1, label=curve.method)
        _success_axis(axes)
        axes.set_xlim(left=0)
        _calm(axes, f"{name}: published", "million environment steps; mean over seeds")
        _legend(axes)
    return figure


def time(cells: Sequence[CellResult]) -> Figure:
    """Success over seconds, a row for each task."""
    names = tasks(cells)
    figure = canvas(8.0, 3.6 * len(names))
    for row, name in enumerate(names):
        axes = figure.add_subplot(len(names), 1, row + 1)
        mine = [cell for cell in cells if cell.cell.task == name]
        _draw(axes, mine, _looks(_labels(cells)), lambda cell: cell.seconds)
        _calm(axes, f"{name}: success at any step", f"seconds of a run; {_WHAT}")
    return figure


def intervals(cells: Sequence[CellResult]) -> Figure:
    """Final success and area of every cell with their intervals, a row for each task."""
    names = tasks(cells)
    looks = _looks(_labels(cells))
    groups = [[cell for cell in cells if cell.cell.task == name] for name in names]
    heights = [len(group) + 2 for group in groups]
    figure = canvas(14.0, 0.36 * sum(heights))
    columns = (
        ("final", "final success at any step"),
        ("final_at_end", "at the end"),
        ("area", "area under the curve"),
    )
    grid = figure.add_gridspec(len(names), len(columns), height_ratios=heights)
    for row, (name, group) in enumerate(zip(names, groups, strict=True)):
        for column, (score, title) in enumerate(columns):
            axes = figure.add_subplot(grid[row, column])
            for place, cell in enumerate(group):
                scores = cell.scores(score)
                if not np.isfinite(scores).all():
                    continue
                low, high = interval([scores])
                colour = looks[cell.cell.label][0]
                axes.hlines(place, low, high, color=colour, alpha=0.35, linewidth=8)
                axes.plot(interquartile_mean(scores), place, "|", color=colour, markersize=14)
            _calm(axes, f"{name}: {title}", "IQM over seeds, 95% interval")
            axes.set_xlim(-0.02, 1.02)
            axes.set_ylim(len(group) - 0.4, -0.6)
            shown = [_sized(cell, group) if column == 0 else "" for cell in group]
            axes.set_yticks(range(len(group)), shown, parse_math=False)
    return figure


def _sized(cell: CellResult, group: Sequence[CellResult]) -> str:
    """A cell's label, with its steps where others have more."""
    short = cell.steps[-1] < max(other.steps[-1] for other in group)
    return f"{cell.cell.label} ({cell.steps[-1]:,.0f} steps)" if short else cell.cell.label


def _period(cell: CellResult) -> int | None:
    """The steps between resets that a cell's flags ask for, 0 for never."""
    flags = [piece for word in cell.cell.flags for piece in word.split("=", 1)]
    return int(flags[flags.index(RESET_EVERY) + 1]) if RESET_EVERY in flags else None


def reset_every(cells: Sequence[CellResult]) -> Figure | None:
    """Final success and area over the steps between resets; None where they are not varied.

    Cells with fewer steps than the longest are left out until they have caught up.
    """
    varied: dict[str, dict[int, CellResult]] = {}
    for cell in cells:
        period = _period(cell)
        most = max(other.steps[-1] for other in cells if other.cell.task == cell.cell.task)
        if period is not None and cell.steps[-1] == most:
            varied.setdefault(cell.cell.task, {})[period] = cell
    varied = {task: periods for task, periods in varied.items() if len(periods) > 1}
    if not varied:
        return None
    figure = canvas(7.5, 3.8 * len(varied))
    for row, (task, periods) in enumerate(varied.items()):
        axes = figure.add_subplot(len(varied), 1, row + 1)
        _draw_periods(axes, periods)
        below = "environment steps between hard resets; IQM over seeds, 95% interval"
        _calm(axes, f"{task}: resets become rare", below)
    return figure


def _draw_periods(axes: Axes, cells: Mapping[int, CellResult]) -> None:
    """Scores over the steps between resets; 0, for never, comes last."""
    periods = sorted(cells, key=lambda period: period or np.inf)
    never = 2.5 * max(periods)  # where "never" goes on the axis
    places = [period or never for period in periods]
    for score, title, colour in (
        ("final", "final success at any step", LIGHT.series[0]),
        ("final_at_end", "final success at the end", LIGHT.series[3]),
        ("area", "area under the curve", LIGHT.series[1]),
        ("wide_success", "from wide starts, at any step", LIGHT.series[2]),
    ):
        scores = [cells[period].scores(score) for period in periods]
        if not np.isfinite(np.concatenate(scores)).all():
            continue
        low, high = np.array([interval([each]) for each in scores]).T
        axes.fill_between(places, low, high, color=colour, alpha=0.16, linewidth=0)
        middle = [interquartile_mean(each) for each in scores]
        axes.plot(places, middle, marker="o", color=colour, linewidth=2, label=title)
    _success_axis(axes)
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(places, [f"{period:,}" if period else "never" for period in periods])
    _legend(axes)
