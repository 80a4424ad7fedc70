"""Distribution matching: a discriminator between expert and own states, and its rewards.

One discriminator serves GAIL (Ho & Ermon 2016), VICE (Fu et al. 2018) and MEDAL (Sharma et al.
2022): they differ in what the positives and negatives are and in the form of the reward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from unreset.core.networks import MLP
from unreset.core.types import Array, Metrics

RewardForm = Literal["-log(1-D)", "log D", "log D - log(1-D)"]
_torch_default = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


@dataclass(frozen=True)
class Matching:
    """Hyper-parameters of the discriminator."""

    hidden: tuple[int, ...] = (128,)
    """Widths of its hidden layers (MEDAL code: 128)."""
    learning_rate: float = 3e-4
    """Adam's step size (MEDAL code: 3e-4)."""
    interval: int = 10
    """Environment steps between its updates (MEDAL code: 10)."""
    batch_size: int = 800
    """Rows of one update, half of them expert (MEDAL code: 800)."""
    mixup: bool = True
    """Train on convex mixtures of pairs, weights ~ Beta(1, 1) (MEDAL code)."""
    last_states: int = 0
    """Only so many last states of a demonstration are expert's; 0: all (VICE in MEDAL++: 10)."""
    see_goal: bool = True
    """Whether it sees the goal beside the state (MEDAL code: yes); if not, no offsets either."""
    form: RewardForm = "-log(1-D)"
    """Reward as a function of D, the probability of being expert (MEDAL: -log(1-D))."""
    scale: float = 10.0
    """Factor on this reward (MEDAL code: 10)."""


class Discriminator(NamedTuple):
    """The state of a discriminator."""

    params: Any
    optimizer: Any


def _network(config: Matching) -> MLP:
    return MLP(config.hidden, 1, kernel_init=_torch_default)


def init(config: Matching, key: Array, input_size: int) -> Discriminator:
    """A fresh discriminator for inputs [input_size]."""
    params = _network(config).init(key, jnp.zeros(input_size))
    return Discriminator(params, optax.adam(config.learning_rate).init(params))


def logits(config: Matching, discriminator: Discriminator, inputs: Array) -> Array:
    """Inputs [..., input] to log D / (1 - D), shape [...]."""
    value: Any = _network(config).apply(discriminator.params, inputs)
    return value.squeeze(-1)


def reward(form: RewardForm, logit: Array) -> Array:
    """The reward at a logit, with D kept 1e-10 away from 0 and 1 as in the released code."""
    expert = jnp.log(jax.nn.sigmoid(logit) + 1e-10)
    own = jnp.log(jax.nn.sigmoid(-logit) + 1e-10)
    return {"-log(1-D)": -own, "log D": expert, "log D - log(1-D)": expert - own}[form]


def update(
    config: Matching, discriminator: Discriminator, expert: Array, own: Array, key: Array
) -> tuple[Discriminator, Metrics]:
    """One step of binary cross-entropy on expert [N, input] against own [N, input] rows.

    The metrics are taken before the step, on rows it has not been trained on in this form.
    """
    inputs = jnp.concatenate([expert, own])
    labels = jnp.concatenate([jnp.ones(len(expert)), jnp.zeros(len(own))])
    accuracy = jnp.mean((logits(config, discriminator, inputs) > 0) == (labels > 0.5))
    if config.mixup:
        share_key, order_key = jax.random.split(key)
        share = jax.random.uniform(share_key, labels.shape)  # Beta(1, 1)
        partner = jax.random.permutation(order_key, len(labels))
        inputs = share[:, None] * inputs + (1 - share[:, None]) * inputs[partner]
        labels = share * labels + (1 - share) * labels[partner]

    def loss(params: Any) -> Array:
        values = logits(config, Discriminator(params, ()), inputs)
        return optax.sigmoid_binary_cross_entropy(values, labels).mean()

    value, gradient = jax.value_and_grad(loss)(discriminator.params)
    updates, optimizer = optax.adam(config.learning_rate).update(gradient, discriminator.optimizer)
    params = optax.apply_updates(discriminator.params, updates)
    return Discriminator(params, optimizer), {
        "loss": value,
        "accuracy": accuracy,
    }
