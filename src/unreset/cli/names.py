"""What stands before the flags of the commands that practise: a method and a task."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from unreset.catalogue import DEFAULT_METHOD, DEFAULT_TASK, check_names
from unreset.cli.options import PRIOR_HELP
from unreset.cli.parsing import flag
from unreset.errors import UnresetError, look_up

#: By learner, how the run is named that a life begins with, its method and that one's preset.
PRIORS = {"sac": ("prior", "oracle", "prior"), "iql": ("prior-iql", "iql", "default")}


class Named(NamedTuple):
    """What a command practises with, by name, and its flags."""

    method: str
    task: str
    flags: list[str]


def train(arguments: list[str]) -> Named:
    """The method, the task and the flags of ``unreset train``; refuses names that are misspelt."""
    (method, task), flags = _named("train", arguments, [DEFAULT_METHOD, DEFAULT_TASK])
    check_names(method, task)
    return Named(method, task, flags)


def life(arguments: list[str]) -> Named:
    """The same of ``unreset life``."""
    (method, task), flags = _named("life", arguments, ["qwale", "pointmass_windy"])
    check_names(method, task)
    return Named(method, task, flags)


def prior(arguments: list[str]) -> Named:
    """The same of ``unreset prior``, with a key of :data:`PRIORS` in the method's place."""
    (task,), flags = _named("prior", arguments, ["pointmass"])
    if {"-h", "--help"} & set(flags):
        print(PRIOR_HELP)
        raise SystemExit(0)
    kind = flag(flags, "prior-learner", "sac")
    look_up("prior learner", kind, PRIORS)
    check_names(None, task)
    return Named(kind, task, flags)


def _named(
    command: str, arguments: list[str], defaults: Sequence[str]
) -> tuple[list[str], list[str]]:
    """What stands before the flags, or its defaults; and the flags."""
    names = list(itertools.takewhile(lambda word: not word.startswith("-"), arguments))
    if len(names) > len(defaults):
        takes = "a METHOD and a TASK" if len(defaults) == 2 else "a TASK"
        raise UnresetError(f"{command} takes {takes}, not also {names[len(defaults)]!r}")
    return [*names, *defaults[len(names) :]], arguments[len(names) :]
