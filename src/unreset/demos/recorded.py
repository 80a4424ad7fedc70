"""Episodes that somebody recorded in an environment, as a task made from it sees them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from unreset.core.types import BACKWARD, FORWARD, Task, Trajectory
from unreset.demos import flat
from unreset.demos.success import over_rows, successes
from unreset.errors import UnresetError
from unreset.tasks.environments.told_success import NAMES, told_success

_NEAR = 1e-4  # between two goals, to be the same


class Episode(NamedTuple):
    """One recorded episode of T steps."""

    observations: Any  # array, dictionary or tuple of arrays [T + 1, ...]
    actions: np.ndarray  # [T, ...]
    rewards: np.ndarray  # [T]
    infos: Mapping[str, Any]  # of arrays [T + 1] or [T], if any were recorded


def trajectories(
    episode: Episode, task: Task, number: int, direction: int | None, ours: bool
) -> list[Trajectory]:
    """What an episode shows: one trajectory, or one for each goal where that changes on the way.

    The goal of a step is the one that is observed after it.

    Args:
        episode: what was recorded.
        task: what it must fit.
        number: of the episode, for the messages.
        direction: of the trajectories; None to decide by their goals.
        ours: whether it is laid out as the task's environment does, else as what that was made
            from, with that one's rewards.

    Raises:
        UnresetError: where it does not fit.
    """
    raw = task.raw_state is not None and not ours
    rows, goals = _observed(episode.observations, task, number, raw)
    steps = len(episode.actions)
    actions = np.reshape(episode.actions, (steps, -1))
    frames = _frames(episode.observations, task)
    found = []
    for begin, stop in _stretches(goals[1:] if steps else goals, steps):
        goal, here = goals[min(begin + 1, len(goals) - 1)], slice(begin, stop + 1)
        acted = slice(begin, stop)
        rewards = np.asarray(episode.rewards, np.float32)[acted]
        kept: np.ndarray | None = flat.sparse(rewards)
        if raw:
            told = _told(episode.infos, acted, steps)
            kept = _rewards(task, rows[here], goal, rewards, told, number)
        way = _by_goal(goal, task, raw) if direction is None else direction
        seen = {name: pictures[here] for name, pictures in frames.items()}
        found.append(Trajectory(rows[here], actions[acted], goal, way, kept, seen))
    return found


def _stretches(goals: np.ndarray, steps: int) -> list[tuple[int, int]]:
    """Where the steps with one goal begin and stop, of goals [T, goal]."""
    changes = np.flatnonzero(np.abs(np.diff(goals, axis=0)).max(axis=1, initial=0.0) > _NEAR) + 1
    places = [0, *changes.tolist(), steps]
    return list(itertools.pairwise(places))


def _observed(
    observations: Any, task: Task, number: int, raw: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Observations [T + 1, observation] and goals [T + 1, goal]."""
    rows = _raw_rows(observations, task) if raw else None
    if rows is None and not isinstance(observations, Mapping):
        what = f"demonstration {number}: observations"
        return flat.split_goal(np.asarray(observations), task, what)
    if isinstance(observations, Mapping) and "desired_goal" in observations:
        if rows is None:
            if "observation" not in observations:
                raise _lacking(observations, number)
            rows = np.asarray(task.state(dict(observations)))
        goals = np.asarray(observations["desired_goal"])
        if goals.shape == (len(rows), task.goal_size) or not raw:
            return rows, goals
    if rows is None:
        raise _lacking(observations, number)
    return rows, np.tile(_reached(rows[-1], task, number), (len(rows), 1))


def _lacking(observations: Mapping[str, Any], number: int) -> UnresetError:
    return UnresetError(
        f"demonstration {number}: observations have {sorted(observations)}; "
        "there must be observation and desired_goal"
    )


