"""Pictures of demonstrations that were recorded without: they are done again before cameras."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from unreset.core.types import Task, Trajectory
from unreset.demos.replaying import make
from unreset.errors import UnresetError
from unreset.networks.views import Shapes, taken
from unreset.tasks.simulation.goal_env import GoalEnv

# How far from what was recorded a picture may be taken, for each number of an observation: about a
# pixel. A share of the number's range in the demonstrations, but at least a centimetre.
_SHARE, _LEAST = 0.03, 0.01


def redrawn(
    trajectories: Mapping[int, Trajectory], task: Task, shapes: Shapes
) -> Iterator[Mapping[str, np.ndarray]]:
    """By camera, what it would have seen of each demonstration, uint8 [T + 1, ...] of ``shapes``.

    The recorded actions are replayed from the first observation. Where that leads elsewhere than it
    once did, the environment is put where the observation was taken, by its reset option ``state``
    (what an observation does not tell, such as how an object is turned, is then its own choice).
    ``trajectories`` are told apart by number.

    Raises:
        UnresetError: where the task has no environment, it has no such pictures, or it cannot be
            put there.
    """
    if not trajectories:
        return
    ranges = np.ptp(np.concatenate([one.observations for one in trajectories.values()]), axis=0)
    tolerance = np.maximum(_SHARE * ranges, _LEAST)
    environment = make(task)
    try:
        for number, one in trajectories.items():
            scenes = _scenes(task, environment, one, tolerance, number)
            seen = [taken(scene, shapes) for scene in scenes]
            yield {name: np.stack([frames[name] for frames in seen]) for name in shapes}
    finally:
        environment.close()


def _scenes(
    task: Task, environment: Any, one: Trajectory, tolerance: np.ndarray, number: int
) -> Iterator[Any]:
    """The environment's observation at each of a demonstration's, at or near its state."""

    def near(observation: Any, recorded: np.ndarray) -> bool:
        return bool((np.abs(np.asarray(task.state(observation)) - recorded) <= tolerance).all())

    def put(place: int) -> Any:
        options = {"state": one.observations[place], "goal": one.goal}
        try:
            observation, _ = environment.reset(seed=number, options=options)
        except ValueError as error:
            raise UnresetError(f"{refusal} ({error})") from error
        # A task's own environment takes the nearest state that it can.
        own = isinstance(environment.unwrapped, GoalEnv)
        if not own and not near(observation, one.observations[place]):
            raise UnresetError(f"{refusal} (by reset options state and goal)")
        return observation

    refusal = (
        f"demonstration {number} holds no pictures, and the environment of task {task.name!r} "
        "cannot be put where it was to take them: record it with pictures"
    )
    yield put(0)
    for place, action in enumerate(one.actions, start=1):
        observation, _, terminated, truncated, _ = environment.step(action)
        drifted = not near(observation, one.observations[place])
        yield put(place) if drifted or terminated or truncated else observation
