"""Open-loop replay: do recorded actions still do in the task's environment what they once did?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from unreset.core.types import Task
from unreset.demos.store import Trajectory
from unreset.demos.success import successes
from unreset.errors import UnresetError


class Replayed(NamedTuple):
    """One demonstration, replayed; errors in the observation's units."""

    steps: int
    start_error: float  # the largest, of where the environment could be put
    mean_error: float  # of |replayed - recorded|, over all numbers of all observations
    max_error: float
    success_at: int | None  # the first step (from 1) after which the task counts as done

    @property
    def success(self) -> bool:
        """Whether the task was done at any step."""
        return self.success_at is not None


def replay(task: Task, trajectories: Sequence[Trajectory]) -> Iterator[Replayed]:
    """Replay each demonstration's actions from its first observation, one result at a time.

    The environment is put where the first observation was taken, or as near as its reset option
    ``state`` can. Success is the task's own predicate, or ``task.score`` where it has one.

    Raises:
        UnresetError: where the task has no environment, or that cannot be put there.
    """
    environment = make(task)
    try:
        for number, one in enumerate(trajectories):
            yield _replay_one(task, environment, one, number)
    finally:
        environment.close()


def make(task: Task, render_mode: str | None = None) -> Any:
    """The task's Gymnasium environment; raises UnresetError where it has none."""
    if task.environment is None:
        raise UnresetError(f"{task.name} has no Gymnasium environment to act in")
    return task.environment(render_mode=render_mode)


def _replay_one(task: Task, environment: Any, one: Trajectory, number: int) -> Replayed:
    try:
        begin = {"state": one.observations[0], "goal": one.goal}
        observation, _ = environment.reset(seed=number, options=begin)
    except ValueError as error:
        raise UnresetError(f"demonstration {number} cannot be replayed: {error}") from error
    seen, scored = [np.asarray(task.state(observation))], []
    for action in one.actions:
        observation, _, terminated, truncated, _ = environment.step(action)
        seen.append(np.asarray(task.state(observation)))
        if task.score is not None:
            scored.append(bool(task.score(environment, seen[-1], one.goal)[1]))
        if terminated or truncated:
            break
    frames = np.stack(seen)
    reached: np.ndarray | None = np.array(scored)
    if task.score is None:
        reached = successes(task, frames[1:], np.tile(one.goal, (len(frames) - 1, 1)))
    done = np.flatnonzero(False if reached is None else reached)
    difference = np.abs(frames - one.observations[: len(frames)])
    return Replayed(
        steps=len(frames) - 1,
        start_error=float(difference[0].max()),
        mean_error=float(difference.mean()),
        max_error=float(difference.max()),
        success_at=int(done[0]) + 1 if len(done) else None,
    )
