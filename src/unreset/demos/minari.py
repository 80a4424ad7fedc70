"""Demonstrations as Minari datasets, local ones only: nothing here touches the network.

An episode's observations are a dictionary with ``observation`` and ``desired_goal``, as goal
environments give, or one array of the task's observation with the goal behind it; or those of the
environment that a task was made from by ``from_environment``. Pictures go under their cameras'
names. Datasets written here say the task, the directions and the success rate in their metadata,
and each episode its ``direction``; the direction of other episodes is forward if they desire one of
the task's goals, else backward (of a task made from an environment: unless they desire an initial
one).
"""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from unreset.core.types import Task
from unreset.demos import hdf5, recorded
from unreset.demos.store import DIRECTIONS, Stored, Trajectory
from unreset.demos.success import achieved_goals, successes
from unreset.errors import UnresetError
from unreset.reading import line, read_json, reading
from unreset.tasks.environments import interface
from unreset.tasks.extras import require

_UNBOUNDED = 1e6  # bounds of actions this large say nothing
_PREFIX = "unreset_"  # of our entries in a dataset's metadata
_IDENTIFIER = re.compile(r"([-\w]+/)*[-\w]+-v\d+")


def is_identifier(name: str) -> bool:
    """Whether this could be the id of a dataset, such as ``tabletop/scripted-v0``."""
    return _IDENTIFIER.fullmatch(name) is not None


def data_folder(folder: Path) -> Path | None:
    """The part of a dataset's folder that holds its data, or None if this is no dataset."""
    places = (folder / "data", folder)
    return next((place for place in places if (place / "metadata.json").is_file()), None)


def load(dataset: str | Path, task: Task, direction: int | None) -> Stored:
    """What a local dataset holds.

    Args:
        dataset: an id, looked up where Minari keeps its datasets (``MINARI_DATASETS_PATH``), or a
            dataset's folder.
        task: what the trajectories must fit.
        direction: of episodes that do not say theirs; None to decide by their goals.

    Raises:
        UnresetError: where there is no such dataset, or it does not fit.
    """
    minari = require("minari", "minari")
    place = _locate(dataset)
    wrong = "it cannot be read as a Minari dataset"
    raw = read_json(place / "metadata.json", wrong)
    with reading(place, wrong):  # Minari and HDF5 raise what they like on a damaged file
        if missing := {"observation_space", "action_space"} - set(raw):
            # Minari would make the environment that the file names, and so run what it likes.
            raise UnresetError(f"its metadata lacks {', '.join(sorted(missing))}")
        if raw.get("data_format") == "hdf5":
            hdf5.refuse(place / "main_data.hdf5", raw)
        try:
            opened = minari.MinariDataset(place)
        except ImportError as error:  # it is kept in a format that needs a package of its own
            raise UnresetError(f"{wrong}: {line(str(error))}") from error
        ids = [int(number) for number in opened.episode_indices]
        labels = [one.get("direction") for one in opened.storage.get_episode_metadata(ids)]
        episodes = list(opened.iterate_episodes())
    found, ours = list[Trajectory](), f"{_PREFIX}task" in raw
    for number, (episode, label) in enumerate(zip(episodes, labels, strict=True)):
        way = DIRECTIONS.index(label) if label in DIRECTIONS else direction
        one = recorded.Episode(
            episode.observations,
            np.asarray(episode.actions),
            np.asarray(episode.rewards),
            episode.infos or {},
        )
        found += recorded.trajectories(one, task, number, way, ours)
    stated = bool(labels) and all(label in DIRECTIONS for label in labels)
    texts = {k.removeprefix(_PREFIX): str(v) for k, v in raw.items() if k.startswith(_PREFIX)}
    return Stored(found, texts, stated, _bounds(opened.action_space))


