"""The options of a run: one dataclass for the command line, ``unreset.train`` and ``config.json``.

An option is one field here, with its type, range, default and text.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from unreset import __version__
from unreset.catalogue import DEFAULT_METHOD, DEFAULT_TASK
from unreset.core import ranges
from unreset.core.ranges import Count, Seed, Whole
from unreset.core.types import Task
from unreset.errors import UnresetError
from unreset.methods.settings import Settings
from unreset.runs import stored
from unreset.seeds import at_least
from unreset.seeds import checked as checked_seeds
from unreset.tasks.change import Change

FORMAT = 1  # of config.json
CHOSEN: Any = None  # the default of an option that task and settings choose; see fitted()
BUILT_IN = "built-in"  # demonstrations, in config.json: the task's own
_EVERYWHERE = ("train", "life")
_NO_FLAG = {"commands": ()}
_TRAIN = {"commands": ("train",)}
_LIFE = {"commands": ("life",)}
_HERE = {"stored": False}  # not in config.json


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines a run's result, and where it is written."""

    method: str = field(default=DEFAULT_METHOD, metadata=_NO_FLAG)
    """The name or the place of the method."""
    task: str = field(default=DEFAULT_TASK, metadata=_NO_FLAG)
    """The name or the place of the task."""
    preset: str = "default"
    """"default": the strongest recipe known; "paper": the published settings."""
    seed: Seed = 0
    """First seed."""
    seeds: Count = 1
    """How many seeds to train at once, in one process."""
    steps: Count = field(default=CHOSEN, metadata=_NO_FLAG)
    """Environment steps of each seed; None for the settings' budget."""
    eval_every: Count = CHOSEN
    """Steps between evaluations and log rows; None for 1,000 (JAX tasks) or 5,000."""
    wide_starts: Whole = field(default=CHOSEN, metadata=_TRAIN)
    """Rollouts from wide random starts at every evaluation; None for 100 (JAX tasks) or 0."""
    checkpoint_every: Count = CHOSEN
    """Steps between checkpoints, a multiple of eval_every; None for about 5,000."""
    driver: Literal["fused", "live"] = CHOSEN
    """One compiled loop (JAX tasks), or around the task's Gymnasium environment; None: by task."""
    settings: Settings = field(default=CHOSEN, metadata=_NO_FLAG)
    """The method's hyper-parameters."""
    demonstrations: str | None = None
    """Demonstrations: a file, a folder or a Minari id; "none" for none; None for the task's own.
    config.json says only whether some were given."""
    reward: str | None = None
    """One of the task's rewards; None for its own choice."""
    start: str = CHOSEN
    """Where hard resets put the task, one of its starts; None for the preset's choice, nearly
    always "initial"."""
    horizon: Count | None = field(default=None, metadata=_TRAIN)
    """Steps of one evaluation episode; None for the benchmark's."""
    evaluation: Literal["deployed", "continuing", "both", "life"] = field(
        default="deployed", metadata=_TRAIN
    )
    """The policy from initial states; reward of the whole life for changing goals; or both; or a
    life without resets that ends with the first success."""
    prior: str | None = field(default=None, metadata=_LIFE)
    """The folder of the run that goes before; None for the task's demonstrations alone."""
    change: Change = field(default_factory=Change, metadata=_LIFE)
    """What is different about the task, besides what is so in the task itself."""
    prior_rows: Count = field(default=50_000, metadata=_LIFE | _HERE)
    """How many rows of that run's latest practice are the prior data (QWALE: 50,000)."""
    trust: bool = field(default=False, metadata=_LIFE | _HERE)
    """Import the method or task that the prior run names as MODULE:NAME."""
    out: str | None = field(default=None, metadata=_HERE)
    """The run folder, which must not exist; None for a new one under runs/."""
    report: bool = field(default=True, metadata=_HERE)
    """Write videos and report.html at the end."""

    @property
    def reset_start(self) -> str:
        """Where hard resets put the task, also where nothing has been chosen."""
        return self.start or "initial"

    def dictionary(self) -> dict[str, Any]:
        """What ``config.json`` holds: all options that are stored."""
        kinds = typing.get_type_hints(RunConfig)
        content = {
            one.name: stored.plain(getattr(self, one.name), one.name, kinds[one.name])
            for one in stored_fields()
            if one.name != "settings"
        }
        content["start"] = self.reset_start
        content["demonstrations"] = self.demonstrations or BUILT_IN
        content["settings"] = stored.plain(self.settings, "settings")
        return {"format": FORMAT, "version": __version__, **content}


