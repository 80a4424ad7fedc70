"""Random network distillation (Burda et al. 2018, arXiv 1810.12894): novelty as a reward.

A predictor learns the output of a fixed random network on the states that a role has visited; where
it errs, that role has seldom been. Inputs are whitened by running moments. R3L (Zhu et al. 2020,
arXiv 2004.12570) perturbs the world with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from unreset.core import replay as replays
from unreset.core.protocols import Beginning, Draws, Fitted, Reward, Scope, Steps
from unreset.core.ranges import Count, Finite, Fraction, Positive, Rate
from unreset.core.types import Array, Metrics, when
from unreset.networks.mlp import MLP
from unreset.networks.views import Frames

WHITE_LIMIT = 5.0  # standard deviations beyond which inputs are cut (Burda et al.)


@dataclass(frozen=True)
class RND(Reward):
    """A reward by random network distillation."""

    hidden: tuple[Count, ...] = (128, 128)
    """Widths of the hidden layers of predictor and random network (ours)."""
    features: Count = 32
    """Numbers that the random network puts out (ours)."""
    learning_rate: Rate = 3e-4
    """Adam's step size of the predictor (R3L)."""
    interval: Count = 1
    """Environment steps between the predictor's updates."""
    batch_size: Count = 256
    """Rows of one update (R3L: 256)."""
    spread_rate: Fraction = 0.001
    """Share of the running moments that each update replaces, after the first ones (ours)."""
    limit: Positive = 5.0
    """Largest reward, in standard deviations of the error (ours)."""
    scale: Finite = 0.02
    """Factor on this reward (ours: returns then stay of the size of the task's)."""

    def inputs(self, scope: Scope, observation: Array, frames: Frames) -> Array:
        """Inputs [..., input] of its networks: numbers, or pictures as few numbers."""
        return scope.context.plain(observation, frames)

    def init(self, scope: Scope, start: Beginning, key: Array) -> Distillation:
        """A fresh pair of networks."""
        nothing = jnp.zeros(scope.task.observation_size)
        seen = self.inputs(scope, nothing, replays.blank_frames(start.pinned))
        return fresh(self, key, seen.size)

    def reward(self, scope: Scope, steps: Steps) -> tuple[Array, Array]:
        """The error in running standard deviations, at most ``limit``; nothing ends by it."""
        seen = self.inputs(scope, steps.next_observation, steps.next_frames)
        found = self.scale * novelty(self, scope.state, seen)
        return found, jnp.zeros(found.shape, bool)

    def fit(self, scope: Scope, draws: Draws, due: Array, key: Array) -> Fitted:
        """An update on rows of the roles that it rewards."""
        roles = scope.method.rewarded(scope.name)
        at = replays.sample(draws.replay, roles, self.batch_size, key)
        rows = draws.replay.rows
        observation, frames = jax.tree.map(lambda x: x[at], (rows.observation, rows.frames))

        def step(state: Distillation) -> tuple[Distillation, Metrics]:
            return update(self, state, self.inputs(scope, observation, frames))

        state, found = when(due, step, scope.state)
        return Fitted(state, draws.learners, found)


class Distillation(NamedTuple):
    """The state of random network distillation."""

    target: Any  # parameters of the random network, never updated
    params: Any  # of the predictor
    optimizer: Any
    variance: Array  # [], running, of the error
    centre: Array  # [input], running mean of the inputs
    spread: Array  # [input], running variance of the inputs
    updates: Array  # [] int32


def _network(config: RND) -> MLP:
    return MLP(config.hidden, config.features)


def fresh(config: RND, key: Array, input_size: int) -> Distillation:
    """A fresh pair of networks for inputs [input_size]."""
    nothing = jnp.zeros(input_size)
    target, params = (_network(config).init(k, nothing) for k in jax.random.split(key))
    optimizer = optax.adam(config.learning_rate).init(params)
    one, ones = jnp.float32(1), jnp.ones(input_size)
    return Distillation(target, params, optimizer, one, nothing, ones, jnp.int32(0))


def error(config: RND, state: Distillation, inputs: Array) -> Array:
    """The predictor's mean squared error [...] at inputs [..., input], which it whitens."""
    white = (inputs - state.centre) / jnp.sqrt(state.spread + 1e-8)
    white = jnp.clip(white, -WHITE_LIMIT, WHITE_LIMIT)
    wanted: Any = _network(config).apply(state.target, white)
    found: Any = _network(config).apply(state.params, white)
    return jnp.mean((found - wanted) ** 2, axis=-1)


def novelty(config: RND, state: Distillation, inputs: Array) -> Array:
    """The error in running standard deviations [...], at most ``limit``."""
    deviation = jnp.sqrt(state.variance) + 1e-8
    return jnp.minimum(error(config, state, inputs) / deviation, config.limit)


def update(config: RND, state: Distillation, own: Array) -> tuple[Distillation, Metrics]:
    """One step of the predictor on own rows [N, input]; its error is from before the step."""
    # The first update sets the moments, the next ones average, the others forget.
    rate = jnp.maximum(config.spread_rate, 1.0 / (state.updates + 1.0))
    state = state._replace(
        centre=state.centre + rate * (own.mean(axis=0) - state.centre),
        spread=state.spread + rate * (own.var(axis=0) - state.spread),
    )

    def loss(params: Any) -> tuple[Array, Array]:
        errors = error(config, state._replace(params=params), own)
        return errors.mean(), errors

    (value, errors), gradient = jax.value_and_grad(loss, has_aux=True)(state.params)
    updates, optimizer = optax.adam(config.learning_rate).update(gradient, state.optimizer)
    state = state._replace(
        params=optax.apply_updates(state.params, updates),
        optimizer=optimizer,
        variance=state.variance + rate * (errors.var() - state.variance),
        updates=state.updates + 1,
    )
    return state, {"loss": value}
