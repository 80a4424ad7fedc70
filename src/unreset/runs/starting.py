"""The beginning of a run's folder, and what is checked before a run in one is continued."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from unreset.demos import store
from unreset.demos.store import Trajectory
from unreset.errors import Failure, UnresetError
from unreset.runs import checkpoint, files, lock, priors
from unreset.runs.config import RunConfig
from unreset.runs.lock import locked
from unreset.runs.restoring import CHECKPOINTS, DEMONSTRATIONS
from unreset.seeds import whole


def check_free(folder: Path) -> None:
    """Raise UnresetError where a new run's folder is none, or holds anything."""
    held = folder.is_dir() and {file.name for file in folder.iterdir()} - {lock.FILE, lock.CLAIM}
    if held or (folder.exists() and not folder.is_dir()):
        raise UnresetError(f"{folder} exists already; choose another folder, or unreset resume it")


@contextlib.contextmanager
def begun(
    folder: Path,
    trajectories: Sequence[Trajectory],
    learner: Mapping[str, np.ndarray] | None,
    configuration: RunConfig,
) -> Iterator[None]:
    """Make a new run's folder with what the run begins from, and hold it."""
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(folder))
            check_free(folder)  # nobody else has begun one meanwhile
            try:
                store.save(folder / DEMONSTRATIONS, trajectories)
                if learner is not None:
                    priors.save(folder / priors.FILE, learner)
                files.write_json(folder / "config.json", configuration.dictionary())  # now it is
            except OSError:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        except OSError as error:
            with contextlib.suppress(OSError):
                folder.rmdir()  # if it is empty
            kind = Failure if error.errno in files.FULL else UnresetError
            raise kind(f"cannot write to {folder}: {error.strerror or error}") from error
        yield


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other processes from practising a run while it is loaded and continued.

    Raises:
        UnresetError: where another one does; it names that one's process and machine.
        Failure: where the folder cannot be written to.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(folder))
        except OSError as error:
            raise Failure(f"cannot write to {folder}: {error.strerror or error}") from error
        yield


def check_steps(folder: Path, steps: int | None, restart: bool = False) -> None:
    """Raise UnresetError where a run's new budget is no budget, without loading the run."""
    if steps is None:
        return
    steps = whole("steps", steps)
    done = 0 if restart else max(checkpoint.steps(folder / CHECKPOINTS), default=0)
    if steps < max(done, 1):
        behind = f"behind the run's {done} steps" if done else "no budget: it must be at least 1"
        raise UnresetError(f"steps={steps} is {behind}")
