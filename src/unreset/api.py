"""The library's front door: train a method on a task, and load a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from unreset import places, registry
from unreset.core import ranges
from unreset.core.types import Task
from unreset.demos.given import demonstrations_of
from unreset.demos.store import Trajectory
from unreset.drivers.supervisor import Supervisor
from unreset.errors import Failure, UnresetError, look_up
from unreset.methods.settings import Settings
from unreset.run import Run, load, silent
from unreset.runs import compilation, config, priors, starting, stored
from unreset.runs.config import RunConfig
from unreset.runs.configured import fitted_task
from unreset.runs.training import Observer, Training

__all__ = ["Run", "demonstrations_of", "load", "new_folder", "train"]


def new_folder(parent: Path, method: str, task: str, seed: int) -> Path:
    """A folder name that is still free."""
    stem = f"{method.rpartition(':')[2]}-{task}-{seed}"
    names = [stem, *(f"{stem}-{number}" for number in range(2, 10_000))]
    return next(parent / name for name in names if not (parent / name).exists())


def train(
    method: str | Settings = registry.DEFAULT_METHOD,
    task: str = registry.DEFAULT_TASK,
    *,
    demonstrations: Sequence[Trajectory] | str | Path | None = None,
    environment: Any = None,
    supervisor: Supervisor | None = None,
    observer: Observer | None = None,
    on_start: Callable[[Path], None] | None = None,
    **options: Any,
) -> Run:
    """Practise a task from demonstrations and return the run.

    Args:
        method: a name from ``unreset methods``; ``package.module:MyMethod`` for one's own; or
            settings, of a known method or of one's own, whose class must be in a file.
        task: a name from ``unreset tasks``, or ``package.module:make_task`` for one's own.
        demonstrations: trajectories; a file, folder or Minari id; ``"none"`` for none; by default
            the task's own.
        environment: what the live driver steps, with actions in [-1, 1]; by default one that the
            task makes.
        supervisor: who is asked for help where ``asking.supervisor`` is ``"person"``; by default
            whoever sits at the terminal.
        observer: called with a Progress after every stretch of practice; what it raises ends
            practice, once that is saved.
        on_start: called with the folder before the first step.
        options: those of :class:`unreset.runs.config.RunConfig`, by name; ``settings`` are given
            as ``method``.

    Raises:
        UnresetError: where something asked for does not exist or cannot work; one line says what.
    """
    asked = config.asked(options)
    places.refuse_while_importing()
    compilation.keep()
    name, settings = _chosen(method, asked.preset)
    if not isinstance(task, str):
        raise UnresetError(
            "a task is given by name or place, so that the run can be loaded: a name from unreset "
            "tasks, or 'my_module:make_task'"
        )
    made = registry.task(task, asked.reward)
    if asked.prior is not None and demonstrations is not None:
        raise UnresetError("a run begins from a prior run or from demonstrations, not both")
    given = None if demonstrations is None else "given"
    asked = replace(asked, method=name, task=task, settings=settings, demonstrations=given)
    configuration = config.fitted(asked, made, environment is not None)
    folder = _folder(configuration, made)
    starting.check_free(folder)
    fitted_task(made, configuration)  # refuses before anything takes long
    learner: dict[str, np.ndarray] | None = None
    doubts: list[str] = []
    if asked.prior is not None:
        prior = Path(asked.prior)
        demonstrations, learner, doubts = _prior(prior, asked.prior_rows, asked.trust)
    trajectories = demonstrations_of(made, demonstrations)
    training = Training(folder, configuration, trajectories, environment, made, learner, supervisor)
    training.notes += doubts
    # With pictures, where they took long to take.
    drawn = training.method.vision.pixels and training.task.look is None
    with starting.begun(
        folder, training.trajectories if drawn else trajectories, learner, configuration
    ):
        if on_start is not None:
            on_start(folder)
        training.practise(observer or silent)
    run = Run(training)
    if asked.report:
        run.report()
    return run


train.__signature__ = config.signature(train)  # type: ignore[attr-defined]


def _folder(config: RunConfig, task: Task) -> Path:
    """Where a new run is written."""
    if config.out is not None:
        return Path(config.out)
    return new_folder(Path("runs"), config.method, task.name, config.seed)


def _chosen(method: str | Settings, preset: str) -> tuple[str, Settings]:
    """What a run stores of a method, and its settings; refuses what could not be loaded again."""
    settings = registry.settings(method, preset) if isinstance(method, str) else method
    if not isinstance(settings, Settings):
        raise UnresetError(
            "a method is a name from unreset methods, a place such as 'my_method:MyMethod', or "
            f"settings such as MyMethod(), not {method!r}"
        )
    name = registry.method_name(settings)
    if preset != "default":
        look_up("preset", preset, registry.presets(name))
    settings = ranges.checked(settings)
    stored.check(settings)
    return name, settings


def _prior(
    folder: Path, number: int, trust: bool
) -> tuple[list[Trajectory], dict[str, np.ndarray], list[str]]:
    """The latest ``number`` rows of practice of a run's first seed, its first learner, and doubts.

    Of a run that never acted, all that it learned from.
    """
    training = load(folder, trust=trust)._training
    if training.refusal:
        raise Failure(training.refusal)
    run, method = training.driver.carry.run, training.method
    if method.learner.successor() is None:
        raise UnresetError(f"{folder} has learned no critics: a life needs some to begin with")
    replay, learner = jax.tree.map(lambda x: x[0], (run.replay, run.learners))
    found = list(training.trajectories)
    if not method.practice.offline:
        found = priors.trajectories(replay, number)
    if not found:
        raise UnresetError(f"{folder} has not practised: there is nothing to begin a life with")
    known = priors.named(jax.tree.map(lambda x: x[0], learner))
    return found, known, priors.doubts(folder, training.task, training.evaluate)
