"""What can be said of a command's arguments before its run is loaded, which takes long."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from unreset import api, registry
from unreset.demos.store import Trajectory
from unreset.errors import UnresetError
from unreset.options import EvalOptions
from unreset.runs.folder import Configuration, read_configuration


def evaluation(options: EvalOptions) -> Sequence[Trajectory] | None:
    """The demonstrations that ``unreset eval`` is given, if any.

    Raises:
        UnresetError: where the options do not fit each other or the run.
    """
    config = read_configuration(options.run, options.trust)
    if options.rewards and options.dynamics:
        raise UnresetError("say --rewards or --dynamics, not both")
    judged = options.rewards or options.dynamics
    for flag, given, fits in [
        ("demos", options.demonstrations is not None, judged),
        ("seed-number", options.seed_number != 0, judged),
        ("starts", options.starts != "fixed", not judged),
    ]:
        if given and not fits:
            where = "without" if flag == "starts" else "with"
            raise UnresetError(f"--{flag} is used {where} --rewards or --dynamics")
    if options.episodes is not None and options.episodes < 1:
        raise UnresetError(f"episodes must be at least 1, not {options.episodes}")
    seed_number(options.seed_number, config)
    task = registry.task(config.task, config.reward)
    if options.starts not in ("fixed", *task.starts):
        raise UnresetError(f"task {task.name!r} has no {options.starts} starts")
    if options.demonstrations is None:
        return None
    return api.demonstrations_of(task, options.demonstrations)


def seed_number(number: int, config: Configuration) -> None:
    """Refuse the number of a seed that a run does not have."""
    if not 0 <= number < config.seeds:
        raise UnresetError(
            f"seed number {number} does not exist; this run has {config.seeds}, counted from 0"
        )


def writable(path: Path) -> None:
    """Refuse a file that cannot be written."""
    folder = path.parent
    reason = (
        "it is a folder"
        if path.is_dir()
        else f"there is no folder {folder}"
        if not folder.is_dir()
        else ""
        if os.access(path if path.exists() else folder, os.W_OK)
        else "permission denied"
    )
    if reason:
        raise UnresetError(f"cannot write {path}: {reason}")
