"""What a run's configuration makes of a task and of a method."""

from __future__ import annotations

from dataclasses import replace

from unreset.core.method import Method, without_relabelling
from unreset.core.types import Task
from unreset.errors import UnresetError
from unreset.runs.folder import Configuration


def fitted_task(task: Task, config: Configuration) -> Task:
    """The task, with what the configuration changes about it; raises UnresetError if it cannot."""
    if config.start not in task.starts:
        raise UnresetError(
            f"task {task.name!r} has no start {config.start!r}; there are: {', '.join(task.starts)}"
        )
    if config.wide_starts and "wide" not in task.starts:
        raise UnresetError(f"task {task.name!r} has no wide starts; say wide_starts=0")
    if config.horizon is None:
        return task
    return replace(task, horizon=config.horizon, goal_change_every=2 * config.horizon)


def fitted_method(method: Method, task: Task, config: Configuration) -> tuple[Method, list[str]]:
    """The method with the periods of the task's protocol and what the task allows; and notes."""
    practice, period = method.practice, task.train_reset_every
    if practice.offline and config.evaluation != "deployed":
        raise UnresetError(f"{method.name} never acts: its evaluation can only be deployed")
    if config.evaluation != "deployed":
        period = task.continuing_reset_every
        every = practice.goal_change_every or task.goal_change_every or 2 * task.horizon
        practice = replace(
            practice, goal_change_every=every, reset_every=practice.reset_every or None
        )
    if practice.reset_every is None:
        practice = replace(practice, reset_every=period)
    method = replace(method, practice=practice)
    if task.pure:
        return method, []
    notes = []
    if practice.hindsight or practice.other_goals or practice.goals_per_row > 1:
        notes.append(
            f"{task.name}'s reward is no function of observation and goal in JAX: "
            "no relabelling (hindsight, other_goals, goals_per_row)"
        )
    return without_relabelling(method), notes
