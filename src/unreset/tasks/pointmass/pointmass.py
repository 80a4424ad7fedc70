"""A point that flies a long way, calm or in the wind: single-life RL's smallest domain, in JAX.

The rules follow the released code of QWALE (Chen, Sharma, Levine & Finn 2022, arXiv 2210.08863):
sizes, clips, wind and success. What was practised in calm air is of little use in the wind, which
pushes the point off the line that it knows.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core.types import Array, Task, Trajectory
from unreset.tasks.benchmarks import SINGLE_LIFE

GOAL = (100.0, 0.0)
BOUNDS = (100.0, 200.0)  # |x|, |y| at most
START = 0.2  # largest |x|, |y| at the start
FROZEN = 0.01  # deviation of the two velocity numbers, which never change
WIND_BACK, WIND_UP = 0.2, (0.8, 0.9)  # a step: towards -x, and towards +y
PROTOCOL = SINGLE_LIFE["pointmass"]


class State(NamedTuple):
    """Where the point is."""

    position: Array  # [2]
    velocity: Array  # [2], noise of the reset that the observation shows and nothing uses
    key: Array  # of the gusts to come


def reset(key: Array, start: str = "initial") -> State:
    """The point near the origin."""
    place, noise, gusts = jax.random.split(key, 3)
    position = jax.random.uniform(place, (2,), minval=-START, maxval=START)
    return State(position, FROZEN * jax.random.normal(noise, (2,)), gusts)


def step(state: State, action: Array, windy: bool = False) -> State:
    """Move by the action [2], each of its numbers in [-1, 1], and by the wind."""
    key, gust = jax.random.split(state.key)
    moved = state.position + jnp.clip(action, -1.0, 1.0)
    if windy:
        up = jax.random.uniform(gust, (), minval=WIND_UP[0], maxval=WIND_UP[1])
        moved += jnp.stack([-WIND_BACK, up])
    bounds = jnp.array(BOUNDS)
    return State(jnp.clip(moved, -bounds, bounds), state.velocity, key)


def observe(state: State) -> Array:
    """Position and frozen velocity [4]."""
    return jnp.concatenate([state.position, state.velocity])


def success(observation: Array, goal: Array) -> Array:
    """Whether the point is within 2 of the goal [2]."""
    return jnp.linalg.norm(observation[:2] - goal) <= PROTOCOL.success_radius


def reward(observation: Array, goal: Array) -> Array:
    """1 on success, else 0."""
    return success(observation, goal).astype(jnp.float32)


def demonstrations(number: int = 3, seed: int = 0) -> list[Trajectory]:
    """Flights straight to the goal in calm air, with a wavering hand (released: 3 are used)."""
    generator, shown = np.random.default_rng(seed), []
    for _ in range(number):
        state = reset(jax.random.key(int(generator.integers(2**31))))
        seen, actions = [np.asarray(observe(state))], []
        while not success(observe(state), jnp.array(GOAL)):
            way = np.array(GOAL) - seen[-1][:2] + generator.normal(0.0, 0.3, 2)
            actions.append(np.clip(way, -1, 1).astype(np.float32))
            state = step(state, actions[-1])
            seen.append(np.asarray(observe(state)))
        shown.append(Trajectory(np.stack(seen), np.stack(actions), np.array(GOAL, np.float32), 0))
    return shown


def pointmass(windy: bool = False) -> Task:
    """The task, in calm air or ``windy``."""
    return Task(
        name="pointmass_windy" if windy else "pointmass",
        summary=f"fly a long way to a point, {'in the wind' if windy else 'in calm air'} (JAX)",
        observation_size=4,
        action_size=2,
        goals=np.array([GOAL], np.float32),
        initial_goals=np.zeros((1, 2), np.float32),
        **PROTOCOL.periods(),
        achieved=lambda observation: observation[:2],
        reward=reward,
        success=success,
        demonstrations=lambda seed=0: demonstrations(seed=seed),
        reset=reset,
        step=partial(step, windy=windy),
        observe=observe,
        proprioception=(0, 1, 2, 3),
        position_name="position",
    )
