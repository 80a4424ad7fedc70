"""The tabletop without its rim: a mug that is let go beyond the edge has fallen, for good.

As in the released code of PAINT (Xie, Tajwar, Sharma & Finn 2022, arXiv 2210.10765) the gripper
reaches beyond the table; what it carries there falls once it is let go, and cannot be taken again.
"""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp

from unreset.core.types import Array, Task
from unreset.tasks.benchmarks import PAINT
from unreset.tasks.tabletop import tabletop, tabletop_task
from unreset.tasks.tabletop.tabletop import State

EDGE = tabletop.ARENA  # the table reaches from -EDGE to EDGE
REACH = 3.8  # and the gripper, with what it holds, as far as this
PROTOCOL = PAINT["tabletop_edge"]


def fallen(state: State) -> Array:
    """Whether the mug is beyond the edge and nobody holds it."""
    return ~state.held & (jnp.abs(state.mug) > EDGE).any()


def step(state: State, action: Array) -> State:
    """As on the tabletop, but a fallen mug is not gripped."""
    moved = tabletop.step(state, action, arena=REACH)
    alone = tabletop.step(state, jnp.append(action[:2], -1.0), arena=REACH)
    return jax.tree.map(lambda x, y: jnp.where(fallen(state), x, y), alone, moved)


def stuck(observation: Array) -> Array:
    """Whether the mug has fallen."""
    return fallen(tabletop.from_observation(observation))


def stuck_examples(key: Array, number: int) -> Array:
    """Observations [number, 6] with the mug anywhere beyond the edge, the gripper anywhere.

    That the released code shows such states from the start is known; how it draws them is not.
    """
    side_key, mug_key, gripper_key = jax.random.split(key, 3)
    mug = jax.random.uniform(mug_key, (number, 2), minval=-REACH, maxval=REACH)
    out = jnp.sign(mug) * (EDGE + jnp.abs(mug) * (REACH - EDGE) / REACH)
    # One of the two numbers is beyond the edge; by chance the other is, too.
    first = jax.random.bernoulli(side_key, shape=(number,))
    mug = jnp.where(jnp.stack([first, ~first], axis=-1), out, mug)
    gripper = jax.random.uniform(gripper_key, (number, 2), minval=-REACH, maxval=REACH)
    return jnp.concatenate([gripper, mug, jnp.full((number, 2), -1.0)], axis=-1)


def tabletop_edge() -> Task:
    """The task."""
    return replace(
        tabletop_task.tabletop(),
        name="tabletop_edge",
        summary="the tabletop with an edge over which the mug can fall (PAINT; JAX)",
        **PROTOCOL.periods(),
        stuck=stuck,
        stuck_examples=stuck_examples,
        step=step,
        environment=None,  # Gymnasium's has a rim
    )
