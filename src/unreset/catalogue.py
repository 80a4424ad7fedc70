"""Every method and task by name, imported when it is first asked for: one line for a new one."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping, MutableMapping
from functools import partial
from typing import Any

from unreset.errors import look_up

DEFAULT_METHOD = "fbrl"  # the faster and steadier of those measured in benchmarks/
DEFAULT_TASK = "tabletop"


class Place:
    """An object that is found at ``module:name``; a function with some arguments given."""

    def __init__(self, place: str, **given: Any) -> None:
        self._module, _, self._name = place.partition(":")
        self._given = given

    def load(self) -> Any:
        """Import the object."""
        found = getattr(importlib.import_module(f"unreset.{self._module}"), self._name)
        return partial(found, **self._given) if self._given else found


class Catalogue(MutableMapping[str, Any]):
    """Objects by name; one that stands there by its place is imported when it is asked for."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        self._entries: dict[str, Any] = dict(places)

    def __getitem__(self, name: str) -> Any:
        entry = self._entries[name]
        if isinstance(entry, Place):
            entry = self._entries[name] = entry.load()
        return entry

    def __setitem__(self, name: str, entry: Any) -> None:
        self._entries[name] = entry

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


#: Presets of each method. The first line of a settings class says what the method is.
METHODS = Catalogue(
    {
        name: Place(f"methods.{name}:PRESETS")
        for name in (
            "medal",
            "medalpp",
            "fbrl",
            "naive",
            "oracle",
            "bc",
            "r3l",
            "vaprl",
            "leave_no_trace",
            "multitask",
            "qwale",
            "finetuning",
            "iql",
            "paint",
            "mbarl",
            "mbpo",
        )
    }
)

#: What makes each task; a benchmark's task takes the name of its reward.
TASKS = Catalogue(
    {
        "tabletop": Place("tasks.tabletop.tabletop_task:tabletop"),
        "sawyer_door": Place("tasks.sawyer.sawyer_door_task:sawyer_door"),
        "sawyer_peg": Place("tasks.sawyer.sawyer_peg_task:sawyer_peg"),
        "sawyer_peg_small": Place("tasks.sawyer.sawyer_peg_small:sawyer_peg_small"),
        "kitchen": Place("tasks.kitchen.kitchen_task:kitchen"),
        "minitaur": Place("tasks.minitaur.minitaur:minitaur"),
        "dexterous": Place("tasks.dexterous.dexterous:dexterous"),
        "cube_grasp": Place("tasks.cube.cube_grasp_task:cube_grasp"),
        "cheetah_velocity": Place("tasks.cheetah.cheetah_velocity:cheetah_velocity"),
        "cheetah": Place("tasks.cheetah.cheetah:cheetah"),
        "cheetah_hurdles": Place("tasks.cheetah.cheetah:cheetah", hurdles=True),
        "kitchen_alone": Place("tasks.kitchen.kitchen_combination:kitchen_combination"),
        "kitchen_together": Place(
            "tasks.kitchen.kitchen_combination:kitchen_combination", together=True
        ),
        "pointmass": Place("tasks.pointmass.pointmass:pointmass"),
        "pointmass_windy": Place("tasks.pointmass.pointmass:pointmass", windy=True),
        "tabletop_placing": Place("tasks.tabletop.tabletop_placing:tabletop_placing"),
        "tabletop_placing_moved": Place(
            "tasks.tabletop.tabletop_placing:tabletop_placing", new_mug=True
        ),
        "pointmass_walls": Place("tasks.pointmass.pointmass_walls:pointmass_walls"),
        "sticky_maze": Place("tasks.sticky_maze.sticky_maze:sticky_maze"),
        "tabletop_edge": Place("tasks.tabletop.tabletop_edge:tabletop_edge"),
    }
)


def check_names(method: str | None, task: str | None) -> None:
    """Refuse a misspelt name before anything is imported for it; places are not looked at.

    Raises:
        UnresetError: with the nearest name.
    """
    if method is not None and ":" not in method:
        look_up("method", method, METHODS)
    # What looks like an environment's id is refused with advice, where tasks are made.
    if task is not None and ":" not in task and not re.search(r"/|-v\d+$", task):
        look_up("task", task, TASKS)
