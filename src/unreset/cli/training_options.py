"""What the commands that practise take, beside the settings of a method."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tyro

from unreset.cli.parsing import CompileCache, Demonstrations, parse
from unreset.core import ranges
from unreset.errors import UnresetError
from unreset.methods.settings import Settings
from unreset.networks.views import Vision
from unreset.runs import config
from unreset.runs.config import RunConfig

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


@dataclass(frozen=True)
class TrainFlags:
    """What ``unreset train`` takes besides a run's options and the method's own settings."""

    compile_cache: CompileCache = True


@dataclass(frozen=True)
class LifeFlags(TrainFlags):
    """The same of ``unreset life``."""

    prior_learner: Literal["sac", "iql"] = "sac"
    """Without a prior run: begin with fresh networks, or with what implicit Q-learning makes of the
    demonstrations (or of a data set, --demos) first."""


_LIFE: dict[str, Any] = {"start": "initial", "report": False}  # where life's defaults are others


def parse_training(
    settings: Settings, arguments: Sequence[str], command: str = "train"
) -> tuple[Settings, dict[str, Any]]:
    """The settings, changed by flags, and the values of the command's options by name.

    Those are the options of a run that are flags of the command, and its own.

    Raises:
        UnresetError: where a flag is wrong, or two settings would have the same one.
    """
    # The settings are further flags of the options; those of the loop and the learner, its sight
    # among them, which every method has, go without a prefix.
    own = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    about, given = (LIFE_HELP, LifeFlags) if command == "life" else (TRAIN_HELP, TrainFlags)
    common = [field.name for field in (*config.flags(command), *dataclasses.fields(given))]
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
            *_run_options(command, own),
            ("practice", Annotated[loop, tyro.conf.arg(name="")], own["practice"]),
            ("learner", Annotated[learner, tyro.conf.OmitArgPrefixes], own["learner"]),
        ],
        bases=(type(settings), given, RunConfig),
        frozen=True,
    )
    kind.__doc__ = about
    options: Any = parse(kind, command, arguments, kind(**own))
    settings = type(settings)(**{name: getattr(options, name) for name in own})
    told = {name: getattr(options, name) for name in common}
    asked = {field.name: told[field.name] for field in config.flags(command)}
    ranges.checked(RunConfig(**asked), spelled=_flag)
    return ranges.checked(settings, spelled=_flag), told


def _run_options(command: str, own: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """The options of a run as a command's flags have them; those that are none are left out."""
    kinds = typing.get_type_hints(RunConfig, include_extras=True)
    shown = [field.name for field in config.flags(command)]
    for field in dataclasses.fields(RunConfig):
        kind, default = kinds[field.name], field.default
        if field.name in own:
            continue
        if field.name not in shown:
            kind = Annotated[Any, tyro.conf.Fixed, tyro.conf.Suppress]
        elif default is None:
            kind = kind | None
        if field.name == "demonstrations":
            kind = Annotated[kind, Demonstrations]
        if default is dataclasses.MISSING:
            yield field.name, kind, dataclasses.field(default_factory=field.default_factory)
        else:
            changed = _LIFE.get(field.name, default) if command == "life" else default
            yield field.name, kind, dataclasses.field(default=changed)


def _flag(name: str) -> str:
    """The flag of a setting, by the dotted name of its field."""
    bare = name.removeprefix("practice.").removeprefix("learner.").removeprefix("vision.")
    return f"--{bare.replace('_', '-')}"
