"""Imagined rollouts: what a policy would do in the model's world (MBPO, Janner et al. 2019).

They branch off from real states, are used for one round of updates and forgotten: nothing imagined
is ever stored, and every action is the present policy's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from unreset.core.model import Dynamics, Model, elites, predict
from unreset.core.types import Array, Task
from unreset.errors import UnresetError


@dataclass(frozen=True)
class Imagination:
    """Hyper-parameters of imagined rollouts."""

    share: float = 0.0
    """Share of a batch that is imagined; 0: there is no model (MBPO: 0.95; mbarl: 0.5, ours)."""
    length: int = 1
    """Steps after which a rollout ends and another one begins, at first (MBPO: 1)."""
    last_length: int = 5
    """The same in the end (MBPO: 1 to 25 by task; the poster of MBARL: 20 to 50)."""
    growing_from: int = 2_000
    """Environment steps until which rollouts have the first length."""
    growing_to: int = 10_000
    """Environment steps from which on they have the last one; linear in between (MBPO)."""
    demonstrations: float | None = 0.5
    """Share of rollouts that begin in demonstrated states (MBPO: 0); None for their share of all
    rows (MBARL)."""
    initial: float = 0.0
    """Share of those that begin in initial states; the rest begin where practice has been."""
    disagreement: float = 0.0
    """A rollout ends once the means of two elites are further apart than this, in deviations of
    what a step changes (root mean square); 0: never."""

    def __post_init__(self) -> None:
        """Refuse shares and lengths that are none."""
        if not 0 <= self.share <= 1:
            raise UnresetError(f"share={self.share} of imagined rows must be from 0 to 1")
        if min(self.length, self.last_length) < 1:
            raise UnresetError(
                f"length={self.length} and last_length={self.last_length} must be 1 or more"
            )
        shown = self.demonstrations or 0.0
        if min(shown, self.initial) < 0 or shown + self.initial > 1:
            raise UnresetError(
                f"demonstrations={self.demonstrations} and initial={self.initial} are shares of "
                "all rollouts: at least 0, together at most 1"
            )

    @property
    def turns(self) -> int:
        """Imagined steps one after the other in one round: the longest rollout's."""
        return max(self.length, self.last_length)

    def length_at(self, step: Array) -> Array:
        """Steps [] of a rollout at an environment step []."""
        span = max(self.growing_to - self.growing_from, 1)
        grown = jnp.clip((step - self.growing_from) / span, 0.0, 1.0)
        return jnp.floor(self.length + grown * (self.last_length - self.length)).astype(jnp.int32)


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


def imagine(
    config: Imagination,
    dynamics: Dynamics,
    task: Task,
    model: Model,
    policy: Policy,
    starts: tuple[Array, Array],
    length: Array | int,
    ends_on_success: bool,
    key: Array,
) -> Imagined:
    """Roll the model out from observations and goals ``starts`` [K, N, ...].

    A rollout that has ended, after ``length`` steps, by success if that ends the task, or because
    the elites disagree, gives way to one from the next start: all rows count. Goals stay as they
    are.
    """
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
        over = age + 1 >= length
        if ends_on_success:
            over |= success
        if config.disagreement:
            over |= ahead.disagreement > config.disagreement
        rows = Imagined(observation, goal, action, ahead.observation, ahead.reward, success, age)
        return (ahead.observation, goal, jnp.where(over, 0, age + 1)), rows

    begin = starts[0][0], starts[1][0], jnp.zeros(number, jnp.int32)
    return jax.lax.scan(turn, begin, (*starts, jax.random.split(key, turns)))[1]
