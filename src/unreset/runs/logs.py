"""Rows for the run's logs, read from its replay, its learners and its earlier rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core import replay as replays
from unreset.core.context import Context
from unreset.core.method import Method, Role
from unreset.core.practice import CONTINUING, Run
from unreset.core.protocols import Steps
from unreset.core.replay import Replay
from unreset.core.types import Array, Task
from unreset.evaluation.blocks import in_blocks, rewards_in_blocks
from unreset.networks.views import Frames

VISIT_EVERY = 20  # steps between the states kept for the report's map

Rows = list[dict[str, Any]]


def history(
    method: Method,
    task: Task,
    run: Run,
    seeds: Sequence[int],
    step: int,
    before: int,
    every: int,
) -> tuple[Rows, Rows]:
    """Phases that ended and states visited after step ``before``, up to ``step``.

    ``run`` has a leading axis of seeds; at most ``every`` steps are looked at. A phase's value and
    return are those of the learners and signals as they are now; they are None where its first row
    is no longer in the replay.
    """
    since = min(step - before, every)
    x, y = task.position
    phases: Rows = []
    visits: Rows = []
    # A reset keeps one row more than there were steps, and a phase may have begun before them.
    longest = max(role.length for role in method.roles)
    number = min(run.replay.capacity, 2 * every + longest + 1)
    ids, rows = jax.tree.map(np.asarray, _newest(run.replay, number))
    for place, seed in enumerate(seeds):
        mine = jax.tree.map(lambda column, n=place: column[n], rows)
        known_from = int(np.flatnonzero(mine.role == replays.LOST).max(initial=-1)) + 1
        acted = known_from + np.flatnonzero(mine.role[known_from:] >= 0)[-since:]
        now = dict(zip(acted, range(step - len(acted) + 1, step + 1), strict=True))
        known = {
            row: {"seed": seed, "env_steps": now[row], "role": method.roles[mine.role[row]].name}
            for row in acted
        }
        where = mine.observation[:, [x, y]].astype(float)
        ends = acted[mine.end[acted]]
        starts = _starts(mine, int(ids[place, 0]) > 0 or known_from > 0, known_from, ends)
        measured = _measured(method, task, run, place, mine, starts, ends)
        for row, start, figures in zip(ends, starts, measured, strict=True):
            steps = int(row - start + 1) if start >= 0 else None
            reached = int(mine.success[start : row + 1].any()) if start >= 0 else None
            # The newest row has not acted yet; any other that did not is the last before a reset.
            reset = mine.role[row + 1] < 0 and row + 2 < number
            phase = {
                "phase": int(mine.segment[row]),
                "goal": method.goal_sources[mine.source[row]],
                "success": int(mine.success[row]),
                "x": where[row, 0],
                "y": where[row, 1],
                "steps": steps,
                "ended": _reason(method.roles[mine.role[row]], mine.success[row], steps, reset),
            }
            phases.append(known[row] | phase | figures | {"reached": reached})
        visits += [
            known[row] | {"x": where[row, 0], "y": where[row, 1]}
            for row in acted
            if now[row] % VISIT_EVERY == 0
        ]
    return phases, visits


@partial(jax.jit, static_argnums=1)
def _newest(replay: Replay, number: int) -> tuple[Array, replays.Rows]:
    """Ids [seeds, number] and columns of the newest rows, the open one last; none have role -1."""

    def one(replay: Replay) -> tuple[Array, replays.Rows]:
        ids = replay.written - jnp.arange(number)[::-1]
        at = replays.position(replay, ids)
        return ids, jax.tree.map(lambda column: column[at], replay.rows)

    found: tuple[Array, replays.Rows] = jax.vmap(one)(replay)
    return found


def _starts(rows: Any, cut: bool, first: int, ends: np.ndarray) -> np.ndarray:
    """The first row of the phases that end with rows ``ends``; -1 where it may be lost.

    Row ``first`` is the first that is known; where that is ``cut`` off, something was before it.
    """
    acted = rows.role >= 0
    goes_on = acted[1:] & acted[:-1] & (rows.segment[1:] == rows.segment[:-1])
    fresh = np.concatenate([[True], ~goes_on])
    starts = np.maximum.accumulate(np.where(fresh, np.arange(len(fresh)), 0))
    if cut:
        starts[starts == first] = -1
    found: np.ndarray = starts[ends]
    return found


def _reason(role: Role, success: bool, steps: int | None, reset: bool) -> str | None:
    """Why a phase ended; None where it cannot be told."""
    if success and role.ends_on_success:
        return "success"
    if steps is None:
        return None
    if steps >= role.length:
        return "timeout"
    return "reset" if reset else "early"


def _measured(
    method: Method,
    task: Task,
    run: Run,
    seed: int,
    rows: Any,
    starts: np.ndarray,
    ends: np.ndarray,
) -> list[dict[str, float | None]]:
    """For each phase the critics' value where it began, if any, and the return it then had."""
    light = jax.tree.map(lambda leaf: leaf[seed], run._replace(replay=None))  # type: ignore[arg-type]
    whole = starts >= 0
    parts = [np.arange(a, b + 1) for a, b in zip(starts[whole], ends[whole], strict=True)]
    inside = np.concatenate([np.empty(0, int), *parts])
    gained = np.zeros(len(rows.role))
    names = np.array([role.reward for role in method.roles])
    for name in dict.fromkeys(names):
        at = inside[names[rows.role[inside]] == name]
        role = int(np.flatnonzero(names == name)[0])
        gained[at] = rewards_in_blocks(Context(method, task), role, light, _steps(rows, at))
    first = starts[whole]
    learner = np.zeros(len(first), int) if method.shared else rows.role[first]
    expected = np.zeros(len(first))
    judged = method.learner.critic(light.learners) is not None
    for which in range(len(method.learners)) if judged else ():
        at = first[learner == which]
        value = partial(_values, method, task, light.learners, which)
        columns = (rows.role, rows.observation, rows.goal, rows.action)
        taken = (column[at] for column in columns)
        pictures = _pictures(rows, at, method.vision.stack)
        expected[learner == which] = in_blocks(value, *taken, pictures)
    values = iter(expected)
    returns = (gained[part] @ method.learner.discount ** np.arange(len(part)) for part in parts)
    return [
        {"value": float(next(values)) if judged else None, "return": float(next(returns))}
        if known
        else {"value": None, "return": None}
        for known in whole
    ]


