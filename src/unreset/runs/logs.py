"""Rows for the run's logs, read from its replay and from its earlier rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from unreset.core.practice import CONTINUING
from unreset.core.replay import GOAL_SOURCES, Replay
from unreset.core.types import Task

VISIT_EVERY = 20  # steps between the states kept for the report's map

Rows = list[dict[str, Any]]


def history(
    task: Task, roles: Sequence[str], replay: Replay, seeds: Sequence[int], step: int, since: int
) -> tuple[Rows, Rows]:
    """Phases that ended and states visited in the last ``since`` steps before ``step``."""
    x, y = task.position
    phases, visits = [], []
    for number, seed in enumerate(seeds):
        count = int(replay.written[number])
        ids = np.arange(max(0, count - 2 * since), count)
        at = replay.pinned + ids % replay.capacity
        rows: Any = jax.tree.map(lambda c, n=number, at=at: np.asarray(c[n, at]), replay.rows)
        acted = np.flatnonzero(rows.role >= 0)[-since:]
        for place, row in enumerate(acted):
            now = step - len(acted) + place + 1
            position = rows.observation[row]
            common = {"seed": seed, "env_steps": now, "role": roles[rows.role[row]]}
            where = {"x": float(position[x]), "y": float(position[y])}
            if rows.end[row]:
                phase = {
                    "phase": int(rows.segment[row]),
                    "goal": GOAL_SOURCES[rows.source[row]],
                    "success": int(rows.success[row]),
                }
                phases.append(common | phase | where)
            if now % VISIT_EVERY == 0:
                visits.append(common | where)
    return phases, visits


def lifelong_reward(metrics: Sequence[dict[str, str]], seeds: Sequence[int]) -> np.ndarray:
    """Mean reward [seeds] of a step over the whole life, for what the task asked for."""
    sums, before = dict.fromkeys(seeds, 0.0), dict.fromkeys(seeds, 0)
    for row in metrics:
        seed, step = int(row["seed"]), int(row["env_steps"])
        sums[seed] += float(row[CONTINUING]) * (step - before[seed])
        before[seed] = step
    return np.array([sums[seed] / before[seed] for seed in seeds])
