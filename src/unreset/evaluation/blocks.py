"""Functions of many rows, so many at once that memory suffices and one compilation serves all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from unreset.core.context import Context
from unreset.core.practice import Run
from unreset.core.protocols import Scope, Steps
from unreset.core.types import Array

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


def rewards_in_blocks(context: Context, role: int, run: Run, steps: Any) -> np.ndarray:
    """Rewards [N] of a role for steps [N], as its learner sees them.

    ``run`` is of one seed and without its replay.
    """
    return np.asarray(in_blocks(partial(_rewards, context, role, run), steps))


@partial(jax.jit, static_argnums=(0, 1))
def _rewards(context: Context, role: int, run: Run, steps: Steps) -> Array:
    method = context.method
    scope = Scope(context, method.roles[role].reward, run.signals)
    return method.reward_of(role).reward(scope, steps)[0]
