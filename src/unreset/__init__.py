"""unreset: reinforcement learning that practises without resets.

>>> import unreset
>>> run = unreset.train("medal", "tabletop", seed=0)  # doctest: +SKIP
>>> action = run.policy(observation)  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Policy", "UnresetError", "from_environment", "life", "load", "train"]

if TYPE_CHECKING:
    from unreset.api import load, train
    from unreset.errors import UnresetError
    from unreset.policy import Policy
    from unreset.single_life import life
    from unreset.tasks.environments.adapter import from_environment


def __getattr__(name: str) -> Any:
    """Import on first use: a robot's computer that only needs ``Policy`` needs no JAX."""
    from importlib import import_module  # noqa: PLC0415

    homes = {
        "Policy": "unreset.policy",
        "UnresetError": "unreset.errors",
        "from_environment": "unreset.tasks.environments.adapter",
        "load": "unreset.api",
        "life": "unreset.single_life",
        "train": "unreset.api",
    }
    if name not in homes:
        raise AttributeError(f"module 'unreset' has no attribute {name!r}")
    return getattr(import_module(homes[name]), name)