def _bounds(space: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Lowest and highest action [action]; None where the dataset does not say."""
    if not isinstance(space, spaces.Box):
        return None
    bounds = space.low.astype(np.float64).ravel(), space.high.astype(np.float64).ravel()
    return bounds if np.abs(bounds).max(initial=0.0) < _UNBOUNDED else None


def save(
    identifier: str, trajectories: Sequence[Trajectory], task: Task, metadata: Mapping[str, str]
) -> Path:
    """Write a dataset where Minari keeps them; returns its folder.

    Its episodes end truncated, never terminated, and ``infos["is_success"]`` [T + 1] is the
    task's predicate. Its environment is the task's, if that can be made.

    Raises:
        UnresetError: where the id is none, or is taken.
    """
    minari = require("minari", "minari")
    require("h5py", "minari")
    if not is_identifier(identifier):
        raise UnresetError(
            f"{identifier!r} is no id of a Minari dataset; it must end in a version, "
            f"for example {task.name}/demonstrations-v0"
        )
    folder = Path(require("minari.storage", "minari").get_dataset_path(identifier))
    if folder.exists():
        raise UnresetError(f"the dataset {identifier} exists already; choose another id or version")
    directions = [DIRECTIONS[one.direction] for one in trajectories]
    environment = _environment(task)
    cameras = recorded.common_cameras(trajectories)
    buffers = [_buffer(one, task, cameras) for one in trajectories]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about an author, who is the user's to name
            dataset = minari.create_dataset_from_buffers(
                identifier,
                buffers,
                env=environment if environment is not None and environment.spec else None,
                observation_space=_observation_space(task, environment, buffers[0].observations),
                action_space=spaces.Box(-1.0, 1.0, (task.action_size,), np.float32),
                description=f"Demonstrations of the task {task.name} of unreset.",
            )
        dataset.storage.update_episode_metadata([{"direction": way} for way in directions])
        told = {"task": task.name, "directions": ", ".join(sorted(set(directions), reverse=True))}
        dataset.storage.update_metadata(
            {_PREFIX + name: value for name, value in (told | dict(metadata)).items()}
        )
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        if environment is not None:
            interface.close(environment)
    return folder


def _locate(dataset: str | Path) -> Path:
    folder = Path(dataset)
    if not folder.is_dir():
        name = str(dataset)
        folder = Path(require("minari.storage", "minari").get_dataset_path(name))
        if not folder.is_dir():
            raise UnresetError(
                f"there is no such Minari dataset in {str(folder).removesuffix(name)} "
                f"(nothing is downloaded here; to do that: minari download {name})"
            )
    place = data_folder(folder)
    if place is None:
        raise UnresetError(f"{folder} holds no metadata.json of a Minari dataset")
    return place


def _environment(task: Task) -> Any:
    """The task's environment, or None where its simulator is not installed."""
    try:
        return None if task.environment is None else task.environment()
    except (UnresetError, ImportError):
        return None


def _observation_space(
    task: Task, environment: Any, observations: Mapping[str, np.ndarray]
) -> spaces.Space[Any]:
    """The environment's, of what is stored only; unbounded where there is none."""
    known = {} if environment is None else getattr(environment.observation_space, "spaces", {})
    boxes: dict[str, spaces.Space[Any]] = {}
    for key, stored in observations.items():
        if stored.dtype == np.uint8:
            boxes[key] = spaces.Box(0, 255, stored.shape[1:], np.uint8)
            continue
        size = task.observation_size if key == "observation" else task.goal_size
        boxes[key] = known.get(key, spaces.Box(-np.inf, np.inf, (size,), np.float32))
    return spaces.Dict(boxes)


def _buffer(trajectory: Trajectory, task: Task, cameras: Sequence[str]) -> Any:
    """One episode, as Minari takes it."""
    frames, steps = len(trajectory.observations), len(trajectory.actions)
    last = np.arange(steps) == steps - 1
    observations = {
        "observation": trajectory.observations,
        "desired_goal": np.tile(trajectory.goal, (frames, 1)),
        **{name: np.asarray(trajectory.frames[name]) for name in cameras},
    }
    achieved = achieved_goals(task, trajectory.observations)
    if achieved is not None:
        observations["achieved_goal"] = achieved
    reached = successes(task, trajectory.observations, observations["desired_goal"])
    return require("minari.data_collector", "minari").EpisodeBuffer(
        observations=observations,
        actions=trajectory.actions,
        rewards=last.astype(np.float32) if trajectory.rewards is None else trajectory.rewards,
        terminations=np.zeros(steps, bool),
        truncations=last,
        infos={} if reached is None else {"is_success": reached},
    )
