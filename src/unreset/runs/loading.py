"""A run taken up from its folder, also where what it began from is damaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from unreset import registry
from unreset.core.types import BACKWARD, FORWARD, Task, Trajectory
from unreset.demos import pictures, store
from unreset.drivers.supervisor import Supervisor
from unreset.errors import Failure, UnresetError
from unreset.runs import checkpoint, priors
from unreset.runs.config import RunConfig
from unreset.runs.folder import read_configuration
from unreset.runs.restoring import CHECKPOINTS, DEMONSTRATIONS
from unreset.runs.training import Training


def loaded(
    folder: Path,
    given: tuple[Any, Supervisor | None],
    *,
    trust: bool,
    without_replay: bool,
    restart: bool,
    steps: int | None = None,
) -> Training:
    """A run as of its newest whole checkpoint; ``given`` are an environment and a supervisor.

    A new budget of ``steps`` is written to the folder once it practises, not before.

    Raises:
        UnresetError: where it is no run, or does not fit what is given.
        Failure: where the states of all its checkpoints are damaged.
    """
    configuration = read_configuration(folder, trust)
    if steps is not None:
        configuration = replace(configuration, steps=steps)
    task = registry.task(configuration.task, configuration.reward)
    begun = begun_from(folder, configuration, task)
    environment, supervisor = given
    training = Training(
        folder, configuration, begun.trajectories, environment, task, begun.learner, supervisor
    )
    training.damage, training.extending = begun.damage, steps is not None
    if restart:
        training.restart()
    else:
        training.restore(without_replay)
    return training


class BegunFrom(NamedTuple):
    """What a run began from, as far as it can be read."""

    trajectories: list[Trajectory]  # where they cannot be read, some that take their place
    learner: dict[str, np.ndarray] | None  # that of a prior run
    damage: str  # why the run does not practise on from them; empty where all is read


def begun_from(folder: Path, configuration: RunConfig, task: Task) -> BegunFrom:
    """Read what a run began from; its policy can be used where that is damaged.

    Raises:
        UnresetError: where a whole file does not fit the task, or where the policy is shown goals
            as the damaged demonstrations saw them.
    """
    damages, learner = [], None
    try:
        trajectories = store.load(folder / DEMONSTRATIONS, task)
    except UnresetError as error:
        damages.append(_damage(folder, DEMONSTRATIONS, error))
        trajectories = _in_their_place(configuration, task, damages[0])
    if configuration.prior is not None:
        try:
            learner = priors.load(folder / priors.FILE)
        except UnresetError as error:
            damages.append(_damage(folder, priors.FILE, error))
    return BegunFrom(trajectories, learner, damages[0] if damages else "")


def _damage(folder: Path, name: str, error: UnresetError) -> str:
    """What the damage of a file costs; raises ``error`` where the file is as it was."""
    known = checkpoint.begun_from(folder / CHECKPOINTS).get(name)
    path = folder / name
    if known is not None and path.is_file() and checkpoint.checksum(path) == known:
        raise error
    return (
        f"{error}; the run's policy can be used, but it practises on only from the file as it was: "
        "put a copy back"
    )


def _in_their_place(configuration: RunConfig, task: Task, damage: str) -> list[Trajectory]:
    """A trajectory of each direction that fits the task and the cameras."""
    vision = registry.method(configuration.settings, task).watched
    if vision.pixels and vision.goal_view == "image":
        raise Failure(f"{damage}; its policy is shown goals as these demonstrations saw them")
    size, cameras = vision.image_size, pictures.cameras(task, vision) if vision.pixels else ()
    return [
        Trajectory(
            np.zeros((2, task.observation_size), np.float32),
            np.zeros((1, task.action_size), np.float32),
            np.zeros(task.goal_size, np.float32),
            direction,
            np.zeros(1, np.float32),
            {name: np.zeros((2, size, size, 3), np.uint8) for name in cameras},
        )
        for direction in (FORWARD, BACKWARD)
    ]
