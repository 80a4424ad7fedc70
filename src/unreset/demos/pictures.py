"""Demonstrations as cameras saw them: their frames, and what goals look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np

from unreset.core.types import BACKWARD, FORWARD, Task, Trajectory
from unreset.demos.redrawing import redrawn
from unreset.errors import UnresetError
from unreset.networks.views import Vision

_SAME = 1e-4  # goals nearer than this are one


def seen(trajectories: Sequence[Trajectory], task: Task, vision: Vision) -> list[Trajectory]:
    """The trajectories with what each of the wanted cameras saw.

    Where a demonstration has no frames they are drawn from its observations, if the task can, or
    it is done again in the task's environment.

    Raises:
        UnresetError: where there is no such camera, or frames are missing or of another size or
            type; it names the demonstration and what would be right.
    """
    names = cameras(task, vision)
    frames = {number: one.frames for number, one in enumerate(trajectories)}
    blind = {n: one for n, one in enumerate(trajectories) if not set(names) <= set(one.frames)}
    if task.look is not None:
        look = jax.jit(jax.vmap(partial(task.look, size=vision.image_size)))
        frames |= {n: look(np.asarray(one.observations, np.float32)) for n, one in blind.items()}
    elif task.environment is not None:
        frames |= dict(zip(blind, redrawn(blind, task, vision.looking(task)), strict=True))
    return [
        _checked(number, one, frames[number], task, vision, names)
        for number, one in enumerate(trajectories)
    ]


def cameras(task: Task, vision: Vision) -> tuple[str, ...]:
    """The names of the cameras that are looked through.

    Raises:
        UnresetError: where the task has no cameras, or not those.
    """
    if not task.cameras:
        raise UnresetError(f"task {task.name!r} has no cameras: it cannot be learned from pixels")
    for name in vision.cameras:
        if name not in task.cameras:
            raise UnresetError(
                f"task {task.name!r} has no camera {name!r}; there are: {', '.join(task.cameras)}"
            )
    if vision.proprioception and not task.proprioception:
        raise UnresetError(
            f"task {task.name!r} does not say what its robot's own sensors tell: proprioception "
            "cannot be seen"
        )
    return vision.cameras or task.cameras


def _checked(
    number: int,
    trajectory: Trajectory,
    frames: Mapping[str, Any],
    task: Task,
    vision: Vision,
    names: Sequence[str],
) -> Trajectory:
    size = vision.image_size
    missing = [name for name in names if name not in frames]
    if missing:
        raise UnresetError(
            f"demonstration {number} holds no pictures of camera {missing[0]!r}, and those of task "
            f"{task.name!r} cannot be drawn from its observations: record them with pictures"
        )
    wanted = (len(trajectory.observations), size, size, 3)
    for name in names:
        seen = np.asarray(frames[name])
        if seen.dtype != np.uint8 or seen.shape != wanted:
            raise UnresetError(
                f"demonstration {number}: pictures of camera {name!r} are {seen.dtype} of shape "
                f"{seen.shape}, but must be uint8 of shape {wanted} (image_size={size})"
            )
    return trajectory._replace(frames={name: np.asarray(frames[name]) for name in names})


def with_goals(trajectories: Sequence[Trajectory], task: Task) -> Task:
    """The task with what cameras saw and what was observed where its goals were reached.

    It is the last frame of a demonstration that got there. What an initial state looks like is
    shown by a backward demonstration that got there, or else by how that forward one begins which
    begins nearest to it.

    Raises:
        UnresetError: where no demonstration shows a goal.
    """
    wanted = [(FORWARD, goal) for goal in task.goals]
    wanted += [(BACKWARD, goal) for goal in task.initial_goals]
    shown = [_shows(trajectories, task, way, goal) for way, goal in wanted]
    return replace(
        task,
        goal_pictures={
            name: np.stack([one.frames[name][at] for one, at in shown])
            for name in shown[0][0].frames
        },
        goal_observations=np.stack([one.observations[at] for one, at in shown]),
    )


def _shows(
    trajectories: Sequence[Trajectory], task: Task, direction: int, goal: np.ndarray
) -> tuple[Trajectory, int]:
    """A demonstration that shows a goal, and at which of its observations."""
    for one in trajectories:
        if one.direction == direction and np.abs(one.goal - goal).max() < _SAME:
            return one, -1
    forward = [one for one in trajectories if one.direction == FORWARD]
    if direction == BACKWARD and forward:
        return min(forward, key=lambda one: _apart(task, one.observations[0], goal)), 0
    raise UnresetError(
        f"no forward demonstration shows the goal {np.asarray(goal).round(3).tolist()} of task "
        f"{task.name!r}, so nothing says what it looks like; give one, or say "
        "--goal-view vector or none"
    )


def _apart(task: Task, observation: np.ndarray, goal: np.ndarray) -> float:
    """How far an observation is from a goal; 0 where the task cannot tell."""
    try:
        achieved = np.asarray(task.achieved(observation))  # type: ignore[arg-type]
    except UnresetError:  # a task without goals
        return 0.0
    return float(np.linalg.norm(achieved - goal))
