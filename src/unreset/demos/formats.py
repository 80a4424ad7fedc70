"""One door to demonstrations in every format that is known: :func:`read` and :func:`write`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import numpy as np

from unreset.core.types import Task
from unreset.demos import earl_pickle, flat, minari, npz, store, units
from unreset.demos.store import BACKWARD, DIRECTIONS, FORWARD, Normalized, Stored, Trajectory
from unreset.demos.success import final_successes
from unreset.demos.words import KNOWN, Format, Units
from unreset.errors import UnresetError
from unreset.reading import line, reading
from unreset.tasks.simulation.scripted import Scripted

CLIPPED = 1e-6  # actions this far beyond [-1, 1] are rounding, and are clipped
_FOLDERS = {"forward": FORWARD, "reverse": BACKWARD, "backward": BACKWARD}  # names EARL's files


def read(
    source: str | Path, task: Task, direction: int | None = None, actions: Units | None = None
) -> Normalized:
    """The demonstrations in a file, a folder or a local Minari dataset, checked against the task.

    Args:
        source: a ``.safetensors`` file of :func:`write`; a NumPy archive ``.npz``
            (:mod:`unreset.demos.npz`), or a folder of such; a pickle ``.pkl`` of the EARL
            benchmark or its folder with ``forward/`` and ``reverse/``
            (:mod:`unreset.demos.earl_pickle`); the folder or the id of a local Minari dataset
            (:mod:`unreset.demos.minari`).
        task: what they must fit.
        direction: FORWARD or BACKWARD, for files that do not say it (flat archives and single
            pickles whose folder is not called ``forward``, ``reverse`` or ``backward``).
        actions: their units, where the source does not say the space of its actions:
            ``"environment"`` or ``"normalized"``, see :mod:`unreset.demos.units`.

    Returns:
        Trajectories of float32 arrays. Actions are normalized to [-1, 1], and those within 1e-6
        beyond clipped.

    Raises:
        UnresetError: where something is missing, damaged or does not fit; one line says what.
    """
    with _naming(source):
        return _read(source, task, direction, actions)


def write(
    trajectories: Sequence[Trajectory], task: Task, target: str | Path, format: Format | None = None
) -> Path:
    """Write demonstrations with the task's name and their success rate; returns where.

    The rate is that of the script, if it says how many tries they took, else the share of them
    that end in success.

    Args:
        trajectories: what to write; they must fit the task, with actions in [-1, 1].
        task: whose demonstrations they are.
        target: a file, replaced as a whole; for Minari the id of a dataset that does not exist.
        format: by default what the file's suffix says.

    Raises:
        UnresetError: where they do not fit or cannot be written.
    """
    if not trajectories:
        raise UnresetError("there are no demonstrations to write")
    tries = trajectories.tries if isinstance(trajectories, Scripted) else None
    units.refuse_doubt(trajectories, task)
    trajectories = [_tidy(one) for one in trajectories]
    store.check(trajectories, task)
    metadata = {"task": task.name}
    reached = final_successes(task, trajectories)
    if tries is not None:
        metadata["success_rate"] = f"{len(trajectories) / tries:.4g}"
    elif reached is not None:
        metadata["success_rate"] = f"{reached.mean():.4g}"
    path = Path(target)
    format = format or _format_of(path)
    try:
        if format == "minari":
            return minari.save(str(target), trajectories, task, metadata)
        if path.suffix != f".{format}":
            raise UnresetError(f"{path} must end in .{format}, or it could not be read again")
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.unfinished")
        if format == "npz":
            npz.save(unfinished, trajectories, metadata)
        else:
            store.save(unfinished, trajectories, metadata)
        os.replace(unfinished, path)
    except OSError as error:
        raise UnresetError(f"cannot write {target}: {error.strerror or error}") from error
    return path


def check_place(target: str | Path, format: Format | None = None) -> None:
    """Refuse a file that :func:`write` could not write, before there is anything to write."""
    path = Path(target)
    if format == "minari":
        return
    if format is None:
        _format_of(path)
    parent = next(folder for folder in path.absolute().parents if os.path.lexists(folder))
    wrong = "it is a folder" if path.is_dir() else ""
    if not parent.is_dir():
        wrong = f"{parent} is no folder"
    elif not os.access(parent, os.W_OK):
        wrong = "permission denied"
    if wrong:
        raise UnresetError(f"cannot write {target}: {wrong}")


def _format_of(path: Path) -> Format:
    suffix = path.suffix.removeprefix(".")
    if suffix not in ("safetensors", "npz"):
        raise UnresetError(
            f"{path} must end in .safetensors or .npz (or say which format: "
            f"{', '.join(get_args(Format))})"
        )
    return "npz" if suffix == "npz" else "safetensors"


@contextmanager
def _naming(what: str | Path) -> Iterator[None]:
    """Say of which file a mistake is, whatever made it."""
    try:
        with reading(what, "it cannot be read"):
            yield
    except UnresetError as error:
        raise UnresetError(f"{line(str(what))}: {line(str(error))}") from error


def _read(
    source: str | Path, task: Task, direction: int | None, actions: Units | None
) -> Normalized:
    path = Path(source)
    if direction not in (None, FORWARD, BACKWARD):
        raise UnresetError(f"direction must be {FORWARD} (forward) or {BACKWARD} (backward)")
    if path.is_dir() and minari.data_folder(path) is None:
        return _folder(path, task, direction, actions)
    return _fitted(_stored(source, task, direction), task, actions)


def _stored(source: str | Path, task: Task, direction: int | None) -> Stored:
    """What one file or Minari dataset holds."""
    path = Path(source)
    if path.is_dir() or (not path.exists() and minari.is_identifier(str(source))):
        stored = minari.load(source, task, direction)
    elif not path.exists():
        raise UnresetError(f"there is no such file; demonstrations are {KNOWN}")
    elif path.suffix == ".safetensors":
        stored = store.load_with_metadata(path)
    elif path.suffix == ".npz":
        way = _way(path, direction)
        stored = npz.load(path, task, way)
        if not stored.stated and way is None:
            raise UnresetError(_unknown(path))
    elif path.suffix in (".pkl", ".pickle"):
        stored = Stored(_pickle(path, task, direction), {}, False)
    else:
        raise UnresetError(f"unknown kind of file {path.suffix!r}; demonstrations are {KNOWN}")
    if stored.stated and direction is not None:
        raise UnresetError("it says the direction of each demonstration itself; give none")
    return stored


def _fitted(stored: Stored, task: Task, actions: Units | None, doubting: bool = True) -> Normalized:
    """What was stored, checked against the task, with normalized actions."""
    ours = "task" in stored.texts
    if not stored.trajectories:
        raise UnresetError("it holds no demonstrations")
    if stored.texts.get("task", task.name) != task.name:
        raise UnresetError(
            f"these are demonstrations of {stored.texts['task']}, not of {task.name}"
        )
    found: Sequence[Trajectory] = stored.trajectories
    if ours and actions == "environment":
        raise UnresetError("it was written by unreset, with normalized actions; say no units")
    if actions is not None:
        found = units.normalized(found, task, actions)
    elif stored.action_space is not None and not ours:
        found = units.of_space(found, task, stored.action_space)
    elif doubting and not ours:
        units.refuse_doubt(found, task, stated=False)
    found = Normalized(map(_tidy, found))
    store.check(found, task)
    if not ours:
        _refuse_strangers(found, task)
    return found


def _folder(folder: Path, task: Task, direction: int | None, actions: Units | None) -> Normalized:
    """A folder of the EARL benchmark's, or one of NumPy archives."""
    released = [folder / name / earl_pickle.FILE_NAME for name in _FOLDERS]
    files = [file for file in released if file.is_file()]
    if files and direction is not None:
        raise UnresetError("its folders say the direction of each demonstration; give none")
    files = files or sorted(folder.glob("*.npz"))
    if not files:
        raise UnresetError(
            f"this folder holds neither forward/{earl_pickle.FILE_NAME} and "
            f"reverse/{earl_pickle.FILE_NAME}, nor .npz files, nor a Minari dataset"
        )
    found, silent = list[Trajectory](), False
    for file in files:
        with _naming(file.relative_to(folder)):
            stored = _stored(file, task, direction)
            found += _fitted(stored, task, actions, doubting=False)
            silent |= "task" not in stored.texts
    if silent and actions is None:  # of all: a single episode may well be slow
        units.refuse_doubt(found, task, stated=False)
    return Normalized(found)


