"""Demonstrations as a list of trajectories, and as the pinned rows of a replay."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from unreset.core.replay import Rows
from unreset.core.types import Task, UnresetError

FORWARD, BACKWARD = 0, 1
DIRECTIONS = ("forward", "backward")


class Trajectory(NamedTuple):
    """One demonstration of T steps, ending with its first success."""

    observations: np.ndarray  # [T + 1, observation]
    actions: np.ndarray  # [T, action], in [-1, 1]
    goal: np.ndarray  # [goal]
    direction: int  # FORWARD: to a goal of the task; BACKWARD: to an initial state


def save(path: Path, trajectories: Sequence[Trajectory]) -> None:
    """Write trajectories to one safetensors file."""
    arrays = {}
    for number, trajectory in enumerate(trajectories):
        for name, value in trajectory._asdict().items():
            arrays[f"{number}/{name}"] = np.ascontiguousarray(value)
    save_file(arrays, path)


def load(path: Path) -> list[Trajectory]:
    """Read trajectories written by :func:`save`; raises UnresetError where there are none."""
    try:
        arrays = load_file(path)
        numbers = sorted({int(name.split("/")[0]) for name in arrays})
        return [
            Trajectory(
                arrays[f"{n}/observations"],
                arrays[f"{n}/actions"],
                arrays[f"{n}/goal"],
                int(arrays[f"{n}/direction"]),
            )
            for n in numbers
        ]
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise UnresetError(f"{path} holds no demonstrations: {error}") from error


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
        if np.abs(trajectory.actions).max() > 1:
            raise UnresetError(f"demonstration {number}: actions lie outside [-1, 1]")
        if trajectory.direction not in (FORWARD, BACKWARD):
            raise UnresetError(
                f"demonstration {number}: direction is {trajectory.direction}, "
                f"not {FORWARD} (forward) or {BACKWARD} (backward)"
            )


def pinned_rows(trajectories: Sequence[Trajectory], task: Task) -> tuple[Rows, np.ndarray]:
    """The trajectories as replay rows [P, ...], and the last row [P] of each row's trajectory.

    Every trajectory keeps its last frame as a row without an action; its last step is a success.
    """
    columns: list[Rows] = []
    last: list[np.ndarray] = []
    total = 0
    for number, trajectory in enumerate(trajectories):
        frames, steps = len(trajectory.observations), len(trajectory.actions)
        final = np.arange(frames) == steps - 1
        acted = np.arange(frames) < steps
        action = np.zeros((frames, task.action_size), np.float32)
        action[:steps] = trajectory.actions
        total += frames
        last.append(np.full(frames, total - 1, np.int32))
        columns.append(
            Rows(
                observation=np.asarray(trajectory.observations, np.float32),  # type: ignore[arg-type]
                goal=np.tile(np.asarray(trajectory.goal, np.float32), (frames, 1)),  # type: ignore[arg-type]
                action=action,  # type: ignore[arg-type]
                reward=final.astype(np.float32),  # type: ignore[arg-type]
                success=final,  # type: ignore[arg-type]
                terminated=np.zeros(frames, bool),  # type: ignore[arg-type]
                role=np.where(acted, trajectory.direction, -1).astype(np.int8),  # type: ignore[arg-type]
                source=np.full(frames, trajectory.direction, np.int8),  # type: ignore[arg-type]
                end=final,  # type: ignore[arg-type]
                segment=np.full(frames, number, np.int32),  # type: ignore[arg-type]
            )
        )
    if not columns:
        shapes = {"observation": task.observation_size, "goal": task.goal_size}
        shapes["action"] = task.action_size
        empty = {
            name: np.zeros((0, shapes[name]) if name in shapes else (0,), kind)
            for name, kind in ROW_TYPES.items()
        }
        return Rows(**empty), np.zeros(0, np.int32)  # type: ignore[arg-type]
    return Rows(*(np.concatenate(parts) for parts in zip(*columns, strict=True))), np.concatenate(
        last
    )


ROW_TYPES: dict[str, type] = {
    "observation": np.float32,
    "goal": np.float32,
    "action": np.float32,
    "reward": np.float32,
    "success": np.bool_,
    "terminated": np.bool_,
    "role": np.int8,
    "source": np.int8,
    "end": np.bool_,
    "segment": np.int32,
}
