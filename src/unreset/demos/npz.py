"""Demonstrations in NumPy archives (``.npz``), read without pickles.

The layout written here has one array per column over all E demonstrations, one after the other:
``lengths`` [E] (actions of each), ``observations`` [sum of lengths + E, observation], ``actions``
[sum of lengths, action], ``goals`` [E, goal], ``directions`` [E] (0 forward, 1 backward), on
demand ``rewards`` [sum of lengths], NaN throughout a demonstration that has none, and the texts
``task`` and ``success_rate``.

Also read: the flat layout (:mod:`unreset.demos.flat`), and one episode per file as replay buffers
keep it: ``observation`` [T + 1, observation + goal], ``action`` [T + 1, action] and ``reward``
[T + 1], where row 0 is the reset and row t holds the action that led to observation t.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from unreset.core.types import Task
from unreset.demos import flat
from unreset.demos.store import Stored, Trajectory
from unreset.errors import UnresetError
from unreset.reading import reading, refuse_unpacking

_OURS = ("lengths", "observations", "actions", "goals", "directions")
_TEXTS = ("task", "success_rate")
_LONGEST = 200  # characters of a text
_KNOWN = (*_OURS, *_TEXTS, *flat.COLUMNS, *flat.OPTIONAL, "observation", "action", "reward", "goal")


def save(path: Path, trajectories: Sequence[Trajectory], metadata: Mapping[str, str]) -> None:
    """Write trajectories in the layout above; raises OSError where that cannot be."""
    arrays = {
        "lengths": np.array([len(one.actions) for one in trajectories], np.int64),
        "observations": np.concatenate([one.observations for one in trajectories]),
        "actions": np.concatenate([one.actions for one in trajectories]),
        "goals": np.stack([one.goal for one in trajectories]),
        "directions": np.array([one.direction for one in trajectories], np.int64),
        **{name: np.array(metadata[name]) for name in _TEXTS if name in metadata},
    }
    if any(one.rewards is not None for one in trajectories):
        arrays["rewards"] = np.concatenate(
            [
                np.full(len(one.actions), np.nan, np.float32)
                if one.rewards is None
                else one.rewards
                for one in trajectories
            ]
        )
    with path.open("wb") as file:  # a path without the suffix would be given another one
        np.savez_compressed(file, allow_pickle=False, **arrays)


def load(path: Path, task: Task, direction: int | None) -> Stored:
    """What an archive holds; ``direction`` is that of trajectories in layouts that do not say it.

    Raises:
        UnresetError: where the file is damaged or none of the layouts.
    """
    arrays = _arrays(path)
    if "lengths" in arrays:
        texts = {name: str(arrays[name])[:_LONGEST] for name in _TEXTS if name in arrays}
        return Stored(_ours(arrays), texts, True)
    single = "observation" in arrays and "action" in arrays
    if not single and "observations" not in arrays:
        raise UnresetError(
            f"its arrays are {sorted(arrays)}, which is no layout of demonstrations "
            f"(lengths, observations, actions, goals, directions; or observations, actions, "
            f"next_observations, terminals)"
        )
    way = 0 if direction is None else direction
    found = [_episode(arrays, task, way)] if single else flat.episodes(arrays, task, way)
    return Stored(found, {}, False)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """The known arrays of an archive; the others, whatever they are, stay unread.

    What an array's header says is held against the archive's before room is made for it.
    """
    with reading(path, "it cannot be read as a NumPy archive"):
        if not zipfile.is_zipfile(path):
            raise ValueError("it is no archive of arrays")
        with zipfile.ZipFile(path) as archive:
            members = {file.filename.removesuffix(".npy"): file for file in archive.infolist()}
            if len(members) < len(archive.infolist()):
                raise ValueError("it holds two arrays of one name")
            names = [name for name in members if name in _KNOWN]
            refuse_unpacking(path, sum(members[name].file_size for name in names))
            known = {name: _array(archive, members[name]) for name in names}
    if not known:
        raise UnresetError(f"its arrays are {sorted(members)}, none of them known")
    return known


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """One array of an archive; raises ValueError, and what NumPy and zipfile raise."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0}
        header = read.get(version, np.lib.format.read_array_header_2_0)(file)
        size = math.prod(header[0]) * header[2].itemsize
        if header[2].hasobject:
            raise ValueError(f"{member.filename} is pickled, and allow_pickle=False")
        if file.tell() + size != member.file_size or min(header[0], default=0) < 0:
            raise ValueError(f"{member.filename} says that it has {size} bytes, which it has not")
    with archive.open(member) as file:
        array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _ours(arrays: Mapping[str, np.ndarray]) -> list[Trajectory]:
    if missing := [name for name in _OURS if name not in arrays]:
        raise UnresetError(f"there is no {', '.join(missing)} among its arrays {sorted(arrays)}")
    lengths = arrays["lengths"]
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or (lengths < 1).any():
        raise UnresetError("lengths must be positive whole numbers, one for each demonstration")
    count, steps = len(lengths), sum(lengths.tolist())
    sizes = {"observations": steps + count, "actions": steps, "goals": count, "directions": count}
    if "rewards" in arrays:
        sizes["rewards"] = steps
    for name, size in sizes.items():
        if arrays[name].ndim == 0 or len(arrays[name]) != size:
            raise UnresetError(
                f"{name} have shape {arrays[name].shape}, but the lengths ask for {size} rows"
            )
    if arrays["directions"].ndim != 1 or arrays["directions"].dtype.kind not in "iu":
        raise UnresetError("directions must be whole numbers, one for each demonstration")
    stops = np.cumsum(lengths)
    found = []
    for number, (stop, length) in enumerate(zip(stops.tolist(), lengths.tolist(), strict=True)):
        acted = slice(stop - length, stop)
        frames = slice(stop - length + number, stop + number + 1)
        rewards = arrays["rewards"][acted] if "rewards" in arrays else None
        if rewards is not None and np.isnan(rewards).all():
            rewards = None
        found.append(
            Trajectory(
                arrays["observations"][frames],
                arrays["actions"][acted],
                arrays["goals"][number],
                int(arrays["directions"][number]),
                rewards,
            )
        )
    return found


def _episode(arrays: Mapping[str, np.ndarray], task: Task, direction: int) -> Trajectory:
    """One episode whose rows are (action, and the observation that it led to)."""
    observations, goals = arrays["observation"], arrays.get("goal")
    if goals is None:
        observations, goals = flat.split_goal(observations, task, "observation")
    lengths = {n: len(np.atleast_1d(arrays[n])) for n in ("observation", "action")}
    if "reward" in arrays:
        lengths["reward"] = len(np.atleast_1d(arrays["reward"]))
    if len(set(lengths.values())) != 1:
        raise UnresetError(f"its arrays must be of one length, not {lengths}")
    return Trajectory(
        observations,
        arrays["action"][1:],
        flat.constant_goal(np.atleast_2d(goals), 0),
        direction,
        flat.sparse(arrays["reward"].reshape(-1)[1:]) if "reward" in arrays else None,
    )
