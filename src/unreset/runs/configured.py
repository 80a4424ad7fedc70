"""What a run's configuration makes of a task and of a method."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from unreset.core.environment import ENVIRONMENT
from unreset.core.method import Method, without_relabelling
from unreset.core.types import Task, Trajectory
from unreset.demos import pictures
from unreset.drivers.fused import remembering
from unreset.errors import UnresetError
from unreset.runs.config import RunConfig
from unreset.tasks.change import changed


def fitted_task(task: Task, config: RunConfig) -> Task:
    """The task, with what the configuration changes about it; raises UnresetError if it cannot."""
    start = config.reset_start
    if start not in task.starts:
        raise UnresetError(
            f"task {task.name!r} has no start {start!r}; there are: {', '.join(task.starts)}"
        )
    if config.wide_starts and "wide" not in task.starts:
        raise UnresetError(f"task {task.name!r} has no wide starts; say wide_starts=0")
    if config.horizon is not None:
        task = replace(task, horizon=config.horizon, goal_change_every=2 * config.horizon)
    return changed(task, config.change)


def fitted_method(method: Method, task: Task, config: RunConfig) -> tuple[Method, list[str]]:
    """The method with the periods of the task's protocol and what the task allows; and notes."""
    practice, period = method.practice, task.train_reset_every
    if practice.offline and config.evaluation != "deployed":
        raise UnresetError(f"{method.name} never acts: its evaluation can only be deployed")
    if config.evaluation == "life":
        resets = any(rule.resets for rule in method.switch_rules.values())
        if resets or any(one.resets for one in method.interventions.values()):
            raise UnresetError(f"{method.name} asks for resets, and a life has none")
        if practice.goal_change_every:
            raise UnresetError(
                f"goal_change_every is {practice.goal_change_every}, and a life has one goal: it "
                "must be 0"
            )
        practice = replace(practice, reset_every=0, seed_reset=False)
    elif config.evaluation != "deployed":
        period = task.continuing_reset_every
        every = practice.goal_change_every or task.goal_change_every or 2 * task.horizon
        practice = replace(
            practice, goal_change_every=every, reset_every=practice.reset_every or None
        )
    if practice.reset_every is None:
        practice = replace(practice, reset_every=period)
    method = replace(method, practice=practice, one_goal=config.evaluation == "life")
    told = bool(method.rewarded(ENVIRONMENT)) and not task.sparse
    notes = []
    if told and practice.boundary != "bootstrap" and config.evaluation != "life":
        notes.append(
            f"{task.name} pays for more than success: where it pays more than 0, success ends that "
            f"with boundary={practice.boundary!r}, and is avoided; say --boundary bootstrap there"
        )
    if task.pure:
        return method, notes
    if practice.hindsight or practice.other_goals or practice.goals_per_row > 1:
        notes.append(
            f"{task.name}'s reward is no function of observation and goal in JAX: "
            "no relabelling (hindsight, other_goals, goals_per_row)"
        )
    return without_relabelling(method), notes


def with_sight(
    trajectories: Sequence[Trajectory], task: Task, method: Method
) -> tuple[Sequence[Trajectory], Task]:
    """Demonstrations with pictures, and the task with those of its goals, if the method sees.

    An environment that can be told which cameras to look through is told.

    Raises:
        UnresetError: where the task has no such cameras, or pictures are missing or do not fit.
    """
    vision = method.watched
    if not vision.pixels:
        return [one._replace(frames={}) for one in trajectories], task
    names = pictures.cameras(task, vision)
    make = task.environment
    if make is not None and "cameras" in inspect.signature(make).parameters:
        make = partial(make, cameras=names, camera_size=vision.image_size)
        task = replace(task, environment=make)
    if task.step is not None and vision.stack > 1:
        task = remembering(task, vision.stack)
    trajectories = pictures.seen(trajectories, task, vision)
    if vision.goal_view != "image":
        return trajectories, task
    return trajectories, pictures.with_goals(trajectories, task)


def fitted_capacity(method: Method, config: RunConfig) -> int:
    """Rows of practice that the replay can hold: what the run needs, and no more than asked for."""
    steps, asked = config.steps, method.practice.replay_capacity
    if config.evaluation == "life":  # when it succeeded first is looked up in its rows
        asked = max(asked, steps + 2)
    # A reset takes a row of its own. Of pictures a second row for each step would be a waste.
    resets = steps // 8 if method.vision.pixels else steps
    return max(min(asked, steps + resets + 2), 2 * config.eval_every + 2)
