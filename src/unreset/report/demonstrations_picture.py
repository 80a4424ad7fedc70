"""One picture of a set of demonstrations: where they go, how long they are, how they act."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from unreset.core.types import Task
from unreset.demos.store import BACKWARD, DIRECTIONS, FORWARD, Trajectory
from unreset.errors import UnresetError
from unreset.report.drawing import LIGHT, canvas, nothing, to_png

_BINS = 24


def draw(task: Task, trajectories: Sequence[Trajectory], path: str | Path) -> Path:
    """Write a PNG of paths (in the task's map coordinates), lengths and actions; returns its path.

    Raises:
        UnresetError: where there are no demonstrations, or the file cannot be written.
    """
    if not trajectories:
        raise UnresetError("there are no demonstrations to draw")
    if Path(path).suffix != ".png":
        raise UnresetError(f"{path} must end in .png")
    figure = canvas(10, 8)
    grid: np.ndarray = figure.subplots(2, 2)
    for direction, axes in zip((FORWARD, BACKWARD), grid[0], strict=True):
        chosen = [one for one in trajectories if one.direction == direction]
        _paths(axes, task, chosen, DIRECTIONS[direction])
    if len({one.direction for one in trajectories}) == 2:
        grid[0, 1].sharex(grid[0, 0])
        grid[0, 1].sharey(grid[0, 0])
    _lengths(grid[1, 0], trajectories)
    _actions(grid[1, 1], trajectories)
    try:
        Path(path).write_bytes(to_png(figure))
    except OSError as error:
        raise UnresetError(f"cannot write {path}: {error.strerror or error}") from error
    return Path(path)


def _paths(axes: Axes, task: Task, trajectories: Sequence[Trajectory], name: str) -> None:
    if not trajectories:
        return nothing(axes, LIGHT, f"no {name} demonstrations")
    x, y = task.position
    colour = LIGHT.series[DIRECTIONS.index(name)]
    for one in trajectories:
        axes.plot(*one.observations[:, [x, y]].T, color=colour, alpha=0.5, linewidth=1)
    starts = np.stack([one.observations[0] for one in trajectories])
    ends = np.stack([one.observations[-1] for one in trajectories])
    axes.plot(starts[:, x], starts[:, y], "o", color=LIGHT.muted, markersize=5, label="start")
    axes.plot(ends[:, x], ends[:, y], "s", color=LIGHT.good, markersize=5, label="end")
    axes.set_title(f"{name} ({len(trajectories)}): {task.position_name}", fontsize=10)
    axes.legend(fontsize=8, frameon=False)


def _lengths(axes: Axes, trajectories: Sequence[Trajectory]) -> None:
    lengths = [
        [len(one.actions) for one in trajectories if one.direction == direction]
        for direction in (FORWARD, BACKWARD)
    ]
    axes.hist(lengths, bins=12, color=LIGHT.series[:2], label=DIRECTIONS)
    axes.set_title("length in steps", fontsize=10)
    axes.set_ylabel("demonstrations")
    axes.legend(fontsize=8, frameon=False)


def _actions(axes: Axes, trajectories: Sequence[Trajectory]) -> None:
    actions = np.concatenate([one.actions for one in trajectories])
    edges = np.linspace(-1, 1, _BINS + 1)
    for number, column in enumerate(actions.T):
        share = np.histogram(column, edges)[0] / len(column)
        colour = LIGHT.series[number % len(LIGHT.series)]
        axes.stairs(share, edges, color=colour, label=f"action {number}")
    axes.set_title("actions", fontsize=10)
    axes.set_ylabel("share of steps")
    axes.legend(fontsize=8, frameon=False, ncols=2)
