"""The map of a role: where it has been and where its phases ended."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from unreset.report.drawing import Theme, canvas, nothing
from unreset.report.record import Record, Table

_MOST_MARKS = 200  # ends of phases of one kind on one map
_CELLS = 52  # of a map, per side


def _sparse(points: np.ndarray) -> np.ndarray:
    """At most ``_MOST_MARKS`` of the points [points, 2], evenly over time."""
    if len(points) <= _MOST_MARKS:
        return points
    chosen = np.linspace(0, len(points) - 1, _MOST_MARKS).astype(int)
    return np.take(points, chosen, axis=0)


def _of(table: Table, role: str | None = None, since: float = 0.0) -> np.ndarray:
    """Which rows of a table have a position, of one role or of all, after step ``since``."""
    if not {"x", "y", "role", "env_steps"} <= table.keys():
        return np.zeros(0, bool)
    valid = np.isfinite(table["x"] + table["y"]) & (table["env_steps"] > since)
    return valid & (table["role"] == role if role else True)


def _positions(table: Table, rows: np.ndarray) -> np.ndarray:
    """Positions [points, 2] of some rows of a table."""
    if not len(rows):
        return np.empty((0, 2))
    return np.stack([table["x"][rows], table["y"][rows]], axis=-1)


def map_figure(
    record: Record,
    role: str,
    theme: Theme,
    goals: np.ndarray | None = None,
    initial: np.ndarray | None = None,
    *,
    judged: bool = True,
    since: float = 0.0,
) -> Figure:
    """Where a role has been and where its phases ended, with goals and initial states marked.

    ``goals`` and ``initial`` are positions [n, 2] in the units of the task, if they are known. The
    limits are the same for all roles of a run. Unless ``judged``, no success is told apart. Only
    what came after step ``since`` is drawn.
    """
    figure = canvas(4.2, 4.2)
    axes = figure.add_subplot()
    none = np.empty((0, 2))
    goals, initial = (none if marks is None else marks for marks in (goals, initial))
    everything = np.concatenate(
        [
            *(_positions(table, _of(table)) for table in (record.visits, record.phases)),
            goals,
            initial,
        ]
    )
    if not len(everything):
        nothing(axes, theme, "no positions")
        return figure
    low, high = everything.min(axis=0), everything.max(axis=0)
    middle, half = (low + high) / 2, 0.54 * max(float((high - low).max()), 1e-6)
    (left, bottom), (right, top) = middle - half, middle + half
    colour = theme.series[record.roles.index(role) % len(theme.series)]
    visits = _positions(record.visits, _of(record.visits, role, since))
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
    ended = _of(record.phases, role, since)
    ends = _positions(record.phases, ended)
    if len(ends) and not judged:
        some = _sparse(ends)
        axes.scatter(some[:, 0], some[:, 1], s=17, marker="+", color=theme.text, linewidths=0.9)
    elif len(ends):
        won = record.phases.get("success", np.zeros(len(ended)))[ended] > 0.5
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
