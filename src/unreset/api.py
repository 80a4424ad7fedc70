"""The library's front door: train, load, and what can be done with a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from unreset import places, registry
from unreset.core.types import Task
from unreset.demos import formats, pictures, scripts, store, units
from unreset.demos.store import FORWARD, Trajectory
from unreset.deploy.policy import Policy
from unreset.drivers.live import Live
from unreset.drivers.supervisor import Supervisor
from unreset.errors import Failure, UnresetError, look_up
from unreset.evaluation import discriminators, dynamics
from unreset.evaluation.discriminators import Judgement
from unreset.evaluation.dynamics import Quality
from unreset.methods.settings import Settings
from unreset.models.dynamics import MODEL
from unreset.networks.encoders import STRIDES
from unreset.networks.views import Vision
from unreset.report.report import write_page
from unreset.report.videos import write_videos
from unreset.runs import compilation, priors, starting, stored
from unreset.runs import folder as folders
from unreset.runs.configured import fitted_task
from unreset.runs.folder import Configuration
from unreset.runs.training import Observer, Training
from unreset.seeds import at_least, checked, whole
from unreset.tasks.change import Change

_NEEDS_FRESH = (
    "what judges rewards needs demonstrations that the run was not trained on: give some (--demos)"
)
NONE = "none"  # in the place of demonstrations
_JUDGING_SEED = 1_000_003  # of demonstrations and starts that no run is trained with


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
        training = self._training
        self._check_seed(seed_number)
        self._check_learned()
        actor = jax.tree.map(lambda x: np.asarray(x[seed_number]), training.actors)
        weights = _named(actor["params"])
        method, task = training.method, training.task
        if not method.vision.pixels and method.learner.relative and task.offsets is not None:
            weights["offsets"] = task.offsets
        metadata = {
            "method": training.configuration.method,
            "task": task.name,
            "seed": training.seeds[seed_number],
            "env_steps": training.step,
            "observation_size": task.observation_size,
            "goal_size": task.goal_size,
            "action_size": task.action_size,
            "octaves": method.learner.octaves,
            "told_roles": method.told_roles,
        }
        if method.vision.pixels:
            metadata["sight"] = _sight(method.vision, task)
            weights |= _named(actor["encoder"]["params"], "encoder/")
            weights["goals"] = np.concatenate([task.goals, task.initial_goals])
            for camera, shown in (task.goal_pictures or {}).items():
                weights[f"goal_pictures/{camera}"] = shown
            if method.vision.goal_proprioception:
                assert task.goal_observations is not None
                told = task.goal_observations[:, task.proprioception]
                weights["goal_proprioception"] = told.astype(np.float32)
        return Policy(weights, metadata)

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
        shown = [one for one in _unseen(task, demonstrations) if one.direction == FORWARD]
        if not shown:
            raise UnresetError(_NEEDS_FRESH)
        if method.vision.pixels:
            shown = pictures.seen(shown, task, method.watched)
        actor, signals = jax.tree.map(
            lambda x: x[seed_number], (training.actors, training.driver.run.signals)
        )
        return discriminators.judge(method, task, actor, signals, shown, episodes, _JUDGING_SEED)

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
        dynamics.dynamics_of(method)  # refuse before anything takes time
        self._check_learned()
        episodes = _judged_episodes(task, episodes)
        actor, model = jax.tree.map(
            lambda x: x[seed_number], (training.actors, training.driver.run.signals[MODEL])
        )
        given = demonstrations is not None or task.demonstrations is not None
        shown = _unseen(task, demonstrations) if given else ()
        return dynamics.judge(method, task, actor, model, shown, episodes, _JUDGING_SEED)

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
            if steps is not None:
                starting.extend(self.folder, whole("steps", steps))
            if steps is not None or told or training.outdated:
                # With room in the replay for a new budget.
                self._training = load(
                    self.folder,
                    training.environment,
                    training.supervisor,
                    trust=True,
                    without_replay=without_replay,
                    restart=restart,
                )._training
            self._training.practise(observer or _silent)
        return self

    def report(self) -> Path:
        """Write videos, ``curves.png`` and ``report.html``; the page's path."""
        training = self._training
        offline = training.method.practice.offline
        carry = None if offline else jax.tree.map(lambda x: x[0], training.driver.carry)
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


def _named(params: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """Parameters by their paths."""
    flat = jax.tree_util.tree_flatten_with_path(params)[0]
    return {prefix + "/".join(str(part.key) for part in path): leaf for path, leaf in flat}


def _sight(vision: Vision, task: Task) -> dict[str, Any]:
    """What a policy's file says of how it sees."""
    return {
        "cameras": list(vision.looking(task)),
        "goal_cameras": list(vision.showing(task)),
        "image_size": vision.image_size,
        "stack": vision.stack,
        "crop": vision.crop,
        "proprioception": len(task.proprioception) if vision.proprioception else 0,
        "goal_view": vision.goal_view,
        "encoder": vision.encoder,
        "patch": vision.patch,
        "layers": len(vision.patch_widths),
        "strides": list(STRIDES.get(vision.encoder, ())),
    }


def _silent(_: Any) -> None:
    """Show nothing."""


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
        training.practise(observer or _silent)
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
    stored.check(settings)
    return name, settings


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
    return found, known, priors.doubts(folder, training)


def _judged_episodes(task: Task, episodes: int | None) -> int:
    """How many episodes of a policy judge a run's signals."""
    if episodes is None:
        return 10 if task.step is not None else 2
    return at_least("episodes", episodes)


def _unseen(task: Task, given: Sequence[Trajectory] | str | Path | None) -> Sequence[Trajectory]:
    """Demonstrations on which a run was not trained, checked."""
    shown = _fresh(task) if given is None else demonstrations_of(task, given)
    store.check(shown, task)
    return shown


def _fresh(task: Task) -> Sequence[Trajectory]:
    """Demonstrations of the task's script on which no run is trained."""
    try:
        return scripts.batch(task, _JUDGING_SEED)
    except UnresetError as error:
        raise UnresetError(f"{error}; {_NEEDS_FRESH}") from error


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
        supervisor: as for :func:`train`.
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
    folder = Path(folder)
    configuration = folders.read_configuration(folder, trust)
    task = registry.task(configuration.task, configuration.reward)
    trajectories = store.load(folder / "demonstrations.safetensors", task)
    learner = None if configuration.prior is None else priors.load(folder / priors.FILE)
    training = Training(folder, configuration, trajectories, environment, task, learner, supervisor)
    if restart:
        training.restart()
    else:
        training.restore(without_replay)
    return Run(training)
