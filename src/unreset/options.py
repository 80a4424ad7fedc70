"""What the commands of the command line take, and how it is read."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import inspect
import io
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tyro

from unreset.errors import UnresetError, look_up
from unreset.methods.settings import Settings
from unreset.networks.views import Vision
from unreset.tasks.change import Change

Options = TypeVar("Options")
Commands = Mapping[str, tuple[Callable[[list[str]], int], str]]
"""What runs each command, and a line about it."""

TaskName = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TASK")]
Demonstrations = tyro.conf.arg(name="demos", metavar="PATH|ID")
Trust = Annotated[
    bool, tyro.conf.arg(help="Import the method or task that a run names as MODULE:NAME.")
]
RunFolder = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]

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
    start: Literal["initial", "goal", "wide"] | None = None
    """Where hard resets put the task; None for the preset's choice, nearly always "initial"."""
    horizon: int | None = None
    """Steps of one evaluation episode; None for the benchmark's."""
    demonstrations: Annotated[str | None, Demonstrations] = None
    """Demonstrations: a file, a folder or a Minari id; "none" for none; None for the task's own."""
    out: Path | None = None
    """The run folder; None for a new one under runs/."""
    report: bool = True
    """Write videos and report.html at the end."""


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
    prior_rows: int = 50_000
    """How many rows of that run's latest practice are the prior data (QWALE: 50,000)."""
    trust: Trust = False
    prior_learner: Literal["sac", "iql"] = "sac"
    """Without a prior run: begin with fresh networks, or with what implicit Q-learning makes of the
    demonstrations (or of a data set, --demos) first."""
    seed: int = 0
    """First seed."""
    seeds: int = 1
    """How many lives at once, in one process."""
    eval_every: int | None = None
    """Steps between log rows; None for 1,000 (JAX tasks) or 5,000."""
    checkpoint_every: int | None = None
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
    trust: Trust = False


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
    trust: Trust = False


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


@dataclass(frozen=True)
class MethodsOptions:
    """List the methods and their presets, or show the settings of one.

    Example: unreset methods medal
    """

    method: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[METHOD]")] = None
    """Which method, by name or MODULE:CLASS; None for a list."""


@dataclass(frozen=True)
class TasksOptions:
    """List the tasks, or show the protocol of one.

    Example: unreset tasks sawyer_door
    """

    task: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[TASK]")] = None
    """Which task; None for a list."""


def parse(
    kind: type[Options], command: str, arguments: Sequence[str], default: Any = None
) -> Options:
    """Typed options from arguments; a mistake becomes one line, with the nearest flag if any."""
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            options: Any = tyro.cli(
                kind,
                prog=f"unreset {command}" + " [METHOD] [TASK]" * (command in ("train", "life")),
                description=inspect.getdoc(kind),
                args=list(arguments),
                default=default,
            )
            return options
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        # A title, the complaint, a rule, and advice; framed where the terminal can show it.
        words = re.sub(r"[^\x20-\x7e\n]", "", complaint.getvalue())
        lines = [line.strip(" |") for line in words.splitlines()[1:]]
        groups = itertools.groupby(lines, key=lambda line: bool(re.search(r"\w", line)))
        blocks = [list(group) for worded, group in groups if worded]
        message = " ".join(blocks[0]) if blocks else "bad usage"
        advice = [line for block in blocks[1:] for line in block if re.match(r"--\w", line)]
        flags = [line.split()[0].rstrip(",") for line in advice]
        wrong = re.search(r"--[\w.-]+", message)
        unknown = wrong[0] if wrong and "nrecognized" in message else ""
        near = difflib.get_close_matches(unknown, flags, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UnresetError(f"{message}{hint} (see unreset {command} --help)") from None


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
    return settings, {name: getattr(options, name) for name in common}


def dispatch(
    program: str, about: str, commands: Commands, example: str, arguments: list[str]
) -> int:
    """Run the command that the first argument names, or print the usage; returns the exit code.

    Raises:
        UnresetError: where there is no such command, or something is wrong with what it was asked
            for; one line says what.
    """
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(f"{about}\n\nusage: {program} COMMAND ... ({program} COMMAND --help says more)\n")
        for name, (_, line) in commands.items():
            print(f"  {name:8} {line}")
        print(f"\nexample: {example}")
        return 0 if arguments else 2
    look_up(f"{program.removeprefix('unreset')} command".strip(), arguments[0], commands)
    return commands[arguments[0]][0](arguments[1:])
