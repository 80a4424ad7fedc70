"""Imagined rollouts: what a policy would do in the model's world (MBPO, Janner et al. 2019).

They branch off from real states, are used for one round of updates and forgotten: nothing imagined
is ever stored, and every action is the present policy's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from unreset.core.types import Array, Task
from unreset.models.dynamics import Dynamics, Model, elites, predict


class Modelled(NamedTuple):
    """A model and its state."""

    dynamics: Dynamics
    task: Task
    model: Model


class Imagined(NamedTuple):
    """Steps of N rollouts, K in a row each, [K, N, ...]."""

    observation: Array
    goal: Array
    action: Array
    next_observation: Array
    reward: Array  # the model's, 0 of one that predicts none
    success: Array  # bool, False where the task cannot say
    age: Array  # steps of the rollout before this one


Policy = Callable[[Array, Array, Array], Array]
"""(observation [N, ...], goal [N, ...], key) -> action [N, ...]"""


class End(NamedTuple):
    """What ends a rollout."""

    length: Array | int  # steps
    success: bool  # whether success does, too
    disagreement: float  # of two elites that is too much; 0: none is


def imagine(
    world: Modelled, policy: Policy, starts: tuple[Array, Array], end: End, key: Array
) -> Imagined:
    """Roll a model out from observations and goals ``starts`` [K, N, ...].

    A rollout that has ended gives way to one from the next start: all rows count. Goals stay as
    they are.
    """
    dynamics, task, model = world
    chosen = elites(dynamics, model)
    turns, number = starts[0].shape[:2]

    def turn(
        now: tuple[Array, Array, Array], item: tuple[Array, Array, Array]
    ) -> tuple[tuple[Array, Array, Array], Imagined]:
        age = now[2]
        fresh = (age == 0)[:, None]
        observation, goal = (
            jnp.where(fresh, new, old) for new, old in zip(item[:2], now[:2], strict=True)
        )
        act_key, step_key = jax.random.split(item[2])
        action = policy(observation, goal, act_key)
        ahead = predict(dynamics, task, model, chosen, observation, action, goal, step_key)
        success = jnp.zeros(number, bool)
        if task.pure:
            success = jax.vmap(task.success)(ahead.observation, goal)
        over = age + 1 >= end.length
        if end.success:
            over |= success
        if end.disagreement:
            over |= ahead.disagreement > end.disagreement
        rows = Imagined(observation, goal, action, ahead.observation, ahead.reward, success, age)
        return (ahead.observation, goal, jnp.where(over, 0, age + 1)), rows

    begin = starts[0][0], starts[1][0], jnp.zeros(number, jnp.int32)
    return jax.lax.scan(turn, begin, (*starts, jax.random.split(key, turns)))[1]
