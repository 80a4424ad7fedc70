"""Options of the commands; nothing here needs JAX, so that mistakes are told at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from unreset.catalogue import check_names
from unreset.cli.parsing import CompileCache, Demonstrations, RunFolder, TaskName, Trust
from unreset.errors import UnresetError
from unreset.runs.files import check_run

PRIOR_HELP = """Make what a life begins with: practice with resets, in the task as it was.

usage: unreset prior [TASK] [--prior-learner sac|iql] [FLAGS of unreset train oracle, or iql]

It is unreset train oracle TASK --preset prior, in the folder runs/prior-TASK-SEED or --out. With
--prior-learner iql nobody practises: it is unreset train iql TASK, which learns from demonstrations
or a data set (--demos), in runs/prior-iql-TASK-SEED. If a run is there already it is continued
where it is not done, and else left as it is.

Examples:
  unreset prior pointmass --steps 50000
  unreset prior pointmass --prior-learner iql --demos recorded.npz
"""


@dataclass(frozen=True)
class CheckOptions:
    """Try a task's environment before training in it: exit code 1 if there is a problem.

    It is reset some hundred times and stepped some thousand, with random actions.

    Examples:
      unreset check tabletop
      unreset check my_robot:make_task --demos recorded.safetensors
    """

    task: TaskName
    """A task's name, or MODULE:FUNCTION, what makes it."""
    demos: Annotated[str | None, Demonstrations] = None
    """Demonstrations to judge: a file, a folder or a Minari id; "none" for none; None for the
    task's own."""
    steps: int = 1000
    """How many random steps to take."""

    def check(self) -> None:
        """Refuse a task that is not known, and a number of steps that is none."""
        check_names(None, self.task)
        if self.steps < 1:
            raise UnresetError(f"--steps must be at least 1, not {self.steps}")


@dataclass(frozen=True)
class ResumeOptions:
    """Continue a run from its newest whole checkpoint.

    Example: unreset resume runs/fbrl-tabletop-0 --steps 60000
    """

    run: RunFolder
    """The run folder."""
    steps: int | None = None
    """A new budget of environment steps; None for the run's own."""
    report: bool = True
    """Write videos and report.html at the end."""
    without_replay: bool = False
    """Where no checkpoint is whole: go on from one whose replay alone is damaged, with those
    transitions that are whole."""
    restart: bool = False
    """Begin at step 0, and keep what is there in before-restart in the folder."""
    compile_cache: CompileCache = True
    trust: Trust = False

    def check(self) -> None:
        """Refuse what is no run, and options that contradict each other."""
        if self.without_replay and self.restart:
            raise UnresetError(
                "--without-replay goes on and --restart begins again: give one of them"
            )
        check_run(self.run)


@dataclass(frozen=True)
class EvalOptions:
    """Evaluate a run's deterministic policy, its discriminators or its model, which all stay.

    Examples:
      unreset eval runs/fbrl-tabletop-0 --starts wide --episodes 200
      unreset eval runs/medal-tabletop-0 --rewards
      unreset eval runs/mbarl-tabletop-0 --dynamics
    """

    run: RunFolder
    """The run folder."""
    starts: Literal["fixed", "wide"] = "fixed"
    """The task's initial states; or random states (robustness)."""
    episodes: int | None = None
    """How many; None for 100 wide ones, or from initial states 50 (JAX tasks) or 10. A JAX task in
    which nothing is random has one for each goal, whatever is asked for."""
    rewards: bool = False
    """Judge the discriminators instead, on states of the policy, of random actions (from both kinds
    of start, 10 episodes each by default, in a simulator 2) and of fresh demonstrations."""
    dynamics: bool = False
    """Judge the model instead, on as many of the policy's episodes from each kind of start, and on
    fresh demonstrations: its error by steps ahead, and whether it knows how sure it may be."""
    demonstrations: Annotated[str | None, Demonstrations] = None
    """Fresh demonstrations for --rewards and --dynamics; "none" for none (--dynamics); None for the
    script's, with another seed."""
    seed_number: int = 0
    """Which of the run's seeds --rewards and --dynamics judge, counted from 0."""
    compile_cache: CompileCache = True
    trust: Trust = False

    def check(self) -> None:
        """Refuse what is no run, and options that do not fit each other."""
        check_run(self.run)
        if self.rewards and self.dynamics:
            raise UnresetError("say --rewards or --dynamics, not both")
        judged = self.rewards or self.dynamics
        for flag, given, fits in [
            ("demos", self.demonstrations is not None, judged),
            ("seed-number", self.seed_number != 0, judged),
            ("starts", self.starts != "fixed", not judged),
        ]:
            if given and not fits:
                where = "without" if flag == "starts" else "with"
                raise UnresetError(f"--{flag} is used {where} --rewards or --dynamics")
        if self.episodes is not None and self.episodes < 1:
            raise UnresetError(f"episodes must be at least 1, not {self.episodes}")


