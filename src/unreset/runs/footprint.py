"""The memory that a run takes, before any of it is taken."""

from __future__ import annotations

from functools import partial

import jax
import numpy as np

from unreset.core import practice
from unreset.core.method import Method
from unreset.core.replay import Rows, columns
from unreset.core.types import Task
from unreset.errors import UnresetError
from unreset.runs import machine
from unreset.runs.config import RunConfig

MANY = 16  # seeds from which on their networks are counted, too; to know their sizes takes a second
LOADING = 2  # times its rows, at most: a replay that is read from checkpoints


def refuse_too_large(
    method: Method,
    task: Task,
    config: RunConfig,
    pinned: Rows,
    pinned_last: np.ndarray,
    capacity: int,
    loading: bool,
) -> None:
    """Refuse a run that does not fit into the memory that is free; one line says what it needs.

    Args:
        method: fitted to the task and the configuration.
        task: fitted, too.
        config: says how many seeds, and for how long.
        pinned: the demonstrations' rows.
        pinned_last: as :func:`unreset.core.practice.init` takes it.
        capacity: rows of practice that the replay holds, of each seed.
        loading: whether the run is there already, and its replay is read.
    """
    free = machine.replay_memory() * 2**20
    row = sum(column.nbytes // max(len(column), 1) for column in columns(pinned).values())
    row += 4 * len(method.roles)  # where each role's rows are
    replay = row * (capacity + len(pinned_last))
    other = 0
    if config.seeds >= MANY and config.seeds * replay <= free:
        few = 2
        begin = partial(practice.init, method, task)
        sizes = jax.eval_shape(lambda key: begin(key, pinned, pinned_last, few), jax.random.key(0))
        whole = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(sizes))
        other = max(0, whole - row * (few + len(pinned_last)))
    needed = config.seeds * (replay * (LOADING if loading else 1) + other)
    if needed <= free:
        return
    what = f"{config.seeds:,} seed(s), each with a replay of {capacity:,} rows of {row:,} bytes" + (
        f" and {_size(other)} of networks" if other else ""
    )
    sizes_of = f"{_size(needed)}, and {_size(free)} are free"
    if loading:
        raise UnresetError(
            f"to load {what} needs {sizes_of}: end other programs, or take a larger machine"
        )
    rows = int(free / config.seeds - other) // row - len(pinned_last)
    fewer = int(free / (replay + other))
    advice = [f"--replay-capacity {rows} or less"] if rows > 2 * config.eval_every + 2 else []
    advice += ["a smaller --image-size"] if method.vision.pixels else []
    advice += [f"--seeds {fewer} or fewer"] if config.seeds > 1 and fewer else []
    raise UnresetError(f"{what}, need {sizes_of}: say {', '.join(advice) or 'fewer --steps'}")


def _size(size: float) -> str:
    """Bytes, in the unit that suits them."""
    for unit, number in (("GiB", 2**30), ("MiB", 2**20)):
        if size >= number / 10:
            return f"{size / number:,.1f} {unit}"
    return f"{size / 2**10:,.1f} KiB"
