"""The task's predicates over many observations at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from unreset.core.types import Task, Trajectory
from unreset.errors import UnresetError


def successes(task: Task, observations: np.ndarray, goals: np.ndarray) -> np.ndarray | None:
    """Whether each observation [N, observation] satisfies its goal [N, goal]: bool [N].

    None where only the task's environment knows.
    """
    try:
        return over_rows(task, task.success, observations, goals).astype(bool)
    except UnresetError:
        return None


def achieved_goals(task: Task, observations: np.ndarray) -> np.ndarray | None:
    """The goal that each observation [N, observation] satisfies: float32 [N, goal].

    None where the task does not say.
    """
    try:
        return over_rows(task, task.achieved, observations).astype(np.float32)
    except UnresetError:
        return None


def final_successes(task: Task, trajectories: Sequence[Trajectory]) -> np.ndarray | None:
    """Whether each trajectory's last observation satisfies its goal: bool [trajectories], or None.

    None where only the task's environment knows.
    """
    ends = np.stack([one.observations[-1] for one in trajectories])
    return successes(task, ends, np.stack([one.goal for one in trajectories]))


def over_rows(task: Task, function: Callable[..., Any], *columns: np.ndarray) -> np.ndarray:
    """``function`` of every row of the columns [N, ...]."""
    columns = tuple(np.asarray(column, np.float32) for column in columns)
    if not len(columns[0]):
        return np.zeros(0)
    if not task.pure:  # it may be NumPy's
        return np.stack([np.asarray(function(*row)) for row in zip(*columns, strict=True)])
    count = len(columns[0])
    # Few distinct lengths, so that little is compiled.
    room = (1 << (count - 1).bit_length()) - count
    padded = [np.concatenate([column, column[:1].repeat(room, axis=0)]) for column in columns]
    return np.asarray(_vectorised(function)(*padded))[:count]


@lru_cache(maxsize=16)
def _vectorised(function: Callable[..., Any]) -> Callable[..., Any]:
    return jax.jit(jax.vmap(function))
