"""What the commands that practise take, beside the settings of a method."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from unreset.cli.parsing import CompileCache, Demonstrations, Trust, parse
from unreset.core import ranges
from unreset.core.ranges import Count, Seed, Whole
from unreset.errors import UnresetError
from unreset.methods.settings import Settings
from unreset.networks.views import Vision
from unreset.tasks.change import Change

TRAIN_HELP = """Practise a task without resets, from demonstrations.

Examples:
  unreset train                                  the default method on the tabletop
  unreset train fbrl tabletop --seeds 5          five seeds at once
  unreset train medal --preset paper --steps 1500000
  unreset train medal --reset-every 10000 --out runs/with-resets
  unreset train fbrl sawyer_door --evaluation both
  unreset train medal my_package.my_module:make_task --demos my_demonstrations.npz
  unreset train my_method:MyMethod --help        a method of one's own, with its flags
"""


@dataclass(frozen=True)
class TrainOptions:
    """What ``unreset train`` takes besides the method's own settings."""

    preset: str = "default"
    """"default": the strongest recipe known; "paper": the published settings."""
    seed: Seed = 0
    """First seed."""
    seeds: Count = 1
    """How many seeds to train at once, in one process."""
    eval_every: Count | None = None
    """Steps between evaluations and log rows; None for 1,000 (JAX tasks) or 5,000."""
    wide_starts: Whole | None = None
    """Rollouts from wide random starts at every evaluation; None for 100 (JAX tasks) or 0."""
    checkpoint_every: Count | None = None
    """Steps between checkpoints; None for about 5,000."""
    driver: Literal["fused", "live"] | None = None
    """One compiled loop (JAX tasks), or around the task's Gymnasium environment; None: by task."""
    evaluation: Literal["deployed", "continuing", "both"] = "deployed"
    """The policy from initial states; reward of the whole life for changing goals; or both."""
    reward: str | None = None
    """One of the task's rewards; None for its own choice."""
    start: Literal["initial", "goal", "wide"] | None = None
    """Where hard resets put the task; None for the preset's choice, nearly always "initial"."""
    horizon: Count | None = None
    """Steps of one evaluation episode; None for the benchmark's."""
    demonstrations: Annotated[str | None, Demonstrations] = None
    """Demonstrations: a file, a folder or a Minari id; "none" for none; None for the task's own."""
    out: Path | None = None
    """The run folder; None for a new one under runs/."""
    report: bool = True
    """Write videos and report.html at the end."""
    compile_cache: CompileCache = True


LIFE_HELP = """Do a task once, in one life: no resets, and the first success or the budget ends it.

A life begins from a prior run (its practice, and what it learned), from demonstrations, or from
nothing. The result is the number of steps.

Examples:
  unreset prior pointmass
  unreset life qwale pointmass_windy --prior runs/prior-pointmass-0 --seeds 20
  unreset life finetuning pointmass_windy --prior runs/prior-pointmass-0
  unreset life finetuning pointmass_windy --demos none                   from scratch
  unreset life qwale pointmass --prior runs/prior-pointmass-0 --change.wind -0.2 0.5
  unreset life qwale pointmass_windy --prior-learner iql --demos recorded.npz
"""


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
class LifeOptions:
    """What ``unreset life`` takes besides the method's own settings."""

    preset: str = "default"
    """One of the method's presets."""
    prior: Path | None = None
    """The folder of the run that goes before; None for the task's demonstrations alone."""
    prior_rows: Count = 50_000
    """How many rows of that run's latest practice are the prior data (QWALE: 50,000)."""
    trust: Trust = False
    prior_learner: Literal["sac", "iql"] = "sac"
    """Without a prior run: begin with fresh networks, or with what implicit Q-learning makes of the
    demonstrations (or of a data set, --demos) first."""
    seed: Seed = 0
    """First seed."""
    seeds: Count = 1
    """How many lives at once, in one process."""
    eval_every: Count | None = None
    """Steps between log rows; None for 1,000 (JAX tasks) or 5,000."""
    checkpoint_every: Count | None = None
    """Steps between checkpoints; None for about 5,000."""
    driver: Literal["fused", "live"] | None = None
    """One compiled loop (JAX tasks), or around the task's Gymnasium environment; None: by task."""
    reward: str | None = None
    """One of the task's rewards; None for its own choice."""
    start: str = "initial"
    """Where the life begins: a start that the task knows."""
    change: Change = field(default_factory=Change)
    """What is different about the task, besides what is so in the task itself."""
    demonstrations: Annotated[str | None, Demonstrations] = None
    """Demonstrations, without a prior run: a file, a folder or a Minari id; "none" for none; None
    for the task's own."""
    out: Path | None = None
    """The run folder; None for a new one under runs/."""
    report: bool = False
    """Write videos and report.html at the end."""
    compile_cache: CompileCache = True


def parse_training(
    settings: Settings, arguments: Sequence[str], command: str = "train"
) -> tuple[Settings, dict[str, Any]]:
    """The settings, changed by flags, and the values of the command's options by name.

    Those are :class:`TrainOptions`, or :class:`LifeOptions` for the command "life".

    Raises:
        UnresetError: where a flag is wrong, or two settings would have the same one.
    """
    # The settings are further flags of the options; those of the loop and the learner, its sight
    # among them, which every method has, go without a prefix.
    own = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    about, given = (LIFE_HELP, LifeOptions) if command == "life" else (TRAIN_HELP, TrainOptions)
    common = [field.name for field in dataclasses.fields(given)]
    loop, learner = type(own["practice"]), type(own["learner"])
    bare = [f.name for kind in (loop, learner, Vision) for f in dataclasses.fields(kind)]
    taken = [*common, *bare]
    if twice := [name for name in own if name in taken]:
        raise UnresetError(
            f"{twice[0]!r} of {type(settings).__name__} is a flag of unreset {command} already; "
            "give the field another name"
        )
    kind = dataclasses.make_dataclass(
        "Options",
        [
            ("practice", Annotated[loop, tyro.conf.arg(name="")], own["practice"]),
            ("learner", Annotated[learner, tyro.conf.OmitArgPrefixes], own["learner"]),
        ],
        bases=(type(settings), given),
        frozen=True,
    )
    kind.__doc__ = about
    options: Any = parse(kind, command, arguments, kind(**own))
    settings = type(settings)(**{name: getattr(options, name) for name in own})
    told = {name: getattr(options, name) for name in common}
    ranges.checked(given(**told), spelled=_flag)
    return ranges.checked(settings, spelled=_flag), told


def _flag(name: str) -> str:
    """The flag of a setting, by the dotted name of its field."""
    bare = name.removeprefix("practice.").removeprefix("learner.").removeprefix("vision.")
    return f"--{bare.replace('_', '-')}"
