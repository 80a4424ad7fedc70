"""Methods and tasks, built in or one's own, made from their names and places."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Mapping
from typing import Any

from unreset import places
from unreset.catalogue import DEFAULT_METHOD, DEFAULT_TASK, METHODS, TASKS
from unreset.core.method import Method
from unreset.core.types import Task
from unreset.errors import UnresetError, look_up
from unreset.methods.settings import Settings
from unreset.tasks.environments import identifiers

__all__ = ["DEFAULT_METHOD", "DEFAULT_TASK", "METHODS", "TASKS"]

#: Presets that were renamed, and what to say instead.
_FORMER = {
    ("medalpp", "laptop"): "medalpp's preset 'laptop' is its default now: leave --preset away"
}


def presets(method: str) -> Mapping[str, Settings]:
    """The presets of a method by name, or of one's own: ``package.module:MyMethod``.

    Args:
        method: a name from ``unreset methods``; or the place of a settings class, of settings, or
            of a function without arguments that returns some, found from the current folder too.
            A class's presets are those of that class in its module's ``PRESETS``, if there are.

    Raises:
        UnresetError: where there is no such method; it suggests the nearest name.
    """
    if ":" not in method:
        look_up("method", method, METHODS)
        return METHODS[method]
    found = places.imported(method, "method")
    if isinstance(found, type):
        _check_class(found, method)
    try:
        made = found() if callable(found) else found
    except (Exception, SystemExit) as error:
        raise UnresetError(f"{method}() raises {places.told(error)}") from error
    if not isinstance(made, Settings):
        raise UnresetError(f"{method} makes {type(made).__name__}, no Settings of a method")
    if found is not type(made):
        return {"default": made}
    known = getattr(sys.modules[found.__module__], "PRESETS", {})
    return {"default": made} | {name: each for name, each in known.items() if type(each) is found}


def settings(method: str, preset: str = "default") -> Settings:
    """The settings of a method's preset; see :func:`presets`."""
    if (method, preset) in _FORMER:
        raise UnresetError(_FORMER[method, preset])
    known = presets(method)
    look_up("preset", preset, known)
    return known[preset]


def settings_class(method: str) -> type[Settings]:
    """The class of the settings of a stored method: one with a name, or ``module:MyMethod``."""
    if ":" not in method:
        return type(settings(method))
    found = places.imported(method, "method")
    _check_class(found, method)
    return found


def method_name(settings: Settings) -> str:
    """What a run stores of a method, by which it is found again: its name, or else its place.

    Raises:
        UnresetError: where it could not be found again.
    """
    kind = type(settings)
    for name, known in METHODS.items():
        if any(type(each) is kind for each in known.values()):
            return name
    _check_class(kind, kind.__name__)
    return places.of(kind)


def _check_class(kind: Any, method: str) -> None:
    if not (isinstance(kind, type) and issubclass(kind, Settings)):
        raise UnresetError(
            f"{method} is no method: it must be a subclass of unreset.methods.settings.Settings"
        )
    lost = set(inspect.get_annotations(kind)) - {f.name for f in dataclasses.fields(kind)}
    if lost and "__dataclass_fields__" not in vars(kind):
        raise UnresetError(f"{method} must be a dataclass: write @dataclass(frozen=True) above it")


def method(settings: Settings, task: Task) -> Method:
    """The method that settings make for a task; an error of theirs is one line.

    Raises:
        UnresetError: where they raise something, or return something else.
    """
    kind = type(settings).__name__
    try:
        made: Any = settings.method(task)
    except UnresetError:
        raise
    except (Exception, SystemExit) as error:
        raise UnresetError(f"{kind}.method() raises {places.told(error)}") from error
    if not isinstance(made, Method):
        raise UnresetError(f"{kind}.method() returns {type(made).__name__}, not a Method")
    return settings.completed(made)


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
        make = places.imported(name, "task")
        if not callable(make):
            raise UnresetError(f"{name} is no function that makes a task")
    else:
        if name not in TASKS and identifiers.looks_like_one(name):
            raise UnresetError(_bringing(name))
        look_up("task", name, TASKS)
        make = TASKS[name]
    if reward is not None and "reward" not in inspect.signature(make).parameters:
        raise UnresetError(f"task {name!r} has no choice of reward, so not {reward!r}")
    try:
        made = make() if reward is None else make(reward=reward)
    except UnresetError:
        raise
    except (Exception, SystemExit) as error:  # any: it is the user's
        raise UnresetError(f"{name} raises {places.told(error)}") from error
    if not isinstance(made, Task):
        raise UnresetError(f"{name} returned {type(made).__name__}, not a Task")
    return made


def _bringing(identifier: str) -> str:
    """How the environment of an id becomes a task."""
    return (
        f"unknown task {identifier!r}; an environment of Gymnasium becomes one by a line in "
        "my_task.py: from unreset import from_environment; "
        f'make_task = lambda: from_environment("{identifier}") - then say my_task:make_task'
    )
