"""unreset: reinforcement learning that practises without resets.

>>> import unreset
>>> run = unreset.train("medal", "tabletop", seed=0)  # doctest: +SKIP
>>> action = run.policy(observation)  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "BACKWARD",
    "FORWARD",
    "Method",
    "Policy",
    "Practice",
    "Role",
    "Settings",
    "Task",
    "Trajectory",
    "UnresetError",
    "data",
    "from_environment",
    "goals",
    "interventions",
    "learners",
    "life",
    "load",
    "models",
    "ranges",
    "rewards",
    "settings",
    "switching",
    "task",
    "train",
]

if TYPE_CHECKING:
    from unreset import data, goals, interventions, learners, models, rewards, switching
    from unreset.api import train
    from unreset.core import ranges
    from unreset.core.method import Method, Practice, Role
    from unreset.core.types import BACKWARD, FORWARD, Task, Trajectory
    from unreset.deploy.policy import Policy
    from unreset.errors import UnresetError
    from unreset.methods.settings import Settings
    from unreset.registry import settings, task
    from unreset.run import load
    from unreset.single_life import life
    from unreset.tasks.environments.adapter import from_environment

_HOMES = {
    "BACKWARD": "core.types",
    "FORWARD": "core.types",
    "Method": "core.method",
    "Policy": "deploy.policy",
    "Practice": "core.method",
    "Role": "core.method",
    "Settings": "methods.settings",
    "Task": "core.types",
    "Trajectory": "core.types",
    "UnresetError": "errors",
    "from_environment": "tasks.environments.adapter",
    "life": "single_life",
    "load": "run",
    "settings": "registry",
    "task": "registry",
    "train": "api",
}
_ROOMS = {  # packages of parts, and the ranges of their numbers
    "data": "data",
    "goals": "goals",
    "interventions": "interventions",
    "learners": "learners",
    "models": "models",
    "ranges": "core.ranges",
    "rewards": "rewards",
    "switching": "switching",
}


def __getattr__(name: str) -> Any:
    """Import on first use: a robot's computer that only needs ``Policy`` needs no JAX."""
    from importlib import import_module  # noqa: PLC0415

    if name in _ROOMS:
        return import_module(f"unreset.{_ROOMS[name]}")
    if name not in _HOMES:
        raise AttributeError(f"module 'unreset' has no attribute {name!r}")
    return getattr(import_module(f"unreset.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
