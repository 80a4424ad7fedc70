"""Functions of many rows, so many at once that memory suffices and one compilation serves all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from unreset.core.batches import rewards
from unreset.core.method import Method
from unreset.core.practice import Run
from unreset.core.types import Array, Task
from unreset.networks.views import Frames

BLOCK = 256


def in_blocks(function: Callable[..., Any], *columns: Any, size: int = BLOCK) -> Any:
    """What a function of columns [size, ...] makes of columns [N, ...]: NumPy arrays [N, ...].

    Columns and what is made of them may be trees of arrays. The last block is filled up with copies
    of its last row.
    """
    total = len(jax.tree.leaves(columns)[0])
    if not total:
        blank = jax.tree.map(lambda c: np.zeros((size, *c.shape[1:]), c.dtype), columns)
        shapes = jax.eval_shape(function, *blank)
        return jax.tree.map(lambda s: np.empty((0, *s.shape[1:]), s.dtype), shapes)
    parts = []
    for begin in range(0, total, size):
        number = min(size, total - begin)

        def filled(column: np.ndarray, begin: int = begin, number: int = number) -> np.ndarray:
            room = [(0, size - number)] + [(0, 0)] * (column.ndim - 1)
            return np.pad(column[begin : begin + number], room, "edge")

        made = function(*jax.tree.map(filled, columns))
        parts.append(jax.tree.map(lambda leaf, n=number: np.asarray(leaf)[:n], made))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def rewards_in_blocks(
    method: Method,
    task: Task,
    role: int,
    run: Run,
    observation: Any,
    goal: Any,
    frames: Any,
    action: Any,
) -> np.ndarray:
    """Rewards [N] of a role, as its learner sees them, for reaching observations [N, ...].

    Or for taking actions [N, action] there, where :meth:`Method.sees_action`. ``run`` is of one
    seed and without its replay.
    """
    columns = (observation, goal, frames, action)
    return np.asarray(in_blocks(partial(_rewards, method, task, role, run), *columns))


@partial(jax.jit, static_argnums=(0, 1, 2))
def _rewards(
    method: Method,
    task: Task,
    role: int,
    run: Run,
    observation: Array,
    goal: Array,
    frames: Frames,
    action: Array,
) -> Array:
    return rewards(method, task, run.signals, role, observation, goal, frames, None, action)
