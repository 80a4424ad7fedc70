"""Demonstrations in a flat layout: one array per column, episodes one after the other.

This is how the EARL benchmark (Sharma, Xu et al. 2022, arXiv 2112.09605) released its own: rows
``observations`` and ``next_observations`` [N, observation + goal], ``actions`` [N, action],
``rewards`` and ``terminals`` [N] or [N, 1].
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from unreset.core.types import Task
from unreset.demos.store import Trajectory
from unreset.errors import UnresetError

_SAME = 1e-4  # rounding between two copies of one number
COLUMNS = ("observations", "actions", "next_observations", "terminals")
OPTIONAL = ("rewards", "timeouts", "goals")


def sparse(rewards: np.ndarray) -> np.ndarray | None:
    """None for rewards [T] that are 1 at the last step and 0 before, else the rewards."""
    rewards = np.asarray(rewards, np.float32)
    usual = len(rewards) > 0 and rewards[-1] == 1 and not rewards[:-1].any()
    return None if usual else rewards


def constant_goal(goals: np.ndarray, number: int) -> np.ndarray:
    """The one goal [goal] of a demonstration's rows [T, goal]."""
    if np.abs(goals - goals[0]).max(initial=0.0) > _SAME:
        raise UnresetError(
            f"demonstration {number}: the goal changes on the way, from {goals[0].tolist()}; "
            f"one demonstration has one goal"
        )
    return goals[0]


def split_goal(rows: np.ndarray, task: Task, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Observations [N, observation] and goals [N, goal] of rows that hold both."""
    sizes = task.observation_size, task.goal_size
    if rows.ndim != 2 or rows.shape[1] != sum(sizes):
        raise UnresetError(
            f"{what} have shape {rows.shape}, but {task.name} needs (steps, {sum(sizes)}): "
            f"{sizes[0]} numbers of the observation, then {sizes[1]} of the goal"
        )
    return rows[:, : sizes[0]], rows[:, sizes[0] :]


def episodes(columns: Mapping[str, np.ndarray], task: Task, direction: int) -> list[Trajectory]:
    """Trajectories of flat columns, one for each row that is ``terminals`` (or ``timeouts``).

    ``goals`` [N, goal] may be a column of its own instead of the observations' second half.
    Without ``rewards`` every episode is taken to end with its first success.

    Raises:
        UnresetError: where columns are missing or do not fit the task or each other.
    """
    if missing := [name for name in COLUMNS if name not in columns]:
        raise UnresetError(
            f"there is no {', '.join(missing)} among its arrays {sorted(columns)}; "
            f"the flat layout has {', '.join(COLUMNS)} and rewards"
        )
    rows = {
        name: _numbers(name, columns[name]) for name in (*COLUMNS, *OPTIONAL) if name in columns
    }
    lengths = {name: len(column) for name, column in rows.items()}
    count = lengths["actions"]
    if count == 0 or set(lengths.values()) != {count}:
        raise UnresetError(f"its arrays must be of one length, not {lengths}")
    for name in ("rewards", "terminals", "timeouts"):
        if name in rows:
            if rows[name].size != count:
                raise UnresetError(f"{name} have shape {rows[name].shape}, not ({count},)")
            rows[name] = rows[name].reshape(count)
    if "goals" in rows:
        before, goals, after = rows["observations"], rows["goals"], rows["next_observations"]
    else:
        before, goals = split_goal(rows["observations"], task, "observations")
        after, _ = split_goal(rows["next_observations"], task, "next_observations")
    ends = rows["terminals"] != 0
    if "timeouts" in rows:
        ends |= rows["timeouts"] != 0
    stops = np.flatnonzero(ends) + 1
    left = count - (stops[-1] if len(stops) else 0)
    if left:
        raise UnresetError(
            f"its last {left} steps have no end; mark it in terminals or timeouts, or cut them off"
        )
    found = []
    for number, (begin, stop) in enumerate(zip([0, *stops[:-1]], stops, strict=True)):
        here = slice(begin, stop)
        gaps = np.abs(before[begin + 1 : stop] - after[begin : stop - 1])
        if gaps.max(initial=0.0) > _SAME:
            step = int(np.argmax(gaps.max(axis=1))) + 1
            raise UnresetError(
                f"demonstration {number}: step {step} does not begin where the one before ended "
                f"(an end is missing from terminals, or steps are)"
            )
        found.append(
            Trajectory(
                np.concatenate([before[here], after[stop - 1 : stop]]),
                rows["actions"][here],
                constant_goal(goals[here], number),
                direction,
                sparse(rows["rewards"][here]) if "rewards" in rows else None,
            )
        )
    return found


def _numbers(name: str, column: np.ndarray) -> np.ndarray:
    """A column of real numbers, at least one-dimensional."""
    column = np.asarray(column)
    if column.dtype.kind not in "biuf" or column.ndim == 0:
        raise UnresetError(
            f"{name} are of type {column.dtype} and shape {column.shape}, not rows of numbers"
        )
    return column if column.dtype.kind == "f" else column.astype(np.float32)
