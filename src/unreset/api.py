"""The library's front door: train a method on a task, and load a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from unreset import places, registry
from unreset.core import ranges
from unreset.demos.given import demonstrations_of
from unreset.demos.store import Trajectory
from unreset.drivers.supervisor import Supervisor
from unreset.errors import Failure, UnresetError, look_up
from unreset.methods.settings import Settings
from unreset.run import Run, load, silent
from unreset.runs import compilation, priors, starting, stored
from unreset.runs.configured import fitted_task
from unreset.runs.folder import Configuration
from unreset.runs.training import Observer, Training
from unreset.seeds import at_least, checked
from unreset.tasks.change import Change

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
    preset: str = "default",
    seed: int = 0,
    seeds: int = 1,
    steps: int | None = None,
    eval_every: int | None = None,
    wide_starts: int | None = None,
    checkpoint_every: int | None = None,
    driver: str | None = None,
    evaluation: str = "deployed",
    reward: str | None = None,
    start: str | None = None,
    horizon: int | None = None,
    out: str | Path | None = None,
    demonstrations: Sequence[Trajectory] | str | Path | None = None,
    environment: Any = None,
    supervisor: Supervisor | None = None,
    prior: str | Path | None = None,
    prior_rows: int = 50_000,
    trust: bool = False,
    change: Change | None = None,
    observer: Observer | None = None,
    on_start: Callable[[Path], None] | None = None,
    report: bool = True,
) -> Run:
    """Practise a task from demonstrations and return the run.

    Args:
        method: a name from ``unreset methods``; ``package.module:MyMethod`` for one's own; or
            settings, of a known method or of one's own, whose class must be in a file.
        task: a name from ``unreset tasks``, or ``package.module:make_task`` for one's own.
        preset: ``"default"``, the strongest recipe known, or ``"paper"``, the published settings;
            of settings, the one they were made from, for the record.
        seed: the first seed, from 0 to 4,294,967,295.
        seeds: how many seeds to train at once, the last of them in that range, too.
        steps: environment steps of each seed; by default the settings' budget.
        eval_every: steps between evaluations and log rows; by default 1,000 for JAX tasks, else
            5,000.
        wide_starts: rollouts from wide random starts at every evaluation, 0 for none; by default
            100 for JAX tasks, else none.
        checkpoint_every: steps between checkpoints, a multiple of ``eval_every``.
        driver: ``"fused"`` (one compiled loop; the default where the task is in JAX and no
            environment is given) or ``"live"`` (around a Gymnasium environment; one seed at a
            time).
        evaluation: ``"deployed"`` (the policy from the initial states, now and then),
            ``"continuing"`` (reward of a step over the whole life, for a goal that the task changes
            every two horizons, with the benchmark's period of resets) or ``"both"``; or ``"life"``:
            there are no resets, each seed draws one of the task's goals once, and is done when it
            has reached that.
        reward: one of the task's rewards; by default its own choice.
        start: where hard resets put the task: ``"initial"``, or ``"goal"`` or ``"wide"`` where it
            has them; by default as the settings say (``wide_resets``), or ``"initial"``.
        horizon: steps of one evaluation episode; by default the benchmark's.
        out: the run folder, which must not exist; by default a new one under ``runs/``.
        demonstrations: trajectories; a file, folder or Minari id; ``"none"`` for none; by default
            the task's own.
        environment: what the live driver steps, with actions in [-1, 1]; by default one that the
            task makes.
        supervisor: who is asked for help where ``asking.supervisor`` is ``"person"``; by default
            whoever sits at the terminal.
        prior: the folder of a run, which begins this one: its latest practice takes the place of
            demonstrations, and all learners begin as its first seed's first one.
        prior_rows: how many rows of that practice.
        trust: whether code that the prior run names may be imported; see :func:`load`.
        change: what is different about the task (wind, noise, a failed actuator, another start, an
            obstacle); its demonstrations are of the task as it was.
        observer: called with a Progress after every stretch of practice; what it raises ends
            practice, once that is saved.
        on_start: called with the folder before the first step.
        report: whether to write videos and ``report.html`` at the end.

    Raises:
        UnresetError: where something asked for does not exist or cannot work; one line says what.
    """
    places.refuse_while_importing()
    compilation.keep()
    seed, seeds = checked(seed, seeds)
    name, settings = _chosen(method, preset)
    if not isinstance(task, str):
        raise UnresetError(
            "a task is given by name or place, so that the run can be loaded: a name from unreset "
            "tasks, or 'my_module:make_task'"
        )
    made = registry.task(task, reward)
    in_jax = made.step is not None
    steps = at_least("steps", settings.steps if steps is None else steps)
    usual = 1000 if in_jax else 5000
    eval_every = at_least("eval_every", usual if eval_every is None else eval_every)
    if wide_starts is None:
        wide_starts = 100 if in_jax and "wide" in made.starts else 0
    wide_starts = at_least("wide_starts", wide_starts, 0)
    if driver is None:
        driver = "fused" if in_jax and environment is None else "live"
    start, horizon = settings.protocol(made, start, horizon, evaluation)
    if horizon is not None:
        horizon = at_least("horizon", horizon)
    at_least("horizon", made.horizon)
    if checkpoint_every is None:
        checkpoint_every = max(1, 5000 // eval_every) * eval_every
    checkpoint_every = at_least("checkpoint_every", checkpoint_every)
    if checkpoint_every % eval_every:
        raise UnresetError(
            f"checkpoint_every={checkpoint_every} must be a multiple of eval_every={eval_every}"
        )
    if driver not in ("fused", "live"):
        raise UnresetError(f"driver must be 'fused' or 'live', not {driver!r}")
    if evaluation not in ("deployed", "continuing", "both", "life"):
        raise UnresetError(
            f"evaluation must be 'deployed', 'continuing', 'both' or 'life', not {evaluation!r}"
        )
    if prior is not None and demonstrations is not None:
        raise UnresetError("a run begins from a prior run or from demonstrations, not both")
    configuration = Configuration(
        method=name,
        task=task,
        preset=preset,
        seed=seed,
        seeds=seeds,
        steps=steps,
        eval_every=eval_every,
        wide_starts=wide_starts,
        checkpoint_every=checkpoint_every,
        driver=driver,
        settings=settings,
        demonstrations="built-in" if prior is None and demonstrations is None else "given",
        prior=None if prior is None else str(prior),
        reward=reward,
        start=start,
        horizon=horizon,
        evaluation=evaluation,
        change=change or Change(),
    )
    configuration = ranges.checked(configuration)
    folder = Path(out) if out is not None else new_folder(Path("runs"), name, made.name, seed)
    starting.check_free(folder)
    fitted_task(made, configuration)  # refuses before anything takes long
    learner: dict[str, np.ndarray] | None = None
    doubts: list[str] = []
    if prior is not None:
        demonstrations, learner, doubts = _prior(Path(prior), prior_rows, trust)
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
    if report:
        run.report()
    return run


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
    number = at_least("prior_rows", number)
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
