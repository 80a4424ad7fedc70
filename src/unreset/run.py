"""A run and its folder, and what can be done with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from unreset import places
from unreset.core.types import Task
from unreset.demos import pictures
from unreset.demos.given import JUDGING_SEED, NEEDS_FRESH, unseen
from unreset.demos.store import FORWARD, Trajectory
from unreset.deploy.policy import Policy
from unreset.drivers.live import Live
from unreset.drivers.supervisor import Supervisor
from unreset.errors import Failure, UnresetError
from unreset.evaluation import discriminators, models
from unreset.evaluation.discriminators import Judgement
from unreset.evaluation.models import Quality
from unreset.models.dynamics import MODEL
from unreset.report.report import write_page
from unreset.report.videos import write_videos
from unreset.runs import compilation, starting
from unreset.runs.exporting import export
from unreset.runs.loading import loaded
from unreset.runs.training import Observer, Training
from unreset.seeds import at_least, whole


class Run:
    """A run and its folder: evaluate it, act with it, continue it, report on it."""

    def __init__(self, training: Training) -> None:
        self._training = training

    @property
    def folder(self) -> Path:
        """Where the run's files are."""
        return self._training.folder

    @property
    def env_steps(self) -> int:
        """Environment steps practised so far."""
        return self._training.step

    @property
    def notes(self) -> list[str]:
        """What happened on loading that a person should know."""
        return self._training.notes

    @property
    def summary(self) -> dict[str, Any]:
        """What ``summary.json`` holds."""
        return self._training.summary()

    def policy(self, observation: Any, goal: np.ndarray | None = None) -> np.ndarray:
        """The first seed's deterministic action; see :meth:`unreset.Policy.__call__`."""
        return self.export()(observation, goal)

    def export(self, seed_number: int = 0) -> Policy:
        """The policy of one seed (counted from 0), free of JAX."""
        self._check_seed(seed_number)
        self._check_learned()
        return export(self._training, seed_number)

    def _check_learned(self) -> None:
        """Refuse what would be said of a policy that has learned nothing."""
        if self._training.unsaved and not self.env_steps:
            raise Failure(f"{self.folder} has no checkpoint yet: nothing is learned")

    def _check_seed(self, number: int) -> None:
        count = len(self._training.seeds)
        if not 0 <= whole("seed_number", number) < count:
            raise UnresetError(f"seed number {number} does not exist; this run has {count}")

    def evaluate(self, starts: str = "fixed", episodes: int | None = None) -> dict[str, float]:
        """Deployed evaluation, averaged over seeds; nothing about the run changes.

        Args:
            starts: ``"fixed"``, from the task's initial states; or ``"wide"``, from random ones.
            episodes: how many for each seed; by default 100 wide ones, or from initial states 50 on
                a JAX task (one for each goal, if those are more) and 10 in an environment. Where
                nothing is random, on a JAX task, one for each goal says all, and no more are made.

        Returns:
            ``success`` at any step and ``success_at_end``, the same of the task's looser predicate
            if it has one, returns, and how many ``episodes``, of all seeds, these are means of.
        """
        training = self._training
        if starts not in ("fixed", "wide"):
            raise UnresetError(f"starts must be 'fixed' or 'wide', not {starts!r}")
        if starts == "wide" and "wide" not in training.task.starts:
            raise UnresetError(f"task {training.task.name!r} has no wide starts")
        if starts == "wide" and episodes is None:
            episodes = 100
        if episodes is not None:
            episodes = at_least("episodes", episodes)
        self._check_learned()
        start = "initial" if starts == "fixed" else "wide"
        result = training.evaluator(training.actors, start, episodes, 1)
        figures = {name: float(np.mean(np.asarray(v))) for name, v in result._asdict().items()}
        known = {name: value for name, value in figures.items() if not np.isnan(value)}
        return known | {"episodes": float(np.asarray(result.success).size)}

    def judge_rewards(
        self,
        seed_number: int = 0,
        episodes: int | None = None,
        demonstrations: Sequence[Trajectory] | str | Path | None = None,
    ) -> dict[str, Judgement]:
        """How well each discriminator tells states on which none was trained; nothing changes.

        A goal classifier is asked for the task's own success, any other discriminator for whether
        a state was demonstrated. The states are those where the deployed policy and random actions
        lead, and those of fresh demonstrations.

        Args:
            seed_number: which of the run's seeds, counted from 0.
            episodes: how many by the policy and at random, from the initial states and from wide
                starts where there are any; by default 10 on a JAX task, else 2.
            demonstrations: trajectories, or a file, folder or Minari id, that the run was not
                trained on; by default the task's script makes some with a seed of its own.

        Raises:
            UnresetError: where the method has no discriminator, or there are no fresh
                demonstrations.
        """
        training = self._training
        self._check_seed(seed_number)
        discriminators.discriminators(training.method)  # refuse before anything takes time
        self._check_learned()
        method, task = training.method, training.task
        episodes = _judged_episodes(task, episodes)
        shown = [one for one in unseen(task, demonstrations) if one.direction == FORWARD]
        if not shown:
            raise UnresetError(NEEDS_FRESH)
        if method.vision.pixels:
            shown = pictures.seen(shown, task, method.watched)
        actor, signals = jax.tree.map(
            lambda x: x[seed_number], (training.actors, training.driver.run.signals)
        )
        return discriminators.judge(method, task, actor, signals, shown, episodes, JUDGING_SEED)

    def judge_model(
        self,
        seed_number: int = 0,
        episodes: int | None = None,
        demonstrations: Sequence[Trajectory] | str | Path | None = None,
    ) -> dict[str, Quality]:
        """How well the run's model predicts where none of its rows is from; nothing changes.

        Its error by steps ahead and its calibration, where the deployed policy leads from each
        kind of start, and along fresh demonstrations.

        Args:
            seed_number: which of the run's seeds, counted from 0.
            episodes: how many by the policy, from each kind of start; by default 10 on a JAX task,
                else 2.
            demonstrations: as in :meth:`judge_rewards`; a task without any is judged without.

        Raises:
            UnresetError: where the method has no model.
        """
        training = self._training
        self._check_seed(seed_number)
        method, task = training.method, training.task
        models.dynamics_of(method)  # refuse before anything takes time
        self._check_learned()
        episodes = _judged_episodes(task, episodes)
        actor, model = jax.tree.map(
            lambda x: x[seed_number], (training.actors, training.driver.run.signals[MODEL])
        )
        given = demonstrations is not None or task.demonstrations is not None
        shown = unseen(task, demonstrations) if given else ()
        return models.judge(method, task, actor, model, shown, episodes, JUDGING_SEED)

    def resume(
        self,
        steps: int | None = None,
        observer: Observer | None = None,
        *,
        without_replay: bool = False,
        restart: bool = False,
    ) -> Run:
        """Continue to the budget, or to a new one of ``steps``.

        Where another process has practised in the folder meanwhile, it is continued from there.

        Args:
            steps: a new budget of environment steps.
            observer: called with a Progress after every stretch of practice.
            without_replay: as for :func:`load`.
            restart: as for :func:`load`.

        Raises:
            UnresetError: where another process is practising in the folder, or ``steps`` is behind.
            Failure: where no checkpoint is whole, unless ``without_replay`` or ``restart``.
        """
        with starting.held(self.folder):
            training = self._training
            without_replay |= training.without_replay and not restart
            restart |= training.restarting
            starting.check_steps(self.folder, steps, restart)
            told = (without_replay, restart) != (training.without_replay, training.restarting)
            if steps is not None or told or training.outdated:
                # With room in the replay for a new budget.
                training = loaded(
                    self.folder,
                    (training.environment, training.supervisor),
                    trust=True,
                    without_replay=without_replay,
                    restart=restart,
                    steps=None if steps is None else whole("steps", steps),
                )
            try:
                training.practise(observer or silent)
            finally:
                if not training.extending:  # else it was refused, and all is as it was
                    self._training = training
        return self

    def report(self) -> Path:
        """Write videos, ``curves.png`` and ``report.html``; the page's path."""
        training = self._training
        unfilmed = training.method.practice.offline or training.damage
        carry = None if unfilmed else jax.tree.map(lambda x: x[0], training.driver.carry)
        actor = jax.tree.map(lambda x: x[0], training.actors)
        try:
            self._check_learned()
            live = isinstance(training.driver, Live)
            write_videos(self.folder, training.method, training.task, actor, carry, live=live)
        # A page without videos beats none, whatever the renderer says or does.
        except (Exception, SystemExit) as error:
            why = repr(error) if isinstance(error, SystemExit) or not str(error) else error
            training.notes.append(f"no videos: {why}")
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(
                f"the run is saved, its page is written with: unreset report {self.folder}"
            ) from stop
        return write_page(self.folder)


