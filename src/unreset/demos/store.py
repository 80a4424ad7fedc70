"""Demonstrations as a list of trajectories, and as the pinned rows of a replay."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import safe_open

from unreset.core.replay import Rows
from unreset.core.types import BACKWARD, FORWARD, Task, Trajectory
from unreset.demos.success import successes
from unreset.errors import UnresetError
from unreset.reading import reading
from unreset.serialization import save_file

__all__ = ["BACKWARD", "DIRECTIONS", "FORWARD", "Normalized", "Stored", "Trajectory"]

DIRECTIONS = ("forward", "backward")
SAY_UNITS = (
    "say their units: unreset demos import SOURCE --task TASK --out FILE --actions environment (or "
    'normalized); in Python unreset.demos.units.normalized(trajectories, task, "environment")'
)


class Stored(NamedTuple):
    """What a file, a folder or a dataset holds."""

    trajectories: list[Trajectory]
    texts: Mapping[str, str]  # stored beside them, such as the task's name
    stated: bool  # whether it says the direction of each itself
    action_space: tuple[np.ndarray, np.ndarray] | None = None  # lowest and highest, if it says so


class Normalized(list[Trajectory]):
    """Trajectories whose actions are known to be normalized to [-1, 1], also where they are small.

    See :mod:`unreset.demos.units`.
    """


def save(
    path: Path, trajectories: Sequence[Trajectory], metadata: Mapping[str, str] | None = None
) -> None:
    """Write trajectories to one safetensors file; raises OSError where that cannot be.

    ``metadata`` is stored beside them, as :func:`unreset.demos.formats.write` does with the task's
    name and the success rate.
    """
    arrays = {}
    for number, trajectory in enumerate(trajectories):
        named = trajectory._asdict()
        pictures = {f"frames/{camera}": seen for camera, seen in named.pop("frames").items()}
        for name, value in (named | pictures).items():
            if value is not None:
                arrays[f"{number}/{name}"] = value
    save_file(arrays, path, metadata)


def load(path: Path, task: Task) -> list[Trajectory]:
    """Read trajectories written by :func:`save`.

    Raises:
        UnresetError: where there are none, or they do not fit the task.
    """
    found = load_with_metadata(path).trajectories
    try:
        check(found, task)
    except UnresetError as error:
        raise UnresetError(f"{path}: {error}") from error
    return found


def load_with_metadata(path: Path) -> Stored:
    """The same, and what :func:`save` was given to store beside them."""
    with reading(path, f"{path} holds no demonstrations"):
        with safe_open(path, "numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
        named: dict[int, dict[str, np.ndarray]] = {}
        for name, array in arrays.items():
            number, _, rest = name.partition("/")
            if array.dtype.kind not in "biuf":
                raise ValueError(f"{name[:80]!a} is of type {array.dtype}, not numbers")
            named.setdefault(int(number), {})[rest] = array
        trajectories = [_trajectory(named[number]) for number in sorted(named)]
    return Stored(trajectories, metadata, True)


def _trajectory(arrays: Mapping[str, np.ndarray]) -> Trajectory:
    """One trajectory of the arrays that :func:`save` named; KeyError or TypeError if it is none."""
    return Trajectory(
        arrays["observations"],
        arrays["actions"],
        arrays["goal"],
        operator.index(arrays["direction"].item()),
        arrays.get("rewards"),
        {
            name.removeprefix("frames/"): array
            for name, array in arrays.items()
            if name.startswith("frames/")
        },
    )


def check(trajectories: Sequence[Trajectory], task: Task) -> None:
    """Refuse demonstrations that do not fit the task, naming the first thing that is wrong."""
    wanted = {
        "observations": task.observation_size,
        "actions": task.action_size,
        "goal": task.goal_size,
    }
    for number, trajectory in enumerate(trajectories):
        for name, size in wanted.items():
            array = np.asarray(getattr(trajectory, name))
            dimensions = 1 if name == "goal" else 2
            if array.ndim != dimensions or array.shape[-1] != size:
                raise UnresetError(
                    f"demonstration {number}: {name} have shape {array.shape}, but {task.name} "
                    f"needs {'(' if dimensions == 1 else '(steps, '}{size})"
                )
            if not np.isfinite(array).all():
                raise UnresetError(f"demonstration {number}: {name} contain NaN or infinity")
        steps, frames = len(trajectory.actions), len(trajectory.observations)
        if steps == 0 or frames != steps + 1:
            raise UnresetError(
                f"demonstration {number}: {frames} observations for {steps} actions; "
                f"there must be at least one action, and one observation more than actions"
            )
        rewards = trajectory.rewards
        if rewards is None and not (task.pure or task.sparse):
            raise UnresetError(
                f"demonstration {number} holds no rewards, and those of {task.name} cannot be "
                "recomputed: they need the simulator, at every step"
            )
        if rewards is not None and np.shape(rewards) != (steps,):
            raise UnresetError(
                f"demonstration {number}: rewards have shape {np.shape(rewards)} for {steps} "
                f"actions; there must be one reward for each action"
            )
        if rewards is not None and not np.isfinite(rewards).all():
            raise UnresetError(f"demonstration {number}: rewards contain NaN or infinity")
        if (largest := np.abs(trajectory.actions).max()) > 1:
            raise UnresetError(
                f"demonstration {number}: actions lie outside [-1, 1] (the largest is "
                f"{largest:.6g}); {SAY_UNITS}"
            )
        if trajectory.direction not in (FORWARD, BACKWARD):
            raise UnresetError(
                f"demonstration {number}: direction is {trajectory.direction}, "
                f"not {FORWARD} (forward) or {BACKWARD} (backward)"
            )


def _frames(trajectories: Sequence[Trajectory]) -> Any:
    """Their frames one after the other, by camera."""
    names = trajectories[0].frames if trajectories else ()
    return {name: np.concatenate([one.frames[name] for one in trajectories]) for name in names}


def pinned_rows(trajectories: Sequence[Trajectory], task: Task) -> tuple[Rows, np.ndarray]:
    """The trajectories as replay rows [P, ...], and the last row [P] of each row's trajectory.

    Every trajectory keeps its last frame as a row without an action. Its last step is a success,
    unless it brings its own rewards: then every step's success is what the task says (if it does).
    """
    total = sum(len(trajectory.observations) for trajectory in trajectories)
    rows: Any = Rows(
        observation=np.zeros((total, task.observation_size), np.float32),  # type: ignore[arg-type]
        goal=np.zeros((total, task.goal_size), np.float32),  # type: ignore[arg-type]
        action=np.zeros((total, task.action_size), np.float32),  # type: ignore[arg-type]
        reward=np.zeros(total, np.float32),  # type: ignore[arg-type]
        success=np.zeros(total, bool),  # type: ignore[arg-type]
        terminated=np.zeros(total, bool),  # type: ignore[arg-type]
        role=np.full(total, -1, np.int8),  # type: ignore[arg-type]
        source=np.zeros(total, np.int8),  # type: ignore[arg-type]
        end=np.zeros(total, bool),  # type: ignore[arg-type]
        segment=np.zeros(total, np.int32),  # type: ignore[arg-type]
        frames=_frames(trajectories),
    )
    last = np.zeros(total, np.int32)
    begin = 0
    for number, trajectory in enumerate(trajectories):
        stop = begin + len(trajectory.observations)
        frames, acted, final = slice(begin, stop), slice(begin, stop - 1), stop - 2
        rows.observation[frames] = trajectory.observations
        rows.goal[frames] = trajectory.goal
        rows.source[frames] = trajectory.direction
        rows.segment[frames] = number
        rows.action[acted] = trajectory.actions
        rows.role[acted] = trajectory.direction
        rows.end[final] = True
        if trajectory.rewards is None:
            rows.reward[final] = 1.0
            rows.success[final] = True
        else:
            goals = np.broadcast_to(trajectory.goal, (stop - 1 - begin, task.goal_size))
            rows.reward[acted] = trajectory.rewards
            reached = successes(task, trajectory.observations[1:], goals)
            rows.success[acted] = False if reached is None else reached
        last[frames] = stop - 1
        begin = stop
    return rows, last