def stored_fields() -> list[dataclasses.Field[Any]]:
    """The options that ``config.json`` holds."""
    return [one for one in dataclasses.fields(RunConfig) if one.metadata.get("stored", True)]


def flags(command: str) -> list[dataclasses.Field[Any]]:
    """The options that are flags of a command, "train" or "life"."""
    fields = dataclasses.fields(RunConfig)
    return [one for one in fields if command in one.metadata.get("commands", _EVERYWHERE)]


def keywords() -> list[inspect.Parameter]:
    """The options that ``unreset.train`` takes by name, beside method, task and demonstrations."""
    kinds = typing.get_type_hints(RunConfig, include_extras=True)
    found = []
    for one in dataclasses.fields(RunConfig):
        default = None if one.default is dataclasses.MISSING else one.default
        kind = kinds[one.name] | None if default is None else kinds[one.name]
        if one.name not in ("method", "task", "settings", "demonstrations"):
            kept = inspect.Parameter.KEYWORD_ONLY
            found.append(inspect.Parameter(one.name, kept, default=default, annotation=kind))
    return found


def signature(train: Callable[..., Any]) -> inspect.Signature:
    """The signature of a function with ``**options``, these by their names and defaults."""
    found = inspect.signature(train)
    own = [one for one in found.parameters.values() if one.kind is not one.VAR_KEYWORD]
    return found.replace(parameters=[*own, *keywords()])


def asked(options: Mapping[str, Any]) -> RunConfig:
    """What keyword arguments ask for, where they are left away or None as the fields say.

    Raises:
        TypeError: where there is no such option.
        UnresetError: where one is not what it should be; one line says the option and why.
    """
    known = [parameter.name for parameter in keywords()]
    if unknown := [name for name in options if name not in known]:
        raise TypeError(f"train() got an unexpected keyword argument {unknown[0]!r}")
    given = {name: value for name, value in options.items() if value is not None}
    for name in ("prior", "out"):  # a path, too
        if name in given:
            given[name] = str(given[name])
    seed, seeds = checked_seeds(options.get("seed", 0), options.get("seeds", 1))
    config = ranges.checked(RunConfig(**given | {"seed": seed, "seeds": seeds}))
    for name, kind in typing.get_type_hints(RunConfig).items():
        _check_choice(name, kind, getattr(config, name))
    return config


def _check_choice(name: str, kind: Any, value: Any) -> None:
    """Raise UnresetError where a value is none of those that a type lists."""
    choices = typing.get_args(kind)
    if typing.get_origin(kind) is Literal and value is not None and value not in choices:
        *some, last = map(repr, choices)
        raise UnresetError(f"{name} must be {', '.join(some)} or {last}, not {value!r}")


def fitted(config: RunConfig, task: Task, environment: bool) -> RunConfig:
    """The same with all that task and settings choose; ``environment``: whether one is given.

    Raises:
        UnresetError: where an option does not fit the task or another option.
    """
    settings, in_jax = config.settings, task.step is not None
    given: Any = config  # of which what is chosen here is None
    start, horizon = settings.protocol(task, config.start, config.horizon, config.evaluation)
    at_least("horizon", task.horizon)
    every = given.eval_every or (1000 if in_jax else 5000)
    saved = given.checkpoint_every or max(1, 5000 // every) * every
    if saved % every:
        raise UnresetError(f"checkpoint_every={saved} must be a multiple of eval_every={every}")
    wide = given.wide_starts
    if wide is None:
        wide = 100 if in_jax and "wide" in task.starts else 0
    own = config.prior is None and config.demonstrations is None
    return ranges.checked(
        replace(
            config,
            steps=given.steps or settings.steps,
            eval_every=every,
            wide_starts=wide,
            checkpoint_every=saved,
            driver=given.driver or ("fused" if in_jax and not environment else "live"),
            demonstrations=BUILT_IN if own else "given",
            start=start,
            horizon=horizon,
        )
    )
