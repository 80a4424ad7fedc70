"""From a configuration to a run folder: practise, evaluate, log, checkpoint, resume."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from unreset import registry
from unreset.core.replay import blank_frames
from unreset.core.types import Task
from unreset.demos import store
from unreset.drivers.fused import Fused
from unreset.drivers.live import Live
from unreset.drivers.supervisor import Supervisor
from unreset.errors import Failure, UnresetError
from unreset.evaluation import deployed
from unreset.runs import checkpoint, housekeeping, lives, machine, priors, restoring
from unreset.runs import folder as folders
from unreset.runs.config import RunConfig
from unreset.runs.configured import fitted_capacity, fitted_method, fitted_task, with_sight
from unreset.runs.files import FULL, flush, write_json
from unreset.runs.folder import read_summary
from unreset.runs.footprint import refuse_too_large
from unreset.runs.interrupts import Again, Asked, Signalled, deferred
from unreset.runs.lock import closed, locked
from unreset.runs.logs import history, lifelong_reward
from unreset.runs.rows import LOGS, Row, append_rows, doubts, drop_rows_after, read_log
from unreset.runs.summary import effort, summarize
from unreset.tasks.change import Change

CHUNK_SECONDS = 1.0  # aimed at: how long an interruption may have to wait


class Progress(NamedTuple):
    """What a display shows after every stretch of practice."""

    env_steps: int
    steps: int
    seconds: float
    steps_per_second: float
    acting: str  # the first seed's acting role
    phases: dict[str, tuple[int, int]]  # per role: ended and successful phases, all seeds
    evaluation: dict[str, float]  # means of the last evaluation
    note: str = ""


Observer = Callable[[Progress], None]


class Training:
    """A run in a folder. ``practise`` continues it to its budget; an interruption saves it."""

    def __init__(
        self,
        folder: Path,
        configuration: RunConfig,
        trajectories: Sequence[store.Trajectory],
        environment: Any = None,
        task: Task | None = None,
        learner: Mapping[str, np.ndarray] | None = None,
        supervisor: Supervisor | None = None,
    ) -> None:
        self.folder, self.configuration = folder, configuration
        self.environment, self.supervisor = environment, supervisor
        self.step = 0
        self.notes: list[str] = []
        if environment is not None and configuration.driver == "fused":
            raise UnresetError(
                "environment= would not be used: driver='fused' practises in the task's JAX; drop "
                "it, or practise with driver='live'"
            )
        if environment is not None and configuration.change != Change():
            raise UnresetError(
                "change is made to the environment that a task makes, not to one that is given: "
                "wrap that in unreset.tasks.change.ChangedEnv"
            )
        made = task or registry.task(configuration.task, configuration.reward)
        self.task = task = fitted_task(made, configuration)
        self.method, notes = fitted_method(
            registry.method(configuration.settings, task), task, configuration
        )
        self.notes += notes
        if supervisor is not None and not any(
            one.of_the_host for one in self.method.interventions.values()
        ):
            raise UnresetError(
                f"supervisor= would not be asked: {self.method.name} as it is set asks no person; "
                "drop it, or say asking.supervisor='person' (and asking.rule, but for paint)"
            )
        store.check(trajectories, task)
        began, blind = time.monotonic(), any(not one.frames for one in trajectories)
        trajectories, self.task = with_sight(trajectories, task, self.method)
        if blind and self.method.vision.pixels and task.look is None:
            took = time.monotonic() - began
            self.notes.append(f"took pictures of the demonstrations in {took:.0f} s")
        task = self.task
        self.trajectories = trajectories
        self.demonstrations = len(trajectories)
        self.refusal = ""  # why it does not practise on
        self.damage = ""  # why not from what it began from; others take those trajectories' place
        self.extending = False  # whether the folder is to have the budget of this configuration
        self._saved, self._loaded = checkpoint.NOTHING, 0
        self.without_replay = False  # whether it goes on from a checkpoint whose replay is damaged
        self.unsaved = False  # whether it was loaded before its first checkpoint
        self.restarting = False  # whether what is there goes aside, once it practises
        self._present = restoring.present(folder)
        self._origin: restoring.Origin | None = None  # what every checkpoint is stamped with
        self._saved_step, self._saving = 0, threading.Lock()
        self._unseen: BaseException | None = None  # what an observer has raised
        self._seconds = 0.0
        self._evaluation: dict[str, float] = {}
        rows, last = store.pinned_rows(trajectories, self.task)
        capacity = fitted_capacity(self.method, configuration)
        there = (folder / "config.json").is_file()
        refuse_too_large(self.method, task, configuration, rows, last, capacity, loading=there)
        self.seeds = [configuration.seed + i for i in range(configuration.seeds)]
        arguments = (
            self.method,
            task,
            self.seeds,
            rows,
            last,
            capacity,
            configuration.reset_start,
        )
        known = None
        if learner is not None:
            frames = blank_frames(rows, self.method.vision.stack)
            known = priors.fitted(dict(learner), self.method, task, frames)
        self.driver: Fused | Live = (
            Fused(*arguments, learner=known)
            if configuration.driver == "fused"
            else Live(
                *arguments,
                environment=environment,
                learner=known,
                supervisor=supervisor,
                once=configuration.evaluation == "life",
            )
        )
        if isinstance(self.driver, Live):  # what its environment has to say, now and later
            self.notes += self.driver.world.notes
            self.driver.world.notes = self.notes
        self.evaluator = deployed.evaluator(self.method, task)

    @property
    def actors(self) -> Any:
        """The first role's deployed policy: its parameters, stacked over seeds."""
        return jax.tree.map(
            lambda x: x[:, 0], self.method.learner.deployed(self.driver.run.learners)
        )

    def restore(self, without_replay: bool = False) -> None:
        """Take up the newest checkpoint (:func:`restoring.newest`); the folder stays as it is."""
        self._present, self.without_replay = restoring.present(self.folder), without_replay
        life = self.configuration.evaluation == "life"
        found = restoring.newest(
            self.folder,
            self.driver.carry,
            without_replay=without_replay,
            life=life,
            loose=bool(self.damage),
        )
        self.step, self._saved, self.refusal = found.step, found.saved, found.refusal
        self._saved_step = found.step
        self._check_origin()
        self.unsaved = found.carry is None
        if self.damage:
            self.demonstrations = read_summary(self.folder).get("demonstrations", 0)
        self._loaded = found.step
        self.notes += found.notes + doubts(self.folder, self.seeds)
        if found.carry is not None:
            self.driver.carry = found.carry
        unfinished = 0 < self.step < self.configuration.steps
        if unfinished and isinstance(self.driver, Live) and not self.driver.restored:
            self.notes.append("this environment cannot be restored: a counted reset comes next")
        times = [float(row.get("wall_seconds") or 0) for row in self._logged("metrics.csv")]
        self._seconds = next((time for time in times[::-1] if math.isfinite(time)), 0.0)

    def restart(self) -> None:
        """Begin at step 0, once it practises; what is there is then moved aside, not removed."""
        self.restarting = True
        self._check_origin()

    def _check_origin(self) -> None:
        """Note what is read of the folder, and refuse to practise from what has changed there."""
        self._origin = restoring.origin(self.folder)
        if told := self.damage or restoring.altered(self.folder, self._origin):
            self.notes.append(told)
            self.refusal = self.refusal or told

    def _logged(self, name: str) -> list[Row]:
        """The rows of a log up to the present step."""
        rows = read_log(self.folder / name, self.seeds).rows
        return [row for row in rows if int(row["env_steps"]) <= self.step]

    @property
    def outdated(self) -> bool:
        """Whether another process has practised since this one loaded or saved the run."""
        return self._present != restoring.present(self.folder)

    def practise(self, observer: Observer) -> None:
        """Practise to the budget, after cutting the logs back to where it continues.

        An interruption is saved and raised as KeyboardInterrupt, and so is what the observer
        raises; a failure (disk, environment, a quantity that is not finite) is raised as Failure
        and leaves the last whole checkpoint.
        UnresetError is raised where another process practises in the folder, or has done so.
        """
        if self.refusal:
            raise Failure(self.refusal)
        try:
            with locked(self.folder):
                if self.outdated:
                    raise UnresetError(
                        f"{self.folder} has practised elsewhere since it was loaded: load it again"
                    )
                if self.restarting:  # links, too
                    restoring.set_aside(self.folder)
                    self.restarting = False
                self._origin = self._origin or restoring.origin(self.folder)
                housekeeping.refuse_links(self.folder / restoring.CHECKPOINTS)
                torn = any(read_log(self.folder / name, self.seeds).torn for name in LOGS)
                drop_rows_after(self.folder, self._complete(), self.seeds)
                if self.extending:  # now that nothing refuses it any more
                    folders.extend(self.folder, self.configuration.steps)
                    self.extending = False
                with closed(self.folder), deferred() as asked:
                    self._practise(observer, asked, torn)
        except OSError as error:
            if error is self._unseen:
                raise
            raise Failure(self._unwritten(error)) from error

    def _unwritten(self, error: OSError) -> str:
        """What an error of the disk costs, and what helps."""
        why = f"cannot write to {self.folder}: {error.strerror or error}"
        if not (self.folder / "config.json").exists():
            return f"{why}; the run's folder is gone, and with it what it held: put it back"
        helps = "make room" if error.errno in FULL else "mend that"
        step = self._last_saved()
        return f"{why}; the last whole checkpoint is of step {step}: {helps}, then unreset resume"

    def _practise(self, observer: Observer, asked: Asked, torn: bool) -> None:
        config = self.configuration
        began, base = time.monotonic(), self._seconds
        if self._unlogged(torn):
            self._log(math.nan, asked, again=True)
        untaught = not np.asarray(self.method.learner.updates(self.driver.run.learners)).any()
        if untaught and self.method.practice.cloning_updates:
            with asked.at_once(self._stop):
                self.driver.clone()
        if self.step and read_summary(self.folder).get("env_steps") != self.step:
            write_json(self.folder / "summary.json", self.summary())  # lost between two writes
        last = self.step >= config.steps or self._over()
        if not last:
            with asked.at_once(self._stop):  # the first step is compiled
                self._advance(self.step + 1)
        # What compiles says nothing of what is left: nor does the first evaluation.
        timed, before, unjudged = time.monotonic(), self.step, True
        length = 16  # grows until a stretch takes about CHUNK_SECONDS
        while not last:
            speed = (self.step - before) / max(time.monotonic() - timed, 1e-9) or math.nan
            self._seconds = base + time.monotonic() - began
            last = self.step == config.steps or self._over()
            if self.step % config.eval_every == 0 or last:
                started = time.monotonic()
                self._log(speed, asked)
                timed += (time.monotonic() - started) * unjudged
                unjudged = False
            if self.step % config.checkpoint_every == 0 or last or asked.is_set():
                self.save()
            self._show(observer, speed)
            if asked.is_set():
                raise KeyboardInterrupt(self._stop())
            if last:
                return
            stop = min(self.step + length, _next(self.step, config.eval_every), config.steps)
            started, begin = time.monotonic(), self.step
            self._advance(stop)
            took = time.monotonic() - started
            if stop - begin == length:
                length = max(1, int(length * min(2.0, CHUNK_SECONDS / max(took, 1e-3))))

    def _show(self, observer: Observer, speed: float) -> None:
        """Tell the observer; where it raises anything, save first."""
        try:
            observer(self._progress(speed))
        except Again:
            raise
        except BaseException as error:
            self._unseen = error
            self._stop()
            raise

    def _stop(self) -> str:
        """Save what has not been saved; how to go on."""
        with self._saving:
            if self.step != self._saved_step:
                self.save()
        if not self._saved_step:
            return f"before anything was practised, begin with: unreset resume {self.folder}"
        return f"saved, continue with: unreset resume {self.folder}"

    def lives(self) -> list[int | None]:
        """The step of each seed's first success for its life's goal, or None."""
        run = self.driver.carry.run
        return lives.first_successes(run.replay, run.phase.asked)

    def _over(self) -> bool:
        """Whether this is a life, or some, and all have reached what they were for."""
        return self.configuration.evaluation == "life" and None not in self.lives()

    def _complete(self) -> int:
        """The last step whose logs are complete, or as far back as that may be.

        A checkpoint that was made before the logs of its step still has sums for them: what was
        logged since is logged again. Phases and visits reach back to the logs before.
        """
        sums = self.driver.run.totals.values()
        pending = any(np.asarray(weight).any() for _, weight in sums)
        return self._logged_before() if pending else self.step

    def _unlogged(self, torn: bool) -> bool:
        """Whether the run stopped in the evaluation of the present step, or a row of it is lost.

        It may be one of any log that was ``torn``.
        """
        config = self.configuration
        due = self.step and (self.step % config.eval_every == 0 or self.step == config.steps)
        rows = self._logged("eval.csv") if due else []
        there = sum(int(row["env_steps"]) == self.step for row in rows)
        return bool(due) and (torn or there < len(self.seeds))

    def _logged_before(self) -> int:
        """The step of the last log before the present step, or as far back as that may be.

        It is not the last multiple of eval_every where the budget was extended.
        """
        rows = [*self._logged("metrics.csv"), *self._logged("eval.csv")]
        steps = [int(row["env_steps"]) for row in rows]
        earliest = max(0, self.step - self.configuration.eval_every)
        return max((step for step in steps if step < self.step), default=earliest)

    def _judged(self, asked: Asked) -> dict[str, np.ndarray]:
        """Evaluate; where that breaks or is interrupted, save first."""
        with asked.at_once(self._stop):
            try:
                return self.evaluate()
            except Exception as failure:
                self.save()
                if not isinstance(failure, UnresetError):
                    raise
                raise Failure(f"{failure}; saved at step {self.step}") from failure

    def _advance(self, stop: int) -> None:
        """Practise to ``stop``, or a life to its end; where the environment breaks, save first."""
        try:
            self.driver.advance(self.step, stop)
        except Signalled:
            raise
        except (UnresetError, KeyboardInterrupt) as failure:
            self.step = self.driver.done
            self._totals()
            self.save()
            if isinstance(failure, KeyboardInterrupt):
                raise KeyboardInterrupt(self._stop()) from failure
            raise Failure(f"{failure}; saved at step {self.step}") from failure
        self.step = self.driver.done
        self._totals()

    def _totals(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Sums and weights [seeds] of the metrics so far; a Failure where one is not finite."""
        totals = self.driver.run.totals
        read = {k: (np.asarray(v), np.asarray(w)) for k, (v, w) in totals.items()}
        for name, (value, _) in read.items():
            if not np.isfinite(value).all():
                seed = self.seeds[int(np.flatnonzero(~np.isfinite(value))[0])]
                raise Failure(
                    f"{name} is not finite before step {self.step} (seed {seed}): stopped; the "
                    f"last whole checkpoint is of step {self._last_saved()}"
                )
        return read

    def _last_saved(self) -> int:
        return max(self._saved.whole, default=self._loaded)

    def save(self) -> None:
        """Write a checkpoint of the present step, and the summary."""
        assert self._origin is not None
        for name in LOGS:  # what a checkpoint has behind it must not be lost with the power
            if (self.folder / name).exists():
                flush(self.folder / name)
        self._saved = checkpoint.save(
            self.folder / restoring.CHECKPOINTS,
            self.step,
            self.driver.carry,
            self._saved,
            self._origin.configuration,
            self._origin.files,
        )
        self._present = restoring.present(self.folder)
        self._saved_step = self.step
        write_json(self.folder / "summary.json", self.summary())

    def _log(self, speed: float, asked: Asked, again: bool = False) -> None:
        """One row per seed in each log; ``again`` where some may be there, which then stay."""
        totals = self._totals()
        evaluation, cost = self._judged(asked), effort(self.driver.run)
        common = [
            {"seed": seed, "env_steps": self.step, "wall_seconds": round(self._seconds, 2)}
            for seed in self.seeds
        ]
        self._append(
            "metrics.csv",
            [
                row
                | {"steps_per_second": round(speed, 1)}
                | {name: counts[i] for name, counts in cost.items()}
                | {n: float(v[i] / w[i]) if w[i] else math.nan for n, (v, w) in totals.items()}
                for i, row in enumerate(common)
            ],
            again,
        )
        if self.configuration.evaluation in ("continuing", "both"):
            evaluation |= {
                "continuing_reward": lifelong_reward(self._logged("metrics.csv"), self.seeds)
            }
        self._append(
            "eval.csv",
            [
                {"seed": row["seed"], "env_steps": row["env_steps"]}
                | {name: float(values[i]) for name, values in evaluation.items()}
                | {"wall_seconds": row["wall_seconds"]}
                for i, row in enumerate(common)
            ],
            again,
        )
        self._evaluation = {name: float(values.mean()) for name, values in evaluation.items()}
        phases, visits = history(
            self.method,
            self.task,
            self.driver.carry.run,
            self.seeds,
            self.step,
            self._logged_before(),
            self.configuration.eval_every,
        )
        self._append("phases.csv", phases, again)
        self._append("visits.csv", visits, again)
        self.driver.forget_totals()

    def _append(self, name: str, rows: Sequence[Mapping[str, Any]], again: bool) -> None:
        """Append to a log; ``again`` only what comes after the last row of the same seed."""
        if again:
            last = {int(row["seed"]): int(row["env_steps"]) for row in self._logged(name)}
            rows = [row for row in rows if row["env_steps"] > last.get(row["seed"], -1)]
        append_rows(self.folder / name, rows)

    def evaluate(self) -> dict[str, np.ndarray]:
        """Deployed evaluation of every seed's present policy: figures [seeds]."""
        if self.configuration.evaluation == "continuing":
            return {}
        if self.configuration.evaluation == "life":
            return {"solved": np.array([step is not None for step in self.lives()], float)}
        return deployed.figures(self.evaluator, self.configuration.wide_starts, self.actors)

    def _progress(self, speed: float) -> Progress:
        run = self.driver.run
        ended = np.asarray(run.ledger.phases).sum(axis=0)
        reached = np.asarray(run.ledger.successes).sum(axis=0)
        names = [role.name for role in self.method.roles]
        return Progress(
            env_steps=self.step,
            steps=self.configuration.steps,
            seconds=self._seconds,
            steps_per_second=speed,
            acting=names[int(run.phase.role[0])],
            phases={n: (int(e), int(r)) for n, e, r in zip(names, ended, reached, strict=True)},
            evaluation=self._evaluation,
        )

    def summary(self) -> dict[str, Any]:
        """What ``summary.json`` holds: what the run is, cost and reached."""
        rows, peak = self._logged("eval.csv"), machine.peak_memory()
        facts = summarize(self.configuration, self.method, self.driver.run, self.step, rows)
        if self.configuration.evaluation == "life":
            facts |= lives.figures(self.lives(), self.configuration.steps)
            facts["life_goals"] = lives.numbers(self.task, self.driver.run.phase.asked)
            facts["task_goals"] = len(self.task.goals)
        return facts | {
            "env_steps": self.step,
            "demonstrations": self.demonstrations,
            "wall_seconds": round(self._seconds, 1),
            "steps_per_second": round(self.step / self._seconds, 1) if self._seconds else None,
            "peak_memory_mb": None if peak is None else round(peak, 1),
        }


def _next(step: int, period: int) -> int:
    return (step // period + 1) * period
