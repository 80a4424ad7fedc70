"""EARL's tabletop: a gripper carries a mug to one of four coasters. Purely kinematic, in JAX.

The rules follow the benchmark (Sharma, Xu et al. 2022, arXiv 2112.09605): the order of operations,
thresholds, clips, goals, both rewards and both success predicates.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core.types import Array
from unreset.tasks.benchmarks import EARL

STEP = 0.2  # largest displacement of the gripper per axis and step
ARENA = 2.8  # positions are clipped to [-ARENA, ARENA]
GRASP_RADIUS = 0.4
PROTOCOL = EARL["tabletop"]
STARTS = ("initial", "goal", "wide")
HOME = (0.0, 0.0)
MUG_START = (2.5, 0.0)
COASTERS = ((-2.5, -1.0), (-2.5, 1.0), (0.0, 2.0), (0.0, -2.0))
COASTER_COLOURS = ("red", "green", "blue", "black")
WIDE_RANGE, WIDE_CLEARANCE = 2.5, 1.0
_WIDE_TRIES = 64  # a try is rejected about half the time: 2^-64 remains

GOALS = np.array([(*HOME, *coaster, -1.0, -1.0) for coaster in COASTERS], np.float32)
INITIAL = np.array([(*HOME, *MUG_START, -1.0, -1.0)], np.float32)

#: Of (gripper, mug, held, held; goal): from the mug to the gripper, from the goal to the mug,
#: from the goal to the gripper, held.
OFFSETS = np.eye(12, dtype=np.float32)[[0, 1, 2, 3, 0, 1, 4]]
OFFSETS[range(6), [2, 3, 8, 9, 6, 7]] = -1.0


class State(NamedTuple):
    """Positions in table units; ``held`` says whether the mug is in the gripper."""

    gripper: Array  # [2]
    mug: Array  # [2]
    held: Array  # [] bool


def observe(state: State) -> Array:
    """The six state numbers: gripper, mug, and (0, 0) if the mug is held, else (-1, -1)."""
    flag = jnp.where(state.held, 0.0, -1.0)
    return jnp.concatenate([state.gripper, state.mug, jnp.array([1.0, 1.0]) * flag])


def from_observation(observation: Array) -> State:
    """The state that an observation [6] shows; the observation is the whole state."""
    return State(observation[0:2], observation[2:4], observation[4] > -0.5)


def step(state: State, action: Array, arena: float = ARENA) -> State:
    """Grip at the old position, then move the gripper, then drag the mug by what it moved.

    Nothing leaves the square from -``arena`` to ``arena``.
    """
    action = jnp.clip(action, -1.0, 1.0)
    near = jnp.sqrt(jnp.sum((state.gripper - state.mug) ** 2)) < GRASP_RADIUS
    held = (action[2] > 0) & (state.held | near)
    gripper = jnp.clip(state.gripper + STEP * action[:2], -arena, arena)
    dragged = jnp.clip(state.mug + (gripper - state.gripper), -arena, arena)
    return State(gripper, jnp.where(held, dragged, state.mug), held)


def reset(key: Array, start: str = "initial") -> State:
    """The single initial state; "goal": at a goal; "wide": gripper and mug anywhere apart.

    Wide starts are uniform in the square, rejected until the mug is at least 1 from the gripper
    and from every coaster.
    """
    if start == "initial":
        return State(jnp.array(HOME), jnp.array(MUG_START), jnp.array(False))
    if start == "goal":
        return from_observation(jnp.asarray(GOALS)[jax.random.randint(key, (), 0, len(GOALS))])
    tries = jax.random.uniform(key, (_WIDE_TRIES, 4), minval=-WIDE_RANGE, maxval=WIDE_RANGE)
    gripper, mug = tries[:, :2], tries[:, 2:]
    apart = jnp.linalg.norm(gripper - mug, axis=-1) >= WIDE_CLEARANCE
    to_coasters = jnp.linalg.norm(mug[:, None] - jnp.array(COASTERS), axis=-1)
    first = jnp.argmax(apart & (to_coasters >= WIDE_CLEARANCE).all(axis=-1))
    return State(gripper[first], mug[first], jnp.array(False))


def success(observation: Array, goal: Array) -> Array:
    """Gripper and mug together within 0.2 of the goal (one norm over four numbers)."""
    return jnp.sqrt(jnp.sum((observation[0:4] - goal[0:4]) ** 2)) <= PROTOCOL.success_radius


def mug_success(observation: Array, goal: Array) -> Array:
    """The mug alone within 0.2 of the goal: the benchmark's predicate with wide starts."""
    return jnp.sqrt(jnp.sum((observation[2:4] - goal[2:4]) ** 2)) <= PROTOCOL.success_radius


def sparse_reward(observation: Array, goal: Array) -> Array:
    """1 on success, else 0."""
    return success(observation, goal).astype(jnp.float32)


def dense_reward(observation: Array, goal: Array) -> Array:
    """``-d + 2 exp(-d^2/.01) - g + .5 exp(-g^2/.01)``: d mug to goal, g half of gripper to mug."""
    far = jnp.linalg.norm(observation[2:4] - goal[2:4])
    reach = 0.5 * jnp.linalg.norm(observation[0:2] - observation[2:4])
    return -far + 2 * jnp.exp(-(far**2) / 0.01) - reach + 0.5 * jnp.exp(-(reach**2) / 0.01)


def achieved(observation: Array) -> Array:
    """The goal that an observation satisfies: its positions, with nothing held."""
    return jnp.concatenate([observation[0:4], -jnp.ones(2)])


REWARDS = {"sparse": sparse_reward, "dense": dense_reward}
