"""Every method and task by name: the one place to add a line for a new one."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping

from unreset.core.types import Task
from unreset.errors import UnresetError, look_up
from unreset.methods import fbrl, medal, naive, oracle
from unreset.methods.settings import Settings
from unreset.tasks.cube_grasp import cube_grasp
from unreset.tasks.dexterous import dexterous
from unreset.tasks.kitchen import kitchen
from unreset.tasks.minitaur import minitaur
from unreset.tasks.sawyer_door import sawyer_door
from unreset.tasks.sawyer_peg import sawyer_peg
from unreset.tasks.tabletop import tabletop

#: Presets of each method. The first line of a settings class says what the method is.
METHODS: Mapping[str, Mapping[str, Settings]] = {
    "medal": medal.PRESETS,
    "fbrl": fbrl.PRESETS,
    "naive": naive.PRESETS,
    "oracle": oracle.PRESETS,
}

#: What makes each task; a benchmark's task takes the name of its reward.
TASKS: dict[str, Callable[..., Task]] = {
    "tabletop": tabletop,
    "sawyer_door": sawyer_door,
    "sawyer_peg": sawyer_peg,
    "kitchen": kitchen,
    "minitaur": minitaur,
    "dexterous": dexterous,
    "cube_grasp": cube_grasp,
}

DEFAULT_METHOD = "fbrl"  # the faster and steadier of those measured in benchmarks/
DEFAULT_TASK = "tabletop"


def settings(method: str, preset: str = "default") -> Settings:
    """The settings of a method's preset, or an error that suggests the nearest name."""
    look_up("method", method, METHODS)
    look_up("preset", preset, METHODS[method])
    return METHODS[method][preset]


def task(name: str, reward: str | None = None) -> Task:
    """A task by name, or of one's own: ``package.module:make_task``.

    Args:
        name: a name from ``unreset tasks``; or the place of a function without arguments that
            returns a Task, found from the current folder too.
        reward: one of the task's rewards; None for its own choice.

    Raises:
        UnresetError: where there is no such task or reward; it suggests the nearest name.
    """
    if ":" in name:
        make = _imported(name)
    else:
        look_up("task", name, TASKS)
        make = TASKS[name]
    if reward is not None and "reward" not in inspect.signature(make).parameters:
        raise UnresetError(f"task {name!r} has no choice of reward, so not {reward!r}")
    made = make() if reward is None else make(reward=reward)
    if not isinstance(made, Task):
        raise UnresetError(f"{name} returned {type(made).__name__}, not a Task")
    return made


def _imported(place: str) -> Callable[..., Task]:
    """The function at ``module:name``."""
    module_name, _, name = place.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UnresetError(
            f"cannot import {module_name!r} of task {place!r}: {error}; it must be importable "
            "from here, for example my_task.py in the current folder as my_task:make_task"
        ) from error
    make = getattr(module, name, None)
    if not callable(make):
        raise UnresetError(f"{module_name} has no function {name!r} that makes a task")
    return make
