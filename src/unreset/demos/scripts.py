"""The demonstrations that a task's script makes, as many as are wanted, in a fair order."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from unreset.core.types import Task
from unreset.demos.store import BACKWARD, FORWARD, Trajectory
from unreset.errors import UnresetError
from unreset.seeds import checked
from unreset.tasks.simulation.scripted import Scripted


def batch(task: Task, seed: int = 0) -> list[Trajectory]:
    """What the task's script makes at once.

    Raises:
        UnresetError: where the task has no script, or one that takes no seed and one is given, or
            that is none.
    """
    seed, _ = checked(seed)
    if task.demonstrations is None:
        raise UnresetError(f"{task.name} has no scripted demonstrations; record some instead")
    if "seed" in inspect.signature(task.demonstrations).parameters:
        made: Sequence[Trajectory] = task.demonstrations(**{"seed": seed})
        return made if isinstance(made, Scripted) else list(made)
    if seed != 0:
        raise UnresetError(
            f"the script of {task.name} takes no seed, and makes no more than {_made(task)}"
        )
    return list(task.demonstrations())


def scripted(task: Task, direction: int | None = None, seed: int = 0) -> Iterator[Trajectory]:
    """The task's scripted demonstrations, its goals in turn, of one direction or both in turn.

    When those of one seed are used up, those of the next follow.

    Raises:
        UnresetError: where the task has no script, or one without seeds and no more to give.
    """
    for current in itertools.count(checked(seed)[0]):
        drawn = in_turn(batch(task, current), direction)
        if not drawn:
            raise UnresetError(f"the script of {task.name} makes none of this direction")
        yield from drawn


def _made(task: Task) -> str:
    found = [] if task.demonstrations is None else task.demonstrations()
    counts = [sum(one.direction == way for one in found) for way in (FORWARD, BACKWARD)]
    return f"{counts[0]} forward and {counts[1]} backward"


def in_turn(trajectories: Sequence[Trajectory], direction: int | None) -> list[Trajectory]:
    """Those of a direction, goal by goal in turn; with None the two directions alternate."""
    if direction is None:
        ways = [in_turn(trajectories, way) for way in (FORWARD, BACKWARD)]
        return _alternate([way for way in ways if way])
    by_goal: dict[bytes, list[Trajectory]] = {}
    for one in trajectories:
        if one.direction == direction:
            by_goal.setdefault(np.asarray(one.goal).tobytes(), []).append(one)
    return _alternate(list(by_goal.values()))


def _alternate(lists: Sequence[Sequence[Trajectory]]) -> list[Trajectory]:
    longest = max(map(len, lists), default=0)
    return [one[turn] for turn in range(longest) for one in lists if turn < len(one)]