@dataclass(frozen=True)
class ReportOptions:
    """Write a run's report, or one page that compares several runs.

    Example: unreset report runs/fbrl-tabletop-0 runs/medal-tabletop-0 --output compare.html
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN ...")]
    """The run folders."""
    output: Path | None = None
    """The page; None for report.html in the run folder, or in the current one for several."""
    trust: Trust = False

    def check(self) -> None:
        """Refuse to report on nothing."""
        if not self.runs:
            raise UnresetError("report needs at least one run folder (see unreset report --help)")


@dataclass(frozen=True)
class ExportOptions:
    """Write a run's policy to one file that acts with NumPy alone.

    Example: unreset export runs/fbrl-tabletop-0 policy.safetensors
    """

    run: RunFolder
    """The run folder."""
    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """The file to write; read it with unreset.Policy.load(FILE)."""
    seed_number: int = 0
    """Which of the run's seeds, counted from 0."""
    trust: Trust = False

    def check(self) -> None:
        """Refuse what is no run."""
        check_run(self.run)


@dataclass(frozen=True)
class MethodsOptions:
    """List the methods and their presets, or show the settings of one.

    Example: unreset methods medal
    """

    method: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[METHOD]")] = None
    """Which method, by name or MODULE:CLASS; None for a list."""

    def check(self) -> None:
        """Refuse a method that is not known."""
        check_names(self.method, None)


@dataclass(frozen=True)
class TasksOptions:
    """List the tasks, or show the protocol of one.

    Example: unreset tasks sawyer_door
    """

    task: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[TASK]")] = None
    """Which task; None for a list."""

    def check(self) -> None:
        """Refuse a task that is not known."""
        check_names(None, self.task)


@dataclass(frozen=True)
class BenchOptions:
    """Train a suite of methods and tasks over seeds, and make its tables and plots.

    Without a SUITE, list them. The same command again goes on where it stopped.

    Examples:
      unreset bench tabletop --seeds 5
      unreset bench tabletop --methods fbrl my_method:Mine
      unreset bench boundary --out here --tables-only
    """

    suite: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[SUITE]")] = None
    """Which suite; None for a list."""
    methods: tuple[str, ...] = ()
    """These methods alone; also others than the suite's, and MODULE:CLASS."""
    tasks: tuple[str, ...] = ()
    """These tasks alone; also others than the suite's."""
    seeds: int = 5
    """How many seeds of each cell."""
    first_seed: int = 0
    """The first of the seeds."""
    preset: str = "default"
    """The preset of every method."""
    steps: int | None = None
    """Environment steps of each seed; None for the suite's."""
    eval_every: int | None = None
    """Steps between evaluations; None for the choice of unreset train."""
    out: Path | None = None
    """The folder of the bench; None for bench/SUITE."""
    jobs: int | None = None
    """The most runs at once; None for as many as there are cores."""
    memory_gb: float | None = None
    """GiB of memory for all runs; None for what is free now."""
    threshold: float | None = None
    """Success that counts as learned; None for what it was in this folder, or 0.95."""
    tables_only: bool = False
    """Make tables and plots from the runs that are there, and train nothing."""
    compile_cache: CompileCache = True
