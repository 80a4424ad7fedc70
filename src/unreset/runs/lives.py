"""Single-life evaluation: how many steps until the task was done once.

Chen, Sharma, Levine & Finn 2022 (arXiv 2210.08863): no policy is evaluated; a life that does not
get there counts with its whole budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from unreset.core.replay import Replay
from unreset.core.types import Task
from unreset.evaluation.statistics import bootstrap_interval

_SEED = 0  # of the bootstrap


def first_successes(replay: Replay, goals: Any) -> list[int | None]:
    """The step, from 1, of each seed's first success for its life's goal, or None.

    ``replay`` has a leading axis of seeds, and has not begun to forget; ``goals`` [seeds, goal] are
    the lives'. Success for another goal, which some methods' roles pursue too, does not count.
    """
    found: list[int | None] = []
    pinned = replay.pinned_last.shape[-1]
    rows = (replay.rows.role, replay.rows.success, replay.rows.source, replay.rows.goal)
    columns = [np.asarray(column)[:, pinned:] for column in rows]
    for seed, written in enumerate(np.asarray(replay.written)):
        role, success, source, goal = (column[seed, :written] for column in columns)
        own = (source == 0) & (goal == np.asarray(goals)[seed]).all(axis=-1)
        hits = np.flatnonzero((success & own)[role >= 0])
        found.append(int(hits[0]) + 1 if len(hits) else None)
    return found


def numbers(task: Task, goals: Any) -> list[int]:
    """Which of the task's goals, counted from 0, those of lives [seeds, goal] are."""
    away = ((np.asarray(goals)[:, None] - task.goals) ** 2).sum(axis=-1)
    return [int(number) for number in away.argmin(axis=-1)]


def figures(steps: Sequence[int | None], budget: int) -> dict[str, Any]:
    """Over lives: steps of each, share solved, mean with its 95 % interval, and median."""
    counted = np.array([budget if step is None else step for step in steps], float)
    low, high = bootstrap_interval([counted], np.random.default_rng(_SEED), np.mean)
    return {
        "life_steps": list(steps),
        "life_solved": round(float(np.mean([step is not None for step in steps])), 4),
        "life_mean": round(float(counted.mean()), 1),
        "life_mean_interval": [None if np.isnan(x) else round(float(x), 1) for x in (low, high)],
        "life_median": float(np.median(counted)),
    }