def silent(_: Any) -> None:
    """Show nothing."""


def _judged_episodes(task: Task, episodes: int | None) -> int:
    """How many episodes of a policy judge a run's signals."""
    if episodes is None:
        return 10 if task.step is not None else 2
    return at_least("episodes", episodes)


def load(
    folder: str | Path,
    environment: Any = None,
    supervisor: Supervisor | None = None,
    *,
    trust: bool = False,
    without_replay: bool = False,
    restart: bool = False,
) -> Run:
    """A run from its folder, as of its newest whole checkpoint; the folder stays as it is.

    Where none is whole but the state of one is, it can be looked at, and a note says so.

    Args:
        folder: the run's.
        environment: for the live driver; by default one that the task makes.
        supervisor: as for :func:`unreset.train`.
        trust: whether the run's own method or task may be imported, which is code, although you
            have not named it from where it is found. Built-in ones need no trust.

        without_replay: whether to take up the newest checkpoint whose state is whole, with that
            part of its replay that is, so that it can be continued.
        restart: whether to take up no checkpoint: when it is continued, what is there is moved
            into ``before-restart`` in the folder, and practice begins at step 0.

    Raises:
        UnresetError: where it is no run, or :class:`unreset.trust.Untrusted`, a kind of it.
        Failure: where the states of all its checkpoints are damaged.
    """
    if without_replay and restart:
        raise UnresetError("a run goes on without its replay, or begins again, not both")
    places.refuse_while_importing()
    compilation.keep()
    return Run(
        loaded(
            Path(folder),
            (environment, supervisor),
            trust=trust,
            without_replay=without_replay,
            restart=restart,
        )
    )
