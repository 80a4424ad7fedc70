"""What the commands of the command line take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

RunFolder = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]

TRAIN_HELP = """Practise a task without resets, from demonstrations.

Examples:
  unreset train                                  the default method on the tabletop
  unreset train fbrl tabletop --seeds 5          five seeds at once
  unreset train medal --preset paper --steps 1500000
  unreset train medal --reset-every 10000 --out runs/with-resets
  unreset train fbrl sawyer_door --evaluation both
  unreset train medal my_package.my_module:make_task --demos my_demonstrations.npz
"""


@dataclass(frozen=True)
class TrainOptions:
    """What ``unreset train`` takes besides the method's own settings."""

    preset: str = "default"
    """"default": the strongest recipe known; "paper": the published settings."""
    seed: int = 0
    """First seed."""
    seeds: int = 1
    """How many seeds to train at once, in one process."""
    eval_every: int | None = None
    """Steps between evaluations and log rows; None for 1,000 (JAX tasks) or 5,000."""
    wide_starts: int | None = None
    """Rollouts from wide random starts at every evaluation; None for 100 (JAX tasks) or 0."""
    checkpoint_every: int | None = None
    """Steps between checkpoints; None for about 5,000."""
    driver: Literal["fused", "live"] | None = None
    """One compiled loop (JAX tasks), or around the task's Gymnasium environment; None: by task."""
    evaluation: Literal["deployed", "continuing", "both"] = "deployed"
    """The policy from initial states; reward of the whole life for changing goals; or both."""
    reward: str | None = None
    """One of the task's rewards; None for its own choice."""
    start: Literal["initial", "goal", "wide"] = "initial"
    """Where hard resets put the task."""
    horizon: int | None = None
    """Steps of one evaluation episode; None for the benchmark's."""
    demonstrations: Annotated[str | None, tyro.conf.arg(name="demos", metavar="PATH|ID")] = None
    """Demonstrations: a file, a folder or a Minari id; None for the task's own."""
    out: Path | None = None
    """The run folder; None for a new one under runs/."""
    report: bool = True
    """Write videos and report.html at the end."""


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


@dataclass(frozen=True)
class EvalOptions:
    """Evaluate a run's deterministic policy; the run does not change.

    Example: unreset eval runs/fbrl-tabletop-0 --starts wide --episodes 200
    """

    run: RunFolder
    """The run folder."""
    starts: Literal["fixed", "wide"] = "fixed"
    """The task's initial state, one rollout per goal; or random states (robustness)."""
    episodes: int = 100
    """How many wide starts."""


@dataclass(frozen=True)
class ReportOptions:
    """Write a run's report, or one page that compares several runs.

    Example: unreset report runs/fbrl-tabletop-0 runs/medal-tabletop-0 --output compare.html
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN ...")]
    """The run folders."""
    output: Path | None = None
    """The page; None for report.html in the run folder, or in the current one for several."""


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


@dataclass(frozen=True)
class MethodsOptions:
    """List the methods and their presets.

    Example: unreset methods
    """


@dataclass(frozen=True)
class TasksOptions:
    """List the tasks, or show the protocol of one.

    Example: unreset tasks sawyer_door
    """

    task: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[TASK]")] = None
    """Which task; None for a list."""