def _steps(rows: Any, at: np.ndarray) -> Steps:
    """The steps that rows at some places hold."""
    frames: Any = [_pictures(rows, place, 1) for place in (at, at + 1)]
    return Steps(
        observation=rows.observation[at],
        action=rows.action[at],
        next_observation=rows.observation[at + 1],
        goal=rows.goal[at],
        reward=rows.reward[at],
        success=rows.success[at],
        frames=frames[0],
        next_frames=frames[1],
    )


def _pictures(rows: Any, at: np.ndarray, stack: int) -> dict[str, np.ndarray]:
    """What cameras saw at some rows, and just before."""
    places = [np.asarray(place) for place in replays.in_a_row(rows.role, at, stack)]
    return {
        name: np.concatenate([column[place] for place in places], axis=-1)
        for name, column in rows.frames.items()
    }


@partial(jax.jit, static_argnums=(0, 1))
def _values(
    method: Method,
    task: Task,
    learners: Any,
    learner: Array,
    role: Array,
    observation: Array,
    goal: Array,
    action: Array,
    frames: Frames,
) -> Array:
    """What a learner's critics expect [N] of actions in roles [N], as its policy is taught."""
    critic = jax.tree.map(lambda leaf: leaf[learner], method.learner.critic(learners))
    seen = jax.vmap(partial(method.inputs, task))(observation, goal, role, frames)
    values = method.learner.value(critic, seen, action)
    return values.min(axis=0) if len(values) == 2 else values.mean(axis=0)


def lifelong_reward(metrics: Sequence[dict[str, str]], seeds: Sequence[int]) -> np.ndarray:
    """Mean reward [seeds] of a step over the whole life, for what the task asked for."""
    sums, before = dict.fromkeys(seeds, 0.0), dict.fromkeys(seeds, 0)
    for row in metrics:
        if not row.get(CONTINUING):
            continue
        seed, step = int(row["seed"]), int(row["env_steps"])
        sums[seed] += float(row[CONTINUING]) * (step - before[seed])
        before[seed] = step
    return np.array([sums[seed] / before[seed] if before[seed] else np.nan for seed in seeds])
