"""EARL's tabletop as a task."""

from __future__ import annotations

from functools import partial
from typing import Any

from unreset.core.types import Task
from unreset.tasks.simulation.simulated import chosen, make
from unreset.tasks.tabletop.tabletop import (
    GOALS,
    INITIAL,
    OFFSETS,
    PROTOCOL,
    REWARDS,
    STARTS,
    achieved,
    mug_success,
    observe,
    reset,
    step,
    success,
)
from unreset.tasks.tabletop.tabletop_expert import tabletop_demonstrations
from unreset.tasks.tabletop.tabletop_render import CAMERAS, looks, render


def _demonstrations(seed: int = 0) -> list[Any]:
    return tabletop_demonstrations(seed=seed)


def tabletop(reward: str = "sparse") -> Task:
    """The task, with its "sparse" or "dense" reward.

    Raises:
        UnresetError: if there is no such reward.
    """
    return Task(
        name="tabletop",
        summary="carry a mug to one of four coasters and return (EARL; JAX)",
        observation_size=6,
        action_size=3,
        goals=GOALS,
        initial_goals=INITIAL,
        **PROTOCOL.periods(),
        achieved=achieved,
        reward=chosen("tabletop", REWARDS, reward),
        sparse=reward == "sparse",
        success=success,
        wide_success=mug_success,
        lasting=True,
        environment=partial(make, "unreset/Tabletop-v0", reward_type=reward),
        starts=STARTS,
        demonstrations=_demonstrations,
        reset=reset,
        step=step,
        observe=observe,
        render=render,
        cameras=tuple(CAMERAS),
        look=looks,
        proprioception=(0, 1, 4),
        offsets=OFFSETS,
        position=(2, 3),
        position_name="mug position",
    )
