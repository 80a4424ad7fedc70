"""Every method and task by name: the one place to add a line for a new one."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping

from unreset.core.types import Task
from unreset.demos.scripted import tabletop_demonstrations
from unreset.demos.store import Trajectory
from unreset.errors import UnresetError
from unreset.methods import fbrl, medal, naive, oracle
from unreset.methods.settings import Settings
from unreset.tasks.tabletop import tabletop

#: Presets of each method. The first line of a settings class says what the method is.
METHODS: Mapping[str, Mapping[str, Settings]] = {
    "medal": medal.PRESETS,
    "fbrl": fbrl.PRESETS,
    "naive": naive.PRESETS,
    "oracle": oracle.PRESETS,
}

#: What makes each task, and its built-in demonstrations.
TASKS: Mapping[str, tuple[Callable[[], Task], Callable[[], list[Trajectory]]]] = {
    "tabletop": (tabletop, tabletop_demonstrations),
}

DEFAULT_METHOD = "fbrl"  # the faster and steadier of those measured in benchmarks/
DEFAULT_TASK = "tabletop"


def _look_up(kind: str, name: str, known: Iterable[str]) -> None:
    names = list(known)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
        raise UnresetError(f"unknown {kind} {name!r}; {hint}")


def settings(method: str, preset: str = "default") -> Settings:
    """The settings of a method's preset, or an error that suggests the nearest name."""
    _look_up("method", method, METHODS)
    _look_up("preset", preset, METHODS[method])
    return METHODS[method][preset]


def task(name: str) -> Task:
    """A task by name, or an error that suggests the nearest name."""
    _look_up("task", name, TASKS)
    return TASKS[name][0]()


def demonstrations(name: str) -> list[Trajectory]:
    """The built-in demonstrations of a task."""
    _look_up("task", name, TASKS)
    return TASKS[name][1]()
