"""EARL's kitchen as a task."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from unreset.core.types import Task
from unreset.errors import UnresetError
from unreset.tasks.kitchen.kitchen import OFFSETS, PROTOCOL, SETTLED_ROBOT, KitchenEnv
from unreset.tasks.kitchen.kitchen_expert import kitchen_demonstrations
from unreset.tasks.kitchen.kitchen_starts import ALL_PAIRS, check_tasks, opened
from unreset.tasks.simulation.simulated import ask, simulated


def _demonstrations(tasks: str, reward: str, seed: int = 0) -> list[Any]:
    return kitchen_demonstrations(tasks, seed=seed, reward=reward)


def kitchen(reward: str = "dense", tasks: str = ALL_PAIRS) -> Task:
    """The task, with the benchmark's dense reward or a sparse one.

    Args:
        reward: "dense" needs the simulator (where hand and handles are); "sparse" does not.
        tasks: see :class:`KitchenEnv`; the initial states are those of these tasks alone.

    Raises:
        UnresetError: if an argument is not one of these.
    """
    try:
        named = check_tasks(tasks)
    except ValueError as error:
        raise UnresetError(str(error)) from error
    initial = [[*SETTLED_ROBOT, *opened(one)] for one in named]
    return simulated(
        "kitchen",
        "unreset/Kitchen-v0",
        KitchenEnv,
        PROTOCOL,
        reward,
        arguments={"tasks": tasks},
        summary="close doors, switch off the light of a kitchen with an arm (EARL; MuJoCo)",
        lasting=True,
        initial_goals=np.array(initial, np.float32),
        score=ask if reward == "dense" else None,
        demonstrations=partial(_demonstrations, tasks, reward),
        proprioception=tuple(range(9)),
        offsets=OFFSETS,
        position=(22, 21),
        position_name="microwave and hinged door",
    )
