"""The tabletop as single-life RL uses it: bring the mug to a coaster once, from new places too.

As in the released code of QWALE (Chen, Sharma, Levine & Finn 2022, arXiv 2210.08863) only the mug's
distance counts. In the life, the mug stands where it never stood in the prior data.
"""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core.types import Array, Task
from unreset.tasks.benchmarks import SINGLE_LIFE
from unreset.tasks.tabletop import tabletop, tabletop_task

PROTOCOL = SINGLE_LIFE["tabletop"]
NEW_MUGS = ((2.7, 1.5), (2.7, -1.5))
SPREAD = 0.15  # of the mug around them, on each axis


def success(observation: Array, goal: Array) -> Array:
    """Whether the mug is within 0.15 of where the goal [6] has it."""
    return jnp.linalg.norm(observation[2:4] - goal[2:4]) <= PROTOCOL.success_radius


def moved(key: Array, start: str = "initial") -> tabletop.State:
    """The initial state with the mug near one of two new places; other starts as they are."""
    if start != "initial":
        return tabletop.reset(key, start)
    which, where = jax.random.split(key)
    place = jnp.array(NEW_MUGS)[jax.random.randint(which, (), 0, len(NEW_MUGS))]
    mug = place + jax.random.uniform(where, (2,), minval=-SPREAD, maxval=SPREAD)
    mug = jnp.clip(mug, -tabletop.ARENA, tabletop.ARENA)
    return tabletop.reset(key)._replace(mug=mug)


def tabletop_placing(new_mug: bool = False) -> Task:
    """The task with the mug where EARL has it, or somewhere new and for the two far coasters."""
    task = tabletop_task.tabletop()
    task = replace(
        task,
        name="tabletop_placing",
        summary="bring a mug to one of four coasters, once (single-life RL; JAX)",
        **PROTOCOL.periods(),
        reward=lambda observation, goal: success(observation, goal).astype(jnp.float32),
        success=success,
        wide_success=success,
        lasting=False,
        environment=None,  # Gymnasium's has EARL's predicate
    )
    if not new_mug:
        return task
    return replace(
        task,
        name="tabletop_placing_moved",
        summary="the same with the mug where it never was (single-life RL; JAX)",
        goals=np.array(tabletop.GOALS[:2]),
        reset=moved,
        demonstrations=lambda seed=0: [
            one
            for one in tabletop_task._demonstrations(seed)
            if (np.abs(tabletop.GOALS[:2] - one.goal).max(axis=1) < SPREAD).any()
        ],
    )