def _pickle(path: Path, task: Task, direction: int | None) -> list[Trajectory]:
    columns = earl_pickle.read_file(path)
    way = _way(path, direction)
    if way is None:
        raise UnresetError(_unknown(path))
    columns.pop("infos", None)  # empty in the released files
    return flat.episodes(columns, task, way)


def _way(path: Path, direction: int | None) -> int | None:
    """The direction that was given, or that the name of the file's folder says."""
    named = _FOLDERS.get(path.resolve().parent.name)
    return named if direction is None else direction


def _unknown(path: Path) -> str:
    return (
        f"{path.name} does not say which way its demonstrations go; say so (--direction "
        f"{' or '.join(DIRECTIONS)}), or put it in a folder called {', '.join(_FOLDERS)}"
    )


def _tidy(trajectory: Trajectory) -> Trajectory:
    """The same in float32, with rounding beyond the range of actions cut off."""
    arrays: dict[str, Any] = {}
    for name in ("observations", "actions", "goal", "rewards"):
        value = getattr(trajectory, name)
        if value is not None:
            if np.asarray(value).dtype.kind not in "biuf":
                raise UnresetError(f"{name} are of type {np.asarray(value).dtype}, not numbers")
            with np.errstate(over="ignore"):  # found by the check
                arrays[name] = np.ascontiguousarray(value, np.float32)
    size = np.abs(np.asarray(trajectory.actions, np.float64))
    rounding = (size > 1) & (size <= 1 + CLIPPED)
    arrays["actions"] = np.where(rounding, np.sign(arrays["actions"]), arrays["actions"])
    return trajectory._replace(**arrays)


def _refuse_strangers(trajectories: Sequence[Trajectory], task: Task) -> None:
    """Refuse demonstrations that claim to end in success where not one of them does."""
    claiming = [one for one in trajectories if one.rewards is None]
    reached = final_successes(task, claiming) if claiming else None
    if reached is not None and not reached.any():
        raise UnresetError(
            f"not one of its {len(claiming)} demonstrations ends with a success of "
            f"{task.name}: they seem to be another task's"
        )
