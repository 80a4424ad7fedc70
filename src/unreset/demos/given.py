"""Demonstrations as a run is given them: trajectories, a file, none, or those of the task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unreset.core.types import Task
from unreset.demos import formats, scripts, store, units
from unreset.demos.store import Trajectory
from unreset.errors import UnresetError

NONE = "none"  # in the place of demonstrations
JUDGING_SEED = 1_000_003  # of demonstrations and starts that no run is trained with
NEEDS_FRESH = (
    "what judges rewards needs demonstrations that the run was not trained on: give some (--demos)"
)


def demonstrations_of(
    task: Task, given: Sequence[Trajectory] | str | Path | None
) -> Sequence[Trajectory]:
    """The given demonstrations, read where they are a file; else the task's own, if any.

    "none" gives none; a file of that name is "./none".
    """
    if given == NONE:
        return []
    if isinstance(given, str | Path):
        return formats.read(given, task)
    if given is None:
        given = [] if task.demonstrations is None else task.demonstrations()
    units.refuse_doubt(given, task)
    return given


def unseen(task: Task, given: Sequence[Trajectory] | str | Path | None) -> Sequence[Trajectory]:
    """Demonstrations on which a run was not trained, checked."""
    shown = _fresh(task) if given is None else demonstrations_of(task, given)
    store.check(shown, task)
    return shown


def _fresh(task: Task) -> Sequence[Trajectory]:
    """Demonstrations of the task's script on which no run is trained."""
    try:
        return scripts.batch(task, JUDGING_SEED)
    except UnresetError as error:
        raise UnresetError(f"{error}; {NEEDS_FRESH}") from error