def _raw_rows(observations: Any, task: Task) -> np.ndarray | None:
    """Each observation as the task reads it; None where it cannot, or they are the task's."""
    assert task.raw_state is not None
    length = len(_leaf(observations))
    try:
        rows = [np.ravel(task.raw_state(_at(observations, step))) for step in range(length)]
        found = np.stack(rows).astype(np.float32)
    except Exception:  # any: it is the user's function, and meant for something else
        return None
    return found if found.shape[1] == task.observation_size else None


def _leaf(observations: Any) -> Any:
    while isinstance(observations, Mapping | tuple):
        parts = observations.values() if isinstance(observations, Mapping) else observations
        observations = next(iter(parts))
    return observations


def _at(observations: Any, step: int) -> Any:
    if isinstance(observations, Mapping):
        return {name: _at(part, step) for name, part in observations.items()}
    if isinstance(observations, tuple):
        return tuple(_at(part, step) for part in observations)
    return observations[step]


def _frames(observations: Any, task: Task) -> dict[str, np.ndarray]:
    """What the task's cameras saw, uint8 [T + 1, height, width, 3] each."""
    if not isinstance(observations, Mapping):
        return {}
    return {name: np.asarray(observations[name]) for name in task.cameras if name in observations}


def _reached(last: np.ndarray, task: Task, number: int) -> np.ndarray:
    """The task's goal that an episode without goals pursued: its only one, or that at its end."""
    goals = np.asarray(task.goals, np.float32)
    if len(goals) == 1:
        return goals[0]
    reached = successes(task, np.tile(last, (len(goals), 1)), goals)
    if reached is None or not reached.any():
        raise UnresetError(
            f"demonstration {number}: its observations hold no desired_goal, and none of the "
            f"{len(goals)} goals of {task.name} is reached at its end"
        )
    return goals[int(np.argmax(reached))]


def _by_goal(goal: np.ndarray, task: Task, raw: bool) -> int:
    """The direction: forward to a goal of the task; of one recorded elsewhere, if in doubt."""
    if goal.shape != task.goals.shape[1:]:
        return FORWARD  # refused later, for its shape

    def among(goals: np.ndarray) -> bool:
        return bool((np.abs(goals - goal).max(axis=1, initial=0.0) <= _NEAR).any())

    # The environment drew its goals, of which the task knows a sample.
    back = raw and not among(task.initial_goals)
    return FORWARD if among(task.goals) or back else BACKWARD


def _told(infos: Mapping[str, Any], acted: slice, steps: int) -> np.ndarray | None:
    """What the infos of some of all steps say about success after each of them, if anything."""
    kept = {name: np.asarray(infos[name]) for name in NAMES if name in infos}
    rows = {n: v[len(v) - steps :][acted] for n, v in kept.items() if v.ndim and len(v) >= steps}
    if not rows:
        return None
    told = [
        told_success({name: column[step] for name, column in rows.items()})
        for step in range(acted.stop - acted.start)
    ]
    return None if None in told else np.array(told, np.float32)


def _rewards(
    task: Task,
    rows: np.ndarray,
    goal: np.ndarray,
    own: np.ndarray,
    told: np.ndarray | None,
    number: int,
) -> np.ndarray | None:
    """The task's rewards [T], which need not be the environment's ``own``; None as in Trajectory.

    ``told`` is what the infos say about success.
    """
    goals = np.tile(goal, (len(rows) - 1, 1))
    try:
        rewards = over_rows(task, task.reward, rows[1:], goals).astype(np.float32)
    except UnresetError:  # only the environment knows
        if not task.sparse:
            return own
        if told is None and not np.isin(own, (0, 1)).all():
            raise UnresetError(
                f"demonstration {number}: its rewards are not 1 on success and else 0 as those of "
                f"{task.name}, and it holds no infos is_success or success: record those, or make "
                'the task with reward="environment" or a success that is a function'
            ) from None
        rewards = own if told is None else told
    return flat.sparse(rewards) if task.sparse else rewards


def common_cameras(shown: Sequence[Trajectory]) -> list[str]:
    """The cameras of which each trajectory holds pictures."""
    return [name for name in shown[0].frames if all(name in one.frames for one in shown)]
